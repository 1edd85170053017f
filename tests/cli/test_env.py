"""greenroom env, as it is typed."""

from __future__ import annotations

import re
import subprocess
from functools import partial
from pathlib import Path

import pytest

from storage.tokens import Role
from tests.cli.terminal import Terminal, until


def test_an_environment_is_lent_lengthened_and_given_back(terminal: Terminal) -> None:
    terminal.pool()

    assigned = terminal.type("env assign pr 123 --pool core --hours 48")
    assert assigned.code == 0
    assert re.match(rf"pr-123 of {terminal.repo} has \w+\n", assigned.out)
    assert "expires      in 2 d (" in assigned.out
    assert "force://" not in assigned.out  # credentials are for --json

    again = terminal.type("env assign pr-123 --pool core")
    assert again.out.startswith(f"pr-123 of {terminal.repo} has already ")

    extended = terminal.type("env extend pr-123 --for 2d")
    assert extended.out.startswith("Review environment expiration extended by 48 hours: pr-123 has it until ")

    columns, row = terminal.type("env list").lines
    assert columns[:4] == ["HOLDER", "DOMAIN", "ENVIRONMENT", "POOL"]
    assert (row[0], row[3:6]) == ("pr-123", ["core", "active", "in 4 d"])

    given_back = terminal.type("env unassign 'pr-123'")
    assert given_back.out.startswith("Review environment successfully unassigned and returned to pool: ")
    nobody = terminal.type("env list")
    assert (nobody.code, nobody.out, nobody.err) == (0, "", "Nobody has an environment.\n")


def test_json_is_the_apis_answer_alone(terminal: Terminal) -> None:
    terminal.pool()
    assigned = terminal.type("env assign pr 1 --pool core --forever --json").json
    assert assigned["status"] == "environment_assigned"
    assert assigned["assignment"]["environmentDetails"]["sfdxAuthUrl"].startswith("force://")
    assert terminal.type("env extend pr-1 --not-forever --hours 5 --json").json["assignment"]["extensionHours"] == 5
    assert terminal.type("env show pr-1 --json").json["isImmortal"] is False
    assert terminal.type("env list --json").json["totalCount"] == 1
    used = terminal.type("env acquire pr-1 --by me --json").json
    assert used["assignment"]["usage"]["usedBy"] == "me"
    assert terminal.type("env release pr-1 --by me --json").json["status"] == "environment_released"
    moved = terminal.type("env transition pr-1 issue-2 --json").json
    assert moved["assignment"]["assignmentType"] == "issue"
    assert terminal.type("env unassign issue-2 --no-return --json").json["details"]["returnedToPool"] is False


def test_an_environment_is_handed_on_and_found_again(terminal: Terminal) -> None:
    terminal.pool()
    terminal.type("env assign pr 1 --pool core")
    moved = terminal.type("env transition pr 1 issue 4")
    assert moved.out.startswith(f"issue-4 of {terminal.repo} has ")
    gone = terminal.type("env show pr-1")
    assert gone.code == 1
    assert gone.err == f"Error: No active assignment for pr-1 in {terminal.repo}\nIt was handed on to issue-4.\n"
    assert terminal.type("env transition issue-4 issue-4").err == ("Error: Source and target assignment are the same\n")


@pytest.mark.parametrize("typed", ["pr 7", "pr-7", "PR-7", "pr '#7'", "'#7'", "7"])
def test_a_holder_is_typed_in_any_of_these_ways(terminal: Terminal, typed: str) -> None:
    terminal.pool()
    terminal.type("env assign pr 7 --pool core")
    assert terminal.type(f"env show {typed}").out.startswith(f"pr-7 of {terminal.repo} has ")


def test_a_number_that_could_be_two_is_asked_back(terminal: Terminal) -> None:
    terminal.pool(2)
    neither = terminal.type("env show 7")
    assert (neither.code, neither.err) == (
        2, f"Error: Is it pr-7 or issue-7? In {terminal.repo} neither has an environment\n"
    )  # fmt: skip
    terminal.type("env assign pr 7 --pool core")
    terminal.type("env assign issue 7 --pool core")
    both = terminal.type("env show '#7'")
    assert (both.code, both.err) == (2, f"Error: Is it pr-7 or issue-7? In {terminal.repo} both have an environment\n")


@pytest.mark.parametrize("typed", ["7-pr", "pr", "thing-7", "pr 7 pr 8"])
def test_what_is_no_holder_is_said(terminal: Terminal, typed: str) -> None:
    refused = terminal.type(f"env show {typed}")
    assert refused.code == 2
    assert "pr-123" in refused.err


# Waiting


def test_who_waits_gets_what_is_given_back_meanwhile(terminal: Terminal) -> None:
    terminal.pool()
    terminal.type("env assign pr 1 --pool core")
    terminal.meanwhile = [lambda: None, partial(terminal.type, "env unassign pr-1")]

    served = terminal.type("env assign pr 2 --pool core --wait")

    assert served.code == 0
    assert served.out.startswith(f"pr-2 of {terminal.repo} has ")
    assert served.err.startswith("Waiting: No environment is available in pool core (0 available, 1 assigned")


def test_who_waits_has_a_place_in_the_line_of_all(terminal: Terminal) -> None:
    terminal.pool()
    terminal.type("env assign pr 1 --pool core")
    terminal.meanwhile = [lambda: until(lambda: waiting(terminal) == 1)]
    terminal.type("env assign pr 2 --pool core --wait --timeout 4s --hours 5")
    until(lambda: waiting(terminal) == 0)


def waiting(terminal: Terminal) -> int:
    number: int = terminal.type("pool status core --json").json["instances"]["waiting"]
    return number


def test_who_waits_gets_it_for_as_long_as_was_asked(terminal: Terminal) -> None:
    terminal.pool()
    terminal.type("env assign pr 1 --pool core")
    terminal.meanwhile = [partial(terminal.type, "env unassign pr-1")]
    served = terminal.type("env assign pr 2 --pool core --wait --hours 100")
    assert "expires      in 4 d 4 h (" in served.out


def test_who_does_not_wait_is_told_what_there_is(terminal: Terminal) -> None:
    terminal.pool()
    terminal.type("env assign pr 1 --pool core")
    refused = terminal.type("env assign pr 2 --pool core")
    assert (refused.code, refused.out) == (3, "")
    assert refused.err.startswith("Error: No environment is available in pool core (0 available, 1 assigned")
    assert "--wait waits for one; the next may be free in " in refused.err


def test_a_wait_ends_in_time_and_is_no_success(terminal: Terminal) -> None:
    terminal.pool()
    terminal.type("env assign pr 1 --pool core")
    late = terminal.type("env assign pr 2 --pool core --wait --timeout 1m30s --json")
    assert (late.code, late.out) == (4, "")
    assert "Error: Gave up after 1 min 30 s: No environment is available in pool core" in late.err
    assert 90 <= terminal.waited <= 92


def test_who_waits_to_use_an_environment_is_told_who_has_it(terminal: Terminal) -> None:
    terminal.pool()
    terminal.type("env assign pr 1 --pool core")
    used = terminal.type("env acquire pr 1 --for 1h --by 'job 1'")
    assert "in use by    job 1, until " in used.out

    refused = terminal.type("env acquire pr 1 --by 'job 2'")
    assert refused.code == 3
    assert refused.err.startswith("Error: Environment is in use by job 1 until ")
    assert refused.err.endswith("--wait waits until it is free.\n")
    assert terminal.type("env release pr 1 --by 'job 2'").code == 3

    terminal.meanwhile = [partial(terminal.type, "env release pr-1 --by 'job 1'")]
    served = terminal.type("env acquire pr 1 --by 'job 2' --wait --timeout 5m")
    assert served.code == 0
    assert "in use by    job 2, until " in served.out
    assert terminal.type("env release pr-1 --force").code == 0


def test_waiting_does_not_mend_what_is_wrong(terminal: Terminal) -> None:
    refused = terminal.type("env assign pr 2 --pool nope --wait")
    assert (refused.code, terminal.waited) == (1, 0)


# Which repository


def test_the_repository_is_the_one_that_git_names(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.pool()
    terminal.type("env assign pr 1 --pool core")
    checkout = tmp_path / "checkout"
    subprocess.run(["git", "init", "-q", checkout], check=True)
    monkeypatch.chdir(checkout)

    unknown = terminal.type("env show pr-1", GREENROOM_REPOSITORY=None)
    assert unknown.code == 2
    assert unknown.err == (
        "Error: Which repository? Say --repo owner/name, or set GREENROOM_REPOSITORY\nNo git remote here names one.\n"
    )

    add_remote("origin", f"git@github.example:{terminal.repo}.git")
    add_remote("same", f"https://github.example/{terminal.repo}")
    assert terminal.type("env show pr-1", GREENROOM_REPOSITORY=None).code == 0

    add_remote("fork", "https://github.example/wendy/shop")
    several = terminal.type("env show pr-1", GREENROOM_REPOSITORY=None)
    assert several.err.endswith(f"git's remotes name several: {terminal.repo}, wendy/shop.\n")
    assert terminal.type(f"env show pr-1 --repo {terminal.repo}", GREENROOM_REPOSITORY=None).code == 0


def add_remote(name: str, url: str) -> None:
    subprocess.run(["git", "remote", "add", name, url], check=True)


# What may not be


def test_a_member_sees_and_changes_nothing(terminal: Terminal) -> None:
    terminal.pool()
    member = terminal.token(Role.MEMBER)
    refused = terminal.type("env assign pr 1 --pool core", GREENROOM_TOKEN=member)
    assert refused.code == 1
    assert refused.err == (
        "Error: Forbidden - Requires role: owner, application\n"
        "An owner can make a token with such a role: greenroom token create --role …\n"
    )
    assert terminal.type("env list", GREENROOM_TOKEN=member).code == 0


@pytest.mark.parametrize("length", ["soon", "10", "0m", "9999999d", "-5m", "5m3"])
def test_what_is_no_length_of_time_is_said(terminal: Terminal, length: str) -> None:
    refused = terminal.type(f"env extend pr-1 --for={length}")
    assert refused.code == 2
    assert "is not" in refused.err


def test_two_lengths_are_one_too_many(terminal: Terminal) -> None:
    refused = terminal.type("env extend pr-1 --for 1h --hours 2")
    assert (refused.code, refused.err) == (2, "Error: --hours and --for are the same: keep one of 2 h and 1 h\n")


def test_a_long_list_says_that_there_is_more(terminal: Terminal) -> None:
    terminal.pool(2)
    for number in (1, 2):
        terminal.type(f"env assign pr {number} --pool core")
    short = terminal.type("env list --limit 1")
    assert len(short.lines) == 2
    assert short.err == "The newest 1 of 2; --limit shows more.\n"
