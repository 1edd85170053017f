"""greenroom lock, as it is typed."""

from __future__ import annotations

import re
from functools import partial

import httpx
import pytest

from tests.cli.terminal import Terminal


def ticket(terminal: Terminal, typed: str = "lock acquire deploy") -> str:
    return terminal.type(typed).out.strip()


def test_a_lock_is_taken_kept_looked_at_and_given_back(terminal: Terminal) -> None:
    taken = terminal.type("lock acquire deploy --for 10m")
    assert taken.code == 0
    assert re.match(r"deploy is yours, and free in (9 min 5\d s|10 min) ", taken.err)
    mine = taken.out.strip()

    assert terminal.type(f"lock renew deploy {mine} --for 2h").out == "deploy is yours, and free in 2 h\n"
    assert terminal.type("lock info deploy").out == (
        "deploy is locked, and free in 2 h at the latest; nobody waiting\n"
    )
    assert terminal.type("lock list deploy").lines == [
        ["STATUS", "BY", "ENDS", "TICKET"], ["acquired", "-", "in 2 h", mine],
    ]  # fmt: skip
    assert terminal.type(f"lock release deploy {mine}").out == "Lock released successfully\n"
    assert terminal.type("lock info deploy").out == "deploy is not locked\n"
    assert terminal.type("lock list deploy").err == "deploy is not locked.\n"
    gone = terminal.type(f"lock release deploy {mine}")
    assert (gone.code, gone.err) == (1, "Error: Lock not found\n")


def test_json_is_the_apis_answer_alone(terminal: Terminal) -> None:
    taken = terminal.type("lock acquire deploy --json").json
    assert (taken["status"], taken["leaseDurationSeconds"]) == ("acquired", 3600)
    mine = taken["ticketId"]
    assert terminal.type(f"lock wait deploy {mine} --json").json["ticketId"] == mine
    assert terminal.type(f"lock renew deploy {mine} --json").json["status"] == "acquired"
    assert [one["ticketId"] for one in terminal.type("lock list deploy --json").json] == [mine]
    assert terminal.type("lock info deploy --json").json[0]["status"] == "acquired"
    assert terminal.type(f"lock release deploy {mine} --json").json == {"message": "Lock released successfully"}


def test_who_comes_second_has_a_place_in_line(terminal: Terminal) -> None:
    first = ticket(terminal)
    queued = terminal.type("lock acquire deploy")
    assert (queued.code, queued.err) == (3, "deploy is locked; place 1 in line. greenroom lock wait waits.\n")
    assert terminal.type("lock info deploy").out.endswith("; 1 waiting\n")

    late = terminal.type(f"lock wait deploy {queued.out.strip()} --timeout 40s")
    assert late.code == 4
    assert "Gave up after 40 s: deploy is locked; place 1 in line, about " in late.err

    terminal.meanwhile = [partial(terminal.type, f"lock release deploy {first}")]
    served = terminal.type(f"lock wait deploy {queued.out.strip()}")
    assert (served.code, served.out) == (0, queued.out)


def test_who_waits_gets_the_lock_when_it_is_given_back(terminal: Terminal) -> None:
    first = ticket(terminal)
    terminal.meanwhile = [lambda: None, partial(terminal.type, f"lock release deploy {first}")]
    served = terminal.type("lock acquire deploy --wait")
    assert served.code == 0
    assert served.err.startswith("Waiting: deploy is locked; place 1 in line, about ")
    assert terminal.type("lock list deploy").lines[1][-1] == served.out.strip()


def test_who_gives_up_leaves_the_line(terminal: Terminal) -> None:
    ticket(terminal)
    late = terminal.type("lock acquire deploy --wait --timeout 1m")
    assert (late.code, late.out) == (4, "")
    assert terminal.type("lock info deploy").out.endswith("; nobody waiting\n")


def test_who_is_interrupted_leaves_the_line(terminal: Terminal) -> None:
    ticket(terminal)

    def interrupt() -> None:
        raise KeyboardInterrupt

    terminal.meanwhile = [interrupt]
    assert terminal.type("lock acquire deploy --wait").code != 0
    assert terminal.type("lock info deploy").out.endswith("; nobody waiting\n")


@pytest.mark.parametrize("typed", ["wait deploy 1-1-a", "renew deploy 1-1-a", "release deploy 1-1-a"])
def test_an_unknown_ticket_is_said(terminal: Terminal, typed: str) -> None:
    assert terminal.type(f"lock {typed}").code == 1


# Environments


@pytest.fixture
def prod(terminal: Terminal) -> Terminal:
    """The repository has an environment of its own, `prod`."""
    environment = {
        "repositoryIdentifier": terminal.repo,
        "name": "prod",
        "category": "release",
        "branch": "main",
        "description": "Production",
        "salesforceUsername": f"{terminal.repo.replace('/', '@')}.example",
    }
    headers = {"Authorization": f"Bearer {terminal.environment['GREENROOM_TOKEN']}"}
    terminal.type("pool create core --provider mock --min 0")  # which makes the repository known
    made = httpx.post(f"{terminal.greenroom.address}/sfp/api/environments", json=environment, headers=headers)
    assert made.status_code == 201, made.text
    return terminal


def test_an_environment_is_locked_in_the_same_way(prod: Terminal) -> None:
    first = prod.type("lock acquire prod --env --by 'job 1' --reason deploy --for 1h").out.strip()
    assert prod.type("lock info prod --env").out.startswith("prod is locked by job 1, and free in ")

    second = prod.type("lock acquire prod --env --by 'job 2'")
    assert (second.code, second.err) == (3, "prod is locked; place 1 in line. greenroom lock wait waits.\n")
    again = prod.type("lock acquire prod --env --by 'job 2'")
    assert (again.code, again.err) == (
        3,
        "Error: You already hold or wait for this lock\n"
        f"greenroom lock wait waits with its ticket: {second.out}",
    )  # fmt: skip
    assert [line[:2] for line in prod.type("lock list prod --env").lines[1:]] == [
        ["acquired", "job 1"], ["queued", "job 2"],
    ]  # fmt: skip

    prod.meanwhile = [partial(prod.type, f"lock release prod {first} --env")]
    served = prod.type(f"lock wait prod {second.out.strip()} --env --json")
    assert served.json["accessToken"]
    assert prod.type(f"lock renew prod {second.out.strip()} --env --for 2h").out == "prod is yours, and free in 2 h\n"
    assert prod.type(f"lock release prod {second.out.strip()} --env").out == "Environment unlocked successfully\n"
    assert prod.type("lock info prod --env --json").json["isLocked"] is False
