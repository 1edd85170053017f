"""What Greenroom says, as people read it: tests/golden has every state of all that is shown, and every reply.

After a change of wording: ./greenroom test tests/bot/test_wording.py --write-golden, and read the difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.policy.checks import NAME as CHECK
from bot.policy.keys import PATH as POLICY
from demo.github_state import PullRequest
from operations.extend import extend
from storage import assignments
from storage.environments import Environment
from storage.pools import Pool
from tests.bot.test_controls import ticks, told
from tests.bot.test_locking import locked_by_pipeline, staging
from tests.bot.test_warnings import is_used
from tests.world import REPO, TEST, World

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def world(sqlite_world: World) -> World:
    """Words are the same on every database."""
    return sqlite_world


@pytest.fixture
def golden(request: pytest.FixtureRequest, world: World) -> Callable[[str, str], None]:
    """Compares with the file of that name, or writes it. What is made anew each time is made even."""

    def check(name: str, text: str) -> None:
        for number, environment in enumerate(sorted(world.rows(Environment), key=lambda e: (e.created_at, e.name)), 1):
            text = text.replace(environment.name, f"core{number}")
        text = re.sub(r"(delivery|task):[0-9a-f-]{36}", r"\1:72d3162e-cc78-11e3-81ab-4c9367dc0958", text)
        text = re.sub(r"(?<=issuecomment-)\d+", "1234567", text)
        path = GOLDEN / f"{name}.md"
        if request.config.getoption("--write-golden"):
            path.write_text(f"{text}\n")
        assert path.read_text() == f"{text}\n"

    return check


Golden = Callable[[str, str], None]


# The status comment


def ready(world: World) -> int:
    world.pool()
    return world.opens()


def never_ends(world: World) -> int:
    number = ready(world)
    with world.database.transaction() as session:
        held = assignments.find_active(session, world.holder(number))
        assert held is not None
        extend(session, held, None, TEST, now=world.clock(), is_immortal=True)
    world.work()
    return number


def cannot_be_extended(world: World) -> int:
    number = ready(world)
    world.comments(number, "alice", "/extend 7d\n/extend 5d")
    return number


def in_two_domains(world: World) -> int:
    world.pool(min_available=2)
    number = world.opens(draft=True)
    world.comments(number, "wendy", "/assign domain=sales\n/assign domain=service")
    return number


def waits(world: World) -> int:
    world.pool(max_total=1)
    world.opens("bob")
    return world.opens()


def waits_with_an_estimate(world: World) -> int:
    pool = world.pool(max_total=1)
    for hours in range(1, 12):
        earlier = world.opens("carol")
        world.clock.advance(hours=hours)
        world.github.close(REPO, earlier, merged=True)
        world.work()
    assert world.counts(pool).available == 1
    world.opens("bob")
    return world.opens()


def waits_while_one_is_made(world: World) -> int:
    world.pool(additional_config={"mock": {"creationSeconds": 60}})
    return world.opens()


def asked_for_it(world: World) -> int:
    """What the holder is asked while another one waits."""
    waits(world)
    world.later(hours=2, minutes=1)
    return 1


def paused(world: World) -> int:
    number = waits(world)
    world.github.convert_to_draft(REPO, number)
    world.work()
    return number


def left_the_queue(world: World) -> int:
    number = waits(world)
    world.comments(number, "alice", "/unassign")
    return number


def closed_while_it_waited(world: World) -> int:
    number = waits(world)
    world.github.close(REPO, number)
    world.work()
    return number


def from_a_fork(world: World) -> int:
    world.pool()
    return world.opens("mallory", fork="mallory/shop")


def pushed_after_approval(world: World) -> int:
    number = from_a_fork(world)
    world.clock.advance(minutes=1)
    world.comments(number, "mona", "/env approve")
    world.github.push(REPO, number)
    world.work()
    return number


def is_a_draft(world: World) -> int:
    world.pool()
    return world.opens(draft=True)


def by_a_bot(world: World) -> int:
    world.pool()
    return world.opens("dependabot[bot]")


def served_after_a_wait(world: World) -> int:
    world.pool(max_total=1)
    earlier, number = world.opens("bob"), world.opens()
    world.later(minutes=5)
    world.comments(earlier, "bob", "/unassign")
    return number


def given_back(world: World) -> int:
    number = ready(world)
    world.comments(number, "alice", "/unassign")
    return number


def closed(world: World) -> int:
    number = ready(world)
    world.github.close(REPO, number)
    world.work()
    return number


def merged(world: World) -> int:
    number = ready(world)
    world.github.close(REPO, number, merged=True)
    world.work()
    return number


def expired(world: World) -> int:
    number = ready(world)
    world.later(hours=49)
    return number


def reclaimed(world: World) -> int:
    world.pool(max_total=1)
    number = world.opens("bob")
    world.opens()
    world.later(hours=2, minutes=1)
    world.github.tick(world.written(number)[-1], "Release now", "bob")
    world.work()
    return number


def handed_over(world: World) -> int:
    number = ready(world)
    issue = world.github.open_issue(REPO, "alice").number
    world.comments(number, "mona", f"/transition #{issue}")
    return number


def merged_into_an_issue(world: World) -> int:
    """What the issue shows."""
    world.configure("on_merge: transition")
    world.github.repositories[REPO].closes_linked = False
    issue = world.github.open_issue(REPO, "bob").number
    world.pool()
    world.github.close(REPO, world.opens(body=f"Closes #{issue}"), merged=True)
    world.work()
    return issue


def merged_closing_several(world: World) -> int:
    world.configure("on_merge: transition")
    world.pool()
    issues = [world.github.open_issue(REPO, "bob").number for _ in range(2)]
    world.github.repositories[REPO].closes_linked = False
    number = world.opens(body=f"Closes #{issues[0]} and closes #{issues[1]}")
    world.github.close(REPO, number, merged=True)
    world.work()
    return number


def handed_to_a_person(world: World) -> int:
    number = ready(world)
    world.comments(number, "mona", "/transition user:bob@example.com")
    return number


def locked(world: World) -> int:
    number = ready(world)
    world.comments(number, "wendy", "/lock 2h load test of the new checkout")
    return number


def waits_for_a_lock(world: World) -> int:
    environment = staging(world)
    locked_by_pipeline(world, environment)
    number = locked(world)
    world.comments(number, "wendy", "/lock env=staging hotfix")
    return number


def redeployed(world: World) -> int:
    number = ready(world)
    world.clock.advance(minutes=1)
    world.comments(number, "alice", "/env redeploy")
    return number


def could_not_be_redeployed(world: World) -> int:
    number = ready(world)
    world.clock.advance(minutes=1)
    with world.database.transaction() as session:
        session.get_one(Pool, world.rows(Pool)[0].id).additional_config = {"mock": {"refusalRate": 1}}
    world.comments(number, "alice", "/env redeploy")
    world.later(hours=1)
    return number


def pinned(world: World) -> int:
    number = ready(world)
    world.comments(number, "wendy", "/pin 5d demo for @customer")
    return number


def asked_about(world: World) -> int:
    number = pinned(world)
    world.later(days=5)
    return number


STATES: list[Callable[[World], int]] = [
    ready, never_ends, cannot_be_extended, in_two_domains, asked_for_it, waits, waits_with_an_estimate,
    waits_while_one_is_made, paused, left_the_queue, closed_while_it_waited, served_after_a_wait, from_a_fork,
    pushed_after_approval, is_a_draft, by_a_bot, given_back, closed, merged, expired, reclaimed, handed_over,
    merged_into_an_issue, merged_closing_several, handed_to_a_person, locked, waits_for_a_lock, pinned,
    asked_about, redeployed, could_not_be_redeployed,
]  # fmt: skip


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_what_is_shown(world: World, golden: Golden, state: Callable[[World], int]) -> None:
    world.configure("labels: {outputs: true}")
    number, name = state(world), state.__name__.replace("_", "-")
    golden(f"status-{name}", world.says(number))
    world.later(seconds=30)  # what passes sooner is not shown on the commit
    golden(f"beside-{name}", beside(world, number))


def beside(world: World, number: int) -> str:
    """The check run, the deployment, the labels and the notices, as Markdown."""
    parts, thread = [], world.thread(number)
    for run in world.github.check_runs(REPO, thread.head_sha) if isinstance(thread, PullRequest) else []:
        says, buttons = run.shown["output"], [f"[{button['label']}]" for button in run.shown["actions"]]
        ended = run.shown.get("conclusion")
        parts.append(f"## Check run: {run.shown['status']}{f', {ended}' if ended else ''}")
        parts += [f"**{says['title']}**", says["summary"], " ".join(buttons)]
    for deployment in world.github.deployments(REPO, f"greenroom:pr-{number}"):
        parts.append(f"## Deployment to {deployment.asked['environment']}")
        parts.append("\n".join(f"1. {each.state}: {each.description}" for each in deployment.statuses))
    labels = thread.labels
    parts += ["## Labels", ", ".join(f"`{label}`" for label in labels)] if labels else []
    notices = [c.body.partition("\n")[2] for c in world.written(number) if c.body.startswith("<!-- greenroom:notice")]
    parts += ["## Notices", *notices] if notices else []
    return "\n\n".join(filter(None, parts)) or "Nothing"


# Replies


class Conversation:
    """Who said what on which pull request, and what was replied."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.parts: list[str] = []

    def about(self, heading: str) -> None:
        self.parts.append(f"## {heading}")

    def says(self, number: int, author: str, body: str) -> None:
        known = len(self.world.replies(number))
        comment = self.world.comments(number, author, body)
        [reaction] = self.world.reactions(comment)
        written = "\n".join(f"> {line}" for line in body.splitlines())
        replies = [reply.partition("\n")[2] for reply in self.world.replies(number)[known:]]
        self.parts.append("\n\n".join([f"**{author}** ({reaction}):\n{written}", *(replies or ["(no reply)"])]))

    def __str__(self) -> str:
        return "\n\n".join(self.parts)


def test_the_replies(world: World, golden: Golden) -> None:
    world.pool(max_total=2, min_available=2)
    held, waiting, nothing, done = world.opens(), world.opens("bob"), world.opens("eve", draft=True), world.opens("bob")
    world.comments(waiting, "bob", "/unassign")
    other = world.opens("carol")
    world.comments(waiting, "wendy", "/assign")
    world.github.close(REPO, done)
    world.work()
    talk = Conversation(world)

    talk.about("Who may")
    talk.says(held, "rita", "/extend 24h")
    talk.says(held, "eve", "/unassign")
    talk.says(held, "trish", "/transition #1")
    talk.says(nothing, "trish", "/assign")

    talk.about("What the policy allows")
    talk.says(held, "alice", "/extend 24h")
    talk.says(held, "alice", "/extend 8d")
    talk.says(held, "alice", "/extend 7d\n/extend 7d")
    talk.says(held, "alice", "/extend 4d\n/extend 1h")
    talk.says(nothing, "wendy", "/assign for=15d")

    talk.about("What there is")
    talk.says(nothing, "eve", "/extend 24h")
    talk.says(nothing, "eve", "/unassign")
    talk.says(nothing, "mona", "/transition #1")
    talk.says(nothing, "wendy", "/assign elsewhere")
    talk.says(waiting, "wendy", "/assign")
    talk.says(held, "wendy", "/unassign elsewhere")
    talk.says(done, "bob", "/extend 24h")

    talk.about("Handing over")
    talk.says(held, "mona", "/transition #99")
    talk.says(held, "mona", f"/transition issue:{other}")
    talk.says(held, "mona", f"/transition #{done}")
    talk.says(held, "mona", f"/transition #{other}")
    talk.says(held, "mona", f"/transition #{held}")
    talk.says(held, "mona", f"/transition #{nothing}")

    talk.about("Questions")
    talk.says(nothing, "rita", "/status")
    talk.says(nothing, "rita", "/why")
    talk.says(held, "rita", "/status")
    talk.says(done, "rita", "/status")
    talk.says(done, "rita", "/why")
    talk.says(held, "rita", "/env ping")
    talk.says(held, "rita", "/env version")

    talk.about("Mistakes")
    talk.says(held, "trish", "/extend 24")
    talk.says(held, "trish", "/extend 24h 12h=1\n/env extnd 24h")
    talk.says(held, "trish", "/extend 1h\n" * 6)
    talk.says(held, "trish", "`/extend 24h`")
    talk.says(held, "trish", "/env ping\n/unassign\n/env ping")
    golden("replies", str(talk))


def test_several_environments_have_to_be_named(world: World, golden: Golden) -> None:
    number = in_two_domains(world)
    talk = Conversation(world)
    talk.says(number, "wendy", "/unassign")
    talk.says(number, "mona", "/transition user:bob@example.com")
    golden("replies-several", str(talk))


def test_the_replies_about_locks(world: World, golden: Golden) -> None:
    world.pool(max_total=2, min_available=2)
    staging(world)
    first, second, nothing = world.opens(), world.opens("bob"), world.opens("eve", draft=True)
    talk = Conversation(world)
    talk.says(first, "wendy", "/lock load test")
    talk.says(first, "wendy", "/lock load test")
    talk.says(first, "mona", "/unassign")
    talk.says(first, "rita", "/lock info")
    talk.says(first, "trish", "/unlock")
    talk.says(first, "mona", "/unlock")
    talk.says(first, "mona", "/unlock --force")
    talk.says(first, "wendy", "/unlock")
    talk.says(first, "wendy", "/lock 4d load test")
    talk.says(first, "wendy", "/lock env=staging 2h hotfix")
    talk.says(second, "wendy", "/lock env=staging another one")
    talk.says(second, "rita", "/lock info env=staging")
    talk.says(nothing, "wendy", "/lock load test")
    talk.says(nothing, "wendy", "/lock env=production load test")
    golden("replies-locks", str(talk))


def test_who_waits(world: World, golden: Golden) -> None:
    waiting = waits_with_an_estimate(world)
    bot = world.opens("dependabot[bot]")
    world.comments(bot, "wendy", "/assign")
    outside = world.opens("eve", draft=True)
    talk = Conversation(world)
    talk.about("Who waits, who does not, and who is closed")
    talk.says(waiting, "rita", "/env queue")
    talk.says(outside, "rita", "/env queue")
    world.github.close(REPO, outside)
    world.work()
    talk.says(outside, "rita", "/env queue")

    talk.about("Where nobody does")
    for number in (bot, waiting):
        world.github.close(REPO, number)
    world.work()
    talk.says(outside, "rita", "/env queue")
    golden("replies-queue", str(talk))


def test_the_replies_about_pins(world: World, golden: Golden) -> None:
    world.pool(max_total=2, min_available=2)
    first, second, nothing = world.opens(), world.opens("bob"), world.opens("eve", draft=True)
    world.configure("pin: {quota: 1}")
    talk = Conversation(world)
    talk.says(first, "trish", "/pin customer demo")
    talk.says(first, "wendy", "/pin 5d")
    talk.says(first, "wendy", "/pin 5d customer demo")
    talk.says(first, "alice", "/extend 24h")
    talk.says(second, "wendy", "/pin another one")
    talk.says(second, "mona", "/pin another one")
    talk.says(second, "wendy", "/pin mine now")
    talk.says(second, "wendy", "/unpin")
    talk.says(nothing, "wendy", "/pin customer demo")
    talk.says(first, "wendy", "/unpin")
    talk.says(first, "wendy", "/unpin")
    golden("replies-pins", str(talk))


# Notices


def test_the_notices(world: World, golden: Golden) -> None:
    pool = world.pool(max_total=1)
    first, second = world.opens("bob"), world.opens()
    world.later(minutes=5)
    world.github.close(REPO, first)
    world.work()
    is_used(world, pool, second)
    world.later(hours=24)
    ticks(world, second, "Release", "trish")
    world.later(hours=24)
    third = world.opens("carol")
    world.comments(third, "wendy", "/pin 5d customer demo")
    world.later(days=5)
    world.later(days=3)
    world.comments(third, "carol", "/extend 4d")
    is_used(world, pool, third)
    world.later(days=5)
    golden("notices", "\n\n".join([*told(world, second), *told(world, third)]))


# What a change of the policy would do


def test_the_preview_of_a_policy(world: World, golden: Golden) -> None:
    world.configure("bots: auto")
    world.pool(min_available=4, max_total=6)
    parts = []
    for policy in ("", "drafts: auto\nforks: unrestricted\nbots: never"):
        number = world.opens(files={POLICY: policy})
        world.opens(draft=True)
        world.opens("mallory", fork="mallory/shop")
        world.opens("dependabot[bot]")
        [shown] = [run.shown for run in world.github.check_runs(REPO, world.github.pull_request(REPO, number).head_sha)
                   if run.shown["name"] == CHECK]  # fmt: skip
        parts.append(f"**{shown['output']['title']}**\n\n{shown['output']['summary']}")
    golden("policy-preview", "\n\n".join(parts))


def test_the_help(world: World, golden: Golden) -> None:
    talk = Conversation(world)
    number = ready(world)
    talk.says(number, "rita", "/env help")
    golden("replies-help", str(talk))


def test_no_golden_file_is_left_over() -> None:
    names = [state.__name__.replace("_", "-") for state in STATES]
    states = {f"{what}-{name}" for what in ("status", "beside") for name in names}
    others = {f"replies-{of}" for of in ("several", "locks", "pins", "help", "queue")} | {
        "replies",
        "notices",
        "policy-preview",
    }
    assert {path.stem for path in GOLDEN.iterdir()} == others | states
