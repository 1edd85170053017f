"""What `greenroom demo` plays: two pull requests share one environment, and each step is seen to have happened.

Somebody else sees to it that a Greenroom answers at the address, with the App of the stage.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from secrets import token_hex
from typing import TypeVar

import httpx

from demo.courier import Courier
from demo.github import SimulatedGitHub, serve
from demo.github_state import Comment, PullRequest
from demo.rest import Rest, RestRefused
from demo.screen import Screen

REPO = "demo/shop"
POOL = "demo"
ROLES = {"alice": "write", "bob": "triage", "carol": "write", "mallory": "read"}

STEPS = 7
LOOK_EVERY = 0.05
PATIENCE = 60.0  # seconds for each thing to show
LONGEST = 35.0  # seconds for all of it

Found = TypeVar("Found")


class NotSeen(Exception):
    """What should have shown did not show in time; the message says what."""


@dataclass(frozen=True)
class Stage:
    github: SimulatedGitHub
    courier: Courier
    app: Mapping[str, str] = field(repr=False)
    """The App, as Greenroom's environment variables name it."""


@contextmanager
def staged(address: str) -> Iterator[Stage]:
    """A GitHub that answers on loopback and tells the Greenroom at this address by webhooks."""
    secret = token_hex(20)
    courier = Courier(address)
    github = SimulatedGitHub(webhook_secret=secret, deliver=courier)
    api_url, stop = serve(github)
    app = {
        "GITHUB_API_URL": api_url,
        "GITHUB_APP_ID": github.app.id,
        "GITHUB_PRIVATE_KEY": github.private_key,
        "GITHUB_WEBHOOK_SECRET": secret,
    }
    try:
        yield Stage(github, courier, app)
    finally:
        courier.stop()
        stop()


def perform(stage: Stage, address: str, token: str, screen: Screen, *, patience: float = PATIENCE) -> bool:
    """Whether everything was seen, each thing within `patience` seconds; the last line says so, or what was missing."""
    rest = Rest(address, token, REPO)
    try:
        environment = Play(stage, rest, screen, patience).perform()
    except (NotSeen, RestRefused) as missing:
        screen.failed(f"Not seen: {missing}")
        for event, answer in stage.courier.refused.items():
            screen.failed(f"A webhook was not acknowledged: {event} was answered {answer}")
        return False
    finally:
        rest.close()
    screen.say(f"\nThe environment was returned: {environment} is free, and every step was seen.")
    return True


class Play:
    def __init__(self, stage: Stage, rest: Rest, screen: Screen, patience: float) -> None:
        self._github = stage.github
        self._courier = stage.courier
        self._bot = stage.github.app.bot
        self._rest = rest
        self._screen = screen
        self._patience = patience
        self._ends_at = time.monotonic() + LONGEST
        self._seen: list[tuple[str, float]] = []

    def perform(self) -> str:
        """The environment's name, once every step was seen on GitHub and over REST. Raises NotSeen and RestRefused."""
        self._prepare()
        first, environment = self._open_the_first()
        self._push(first)
        self._extend(first)
        second = self._open_the_second()
        self._merge(first, second, environment)
        self._refuse_a_stranger(second)
        self._close(second)
        return environment

    def _prepare(self) -> None:
        self._github.install("demo", REPO)
        for login, role in ROLES.items():
            self._github.set_permission(REPO, login, role)
        self._see("Greenroom takes the webhooks of its GitHub App", lambda: self._courier.is_heard)
        self._rest.create_pool(POOL, size=1)
        self._see(f"A pool with one environment is ready for {REPO}", self._is_full)
        self._show_seen()

    def _open_the_first(self) -> tuple[PullRequest, str]:
        self._screen.step(1, STEPS, "a pull request is opened and gets an environment")
        pull = self._github.open_pull_request(REPO, "alice", "Add a shopping cart", head="cart")
        assignment = self._see("REST lists an environment for it", lambda: self._rest.assignments().get("1"))
        environment: str = assignment["sandboxName"]
        self._see(f"The status comment shows {environment}", lambda: environment in self._status(pull))
        self._show(pull, "alice", "opened this")
        return pull, environment

    def _push(self, pull: PullRequest) -> None:
        self._screen.step(2, STEPS, "its author pushes, and keeps the environment")
        head = self._github.push(REPO, pull.number).head_sha
        self._see(f"The check run of {head[:7]} has passed", lambda: self._has_passed(head))
        self._show(pull, "alice", f"pushed {head[:7]}")

    def _extend(self, pull: PullRequest) -> None:
        self._screen.step(3, STEPS, "a reviewer keeps it for a day longer")
        before = self._wait_for("It has an end", lambda: self._expiry(pull))
        wanted = before + timedelta(hours=24)
        command = self._github.comment(REPO, pull.number, "bob", "/extend 24h")
        self._see(f"It expires {when(wanted)} instead of {when(before)}", lambda: self._expiry(pull) == wanted)
        self._see("The status comment says so", lambda: when(wanted) in self._status(pull))
        self._see("The command has its 🚀", lambda: self._has_reaction(command, "rocket"))
        self._show(pull)

    def _open_the_second(self) -> PullRequest:
        self._screen.step(4, STEPS, "a second pull request waits, as the only environment is taken")
        pull = self._github.open_pull_request(REPO, "carol", "Remember the cart", head="remember")
        self._see("The status comment shows its place in the queue", lambda: "Position 1 of 1" in self._status(pull))
        self._see("REST lists nothing for it", lambda: str(pull.number) not in self._rest.assignments())
        self._show(pull, "carol", "opened this")
        return pull

    def _merge(self, first: PullRequest, second: PullRequest, environment: str) -> None:
        self._screen.step(5, STEPS, "the first is merged, and its environment goes to the second")
        self._github.close(REPO, first.number, merged=True)
        self._see("The first one's environment was taken back", lambda: "taken back" in self._status(first))
        self._see(f"REST lists {environment} for the second", lambda: self._holders(environment) == [second.number])
        self._see(f"The second one's status comment shows {environment}", lambda: environment in self._status(second))
        self._show(first, "alice", "merged this", then=second)

    def _refuse_a_stranger(self, pull: PullRequest) -> None:
        self._screen.step(6, STEPS, "a stranger may not extend it")
        before = self._wait_for("It has an end", lambda: self._expiry(pull))
        command = self._github.comment(REPO, pull.number, "mallory", "/extend 24h")
        self._see("The command has its 👎", lambda: self._has_reaction(command, "-1"))
        self._see("The reply says who may", lambda: "triage or above" in self._reply_to(pull, "mallory"))
        self._see(f"It still expires {when(before)}", lambda: self._expiry(pull) == before)
        self._show(pull)

    def _close(self, pull: PullRequest) -> None:
        self._screen.step(7, STEPS, "the second is closed, and everything is back")
        self._github.close(REPO, pull.number)
        self._see("Its environment was taken back", lambda: "taken back" in self._status(pull))
        self._see("REST lists no assignment", lambda: not self._rest.assignments())
        self._see("The pool is full again, and nobody waits", self._is_full)
        self._show(pull, "carol", "closed this")

    # What there is

    def _is_full(self) -> bool:
        counts = self._rest.counts(POOL)
        return (counts["total"], counts["available"], counts["waiting"]) == (1, 1, 0)

    def _expiry(self, pull: PullRequest) -> datetime:
        return datetime.fromisoformat(self._rest.assignments()[str(pull.number)]["expiresAt"])

    def _holders(self, environment: str) -> list[int]:
        held = self._rest.assignments().items()
        return [int(number) for number, assignment in held if assignment["sandboxName"] == environment]

    def _status(self, pull: PullRequest) -> str:
        """What the status comment says; empty while there is none."""
        ours = [comment.body for comment in list(pull.comments) if comment.author is self._bot]
        return next((body for body in ours if body.startswith("<!-- greenroom:status")), "")

    def _has_passed(self, sha: str) -> bool:
        return [run.shown["conclusion"] for run in list(self._github.check_runs(REPO, sha))] == ["success"]

    def _reply_to(self, pull: PullRequest, login: str) -> str:
        ours = [comment.body for comment in list(pull.comments) if comment.author is self._bot]
        return next((body for body in ours if f"@{login}" in body), "")

    def _has_reaction(self, comment: Comment, content: str) -> bool:
        """It has this one of Greenroom's, and none beside it."""
        return [r.content for r in list(comment.reactions) if r.author is self._bot] == [content]

    # Looking

    def _see(self, what: str, look: Callable[[], Found | None]) -> Found:
        """As `_wait_for`, and it is told with the next `_show`."""
        began = time.monotonic()
        found = self._wait_for(what, look)
        self._seen.append((what, time.monotonic() - began))
        return found

    def _wait_for(self, what: str, look: Callable[[], Found | None]) -> Found:
        """What the look finds, as soon as it finds it; raises NotSeen when that takes too long."""
        until = min(time.monotonic() + self._patience, self._ends_at)
        while True:
            try:
                found, instead = look(), ""
            except (httpx.TransportError, RestRefused, KeyError) as error:
                found, instead = None, f" ({type(error).__name__}: {error})"
            if found:
                return found
            if time.monotonic() > until:
                raise NotSeen(f"{what}{instead}")
            time.sleep(LOOK_EVERY)

    def _show(self, pull: PullRequest, who: str = "", did: str = "", *, then: PullRequest | None = None) -> None:
        self._screen.header(pull)
        if who:
            self._screen.event(who, did)
        self._screen.news(pull)
        if then is not None:
            self._screen.header(then)
            self._screen.news(then)
        self._show_seen()

    def _show_seen(self) -> None:
        for what, seconds in self._seen:
            self._screen.seen(what, seconds)
        self._seen.clear()


def when(at: datetime) -> str:
    """As Greenroom writes times."""
    return at.strftime("%Y-%m-%d %H:%M UTC")
