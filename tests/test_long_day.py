"""A long day of an organisation, with everything that goes wrong on one (rules I1–I9).

Several pull requests at once with every surface, drafts, forks, strangers, bots; deliveries that come twice, in another
order or never; answers of GitHub that are lost, gateways that fail, tokens that are revoked, limits; and in the end
the App is taken away.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from bot.policy.keys import PATH
from demo.github_state import PullRequest
from storage.assignments import Assignment
from storage.tickets import Ticket
from tests import history
from tests.world import REPO, World

QUIET, PLAIN, OTHER = "acme/quiet", "acme/plain", "acme/other"
AUTHORS = ("alice", "bob", "wendy")
SEEDS = range(2 * int(os.environ.get("TEST_DEPTH", "1")))
ACTS = 60
LIMITED = '{"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}'
SHOP = f"/repos/{REPO}/"


class Day:
    """What people do and what goes wrong, drawn by a seed. `silent` are those on which nobody asks for anything."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.github = world, world.github
        self.dice = random.Random(seed)
        self.silent = self._silent()
        self.quiet = [(repo, self.github.open_pull_request(repo, "alice").number) for repo in (QUIET, PLAIN)]
        self.busy = [self._open() for _ in range(3)]
        self.forks = [self._open(author="mallory", fork="mallory/shop")]

    def _silent(self) -> list[int]:
        draft = self.github.open_pull_request(REPO, "alice", "Not yet", draft=True)
        bumped = self.github.open_pull_request(REPO, "renovate[bot]", "Bump everything")
        return [draft.number, bumped.number]

    def _open(self, author: str | None = None, fork: str | None = None) -> int:
        who = author or self.dice.choice(AUTHORS)
        return self.github.open_pull_request(REPO, who, fork=fork, draft=self.dice.random() < 0.2).number

    def live(self) -> None:
        for turn in range(ACTS):
            self._be_quiet(turn)
            self.world.clock.advance(seconds=self.dice.choice((0, 0, 1, 7)))
            self.dice.choice((self._person, self._person, self._person, self._bystander, self._goes_wrong))()
            if self.dice.random() < 0.4:
                self.deliver()
            if self.dice.random() < 0.2:
                self.world.later(seconds=self.dice.choice((2, 30, 300)))

    def settle(self) -> None:
        """Nothing goes wrong any more, and what was missed is swept up."""
        self.github.wire.faults.clear()
        self.deliver()
        for minutes in (1, 60, 6, 6, 1):
            self.world.later(minutes=minutes)
            self.deliver()

    def deliver(self) -> None:
        """What is on its way arrives in any order, some of it twice."""
        sink = self.world.sink
        arriving, sink.kept = sink.kept, []
        arriving += self.dice.sample(arriving, len(arriving) // 4)
        self.dice.shuffle(arriving)
        for headers, body in arriving:
            sink.post(headers, body)
        self.world.work()

    # People

    def _person(self) -> None:
        number = self.dice.choice(self.busy)
        pull = self.github.pull_request(REPO, number)
        choices = self._while_open(pull) if pull.state == "open" else self._while_closed(pull)
        self.dice.choice(choices)()

    def _while_open(self, pull: PullRequest) -> list[Callable[[], object]]:
        github, number, label = self.github, pull.number, self.dice.choice(("env:deploy", "env:off"))
        switch = github.unlabel if label in pull.labels else github.label
        return [
            lambda: github.push(REPO, number),
            lambda: github.push(REPO, number),
            lambda: (github.ready if pull.draft else github.convert_to_draft)(REPO, number),
            lambda: switch(REPO, number, label, by="trish"),
            lambda: github.close(REPO, number, merged=self.dice.random() < 0.7),
            lambda: github.comment(REPO, number, "wendy", self.dice.choice(("/extend 3h", "/assign", "/unassign"))),
            lambda: github.comment(REPO, number, "trish", "/extend 2h\n/env frobnicate"),
            lambda: github.review(REPO, number, "wendy", "Fine\n\n/extend 1h"),
            lambda: self._touch_ours(pull),
            lambda: self.busy.append(self._open()),
        ]

    def _while_closed(self, pull: PullRequest) -> list[Callable[[], object]]:
        comes_back = self.dice.random() < 0.5 and pull.merged_at is None
        return [
            lambda: self.github.reopen(REPO, pull.number) if comes_back else self.busy.append(self._open()),
            lambda: self.github.comment(REPO, pull.number, "wendy", "/extend 24h"),
        ]

    def _touch_ours(self, pull: PullRequest) -> None:
        """Somebody ticks a box of our comment, writes in it, or throws it away."""
        ours = [c for c in pull.comments if c.body.startswith("<!-- greenroom:status")]
        if not ours:
            return
        match self.dice.choice(("tick", "write", "delete")):
            case "tick" if "--> Extend" in ours[0].body:
                self.github.tick(ours[0], "Extend", by="wendy")
            case "write":
                self.github.edit_comment(ours[0], "Mine now", by="admin")
            case "delete":
                self.github.delete_comment(ours[0], by="admin")

    def _bystander(self) -> None:
        number, hush, fork = self.dice.choice(self.busy), self.dice.choice(self.silent), self.dice.choice(self.forks)
        self.dice.choice(
            (
                lambda: self.github.comment(REPO, number, "eve", "/extend 24h"),
                lambda: self.github.comment(REPO, fork, "mallory", "/env approve"),
                lambda: self.github.comment(REPO, fork, "mona", "/env approve"),
                lambda: self.github.push(REPO, fork),
                lambda: self.github.comment(REPO, hush, "bob", "Nice. You could /extend it\n\n> /extend 24h"),
                lambda: self.github.push(REPO, hush),
                lambda: self.github.comment(OTHER, 1, "wendy", "/assign\n/env nonsense"),
            )
        )()

    def _be_quiet(self, turn: int) -> None:
        """Elsewhere somebody pushes once and merges in the end, and nothing else happens."""
        for repo, number in self.quiet:
            if turn == ACTS // 3:
                self.github.push(repo, number)
            elif turn == ACTS - 1:
                self.github.close(repo, number, merged=True)

    # What goes wrong

    def _goes_wrong(self) -> None:
        method, times = self.dice.choice(("GET", "POST", "PATCH")), self.dice.choice((1, 2))
        fail, left = self.github.fail, self.github.left(self.world.installation.id, "core")
        self.dice.choice(
            (
                lambda: self.github.lose_answer("POST", SHOP, times=times),
                lambda: fail(method, SHOP, self.dice.choice((500, 502, 503)), times=times),
                lambda: fail(method, SHOP, 502, times=times, after=True),
                self.github.revoke_tokens,
                lambda: fail("POST", "/access_tokens", 502, times=times),
                lambda: fail(method, SHOP, 403, body=LIMITED),
                lambda: fail(method, SHOP, 429, headers={"Retry-After": "20"}, body=LIMITED),
                lambda: self.github.spend(self.world.installation.id, "core", left),
                self._go_unheard,
            )
        )()

    def _go_unheard(self) -> None:
        """Nothing arrives for a while; GitHub remembers what it could not deliver, or does not."""
        self.world.sink.cut_off, self.github.webhooks.remembers = True, self.dice.random() < 0.5
        for _ in range(3):
            self._person()
        self.world.sink.cut_off, self.github.webhooks.remembers = False, True


@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_long_day_everything_is_as_it_should_be(sqlite_world: World, seed: int) -> None:
    world = sqlite_world
    begin(world)
    day = Day(world, seed)
    day.live()
    day.settle()

    assert len(world.rows(Assignment)) > 3, "not much of a day"
    assert world.failures() == []
    assert world.github.invalid == []
    history.check(world.database)
    for number in (*day.busy, *day.forks):
        check_shown(world, number)
    for number in day.silent:
        assert traces(world, number) == []
    assert len(writes(world, QUIET)) <= 8
    assert len(writes(world, PLAIN)) <= 3
    assert writes(world, OTHER) == []
    check_uninstalled(world, day)


def begin(world: World) -> None:
    world.github.add_repositories(world.installation, QUIET, PLAIN, OTHER)
    world.github.push_to_default_branch(PLAIN, {PATH: "surfaces: {check_run: false, deployments: false}"})
    world.configure("labels: {outputs: true}")
    world.pool(max_total=3, min_available=2)
    world.pool(repo=QUIET)
    world.pool(repo=PLAIN)
    world.sink.holding = True
    world.github.open_pull_request(OTHER, "wendy")


def check_shown(world: World, number: int) -> None:
    """What people see is what the rows say; who is closed has nothing."""
    pull, shown = world.github.pull_request(REPO, number), world.says(number)
    held = world.held_by(number)
    waiting = [ticket for ticket in world.rows(Ticket) if ticket.ended_at is None and ticket.holder_id == str(number)]
    assert not (held and waiting)
    if pull.state == "closed":
        assert (held, waiting) == ([], [])
    assert ("### 🟢" in shown, "### 🟡" in shown or "### ⏸️" in shown) == (bool(held), bool(waiting)), shown
    assert ("env:active" in pull.labels, "env:queued" in pull.labels) == (bool(held), bool(waiting)), pull.labels
    deployments = world.github.deployments(REPO, f"greenroom:pr-{number}")
    assert [d.sha for d in deployments if d.state == "success"] == [pull.head_sha] * len(held)


def traces(world: World, number: int) -> list[object]:
    """What people notice of Greenroom on a pull request; its check run, which says what is missing, they look up."""
    labels = world.github.pull_request(REPO, number).labels
    return [*world.written(number), *labels, *world.github.deployments(REPO, f"greenroom:pr-{number}")]


def writes(world: World, repo: str) -> list[str]:
    """Without those by which the sweep ends a deployment and an hour later deletes it."""
    there = f"/repos/{repo}/"
    made = [f"{r.method} {r.path.removeprefix(there)}" for r in world.github.writes if r.path.startswith(there)]
    deleted = [write.removeprefix("DELETE ") for write in made if write.startswith("DELETE deployments")]
    there_still = world.github.repositories[repo].deployments.values()
    for over in (*deleted, *(f"deployments/{d.id}" for d in there_still if d.state == "inactive")):
        made.remove(f"POST {over}/statuses")
    for over in deleted:
        made.remove(f"DELETE {over}")
    return made


def check_uninstalled(world: World, day: Day) -> None:
    """Nobody has anything any more, and nothing is asked of GitHub."""
    world.github.uninstall(world.installation)
    day.deliver()
    asked = len(world.github.requests)
    day.settle()
    assert [number for number in day.busy + day.forks if world.held_by(number)] == []
    assert [ticket for ticket in world.rows(Ticket) if ticket.ended_at is None] == []
    assert [r for r in world.github.requests[asked:] if not r.path.startswith("/app")] == []
    history.check(world.database)
