"""Commands in comments: who may, what they do, what is refused, and what is said and shown about it."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

from bot.actions import ACTIONS
from bot.commands import COMMANDS
from bot.policy.keys import DEFAULTS
from demo.github_state import Comment
from storage.answers import Answer
from storage.environments import Environment
from tests.world import REPO, World

FORTNIGHT = timedelta(days=14)


def answer(world: World, number: int, author: str, body: str) -> str:
    """What Greenroom replies to the comment, without its marker; empty if the reaction says it all."""
    known = set(world.replies(number))
    world.comments(number, author, body)
    new = [reply for reply in world.replies(number) if reply not in known]
    assert len(new) <= 1, "a comment is answered once"
    return new[0].partition("\n")[2] if new else ""


def said(world: World, comment: Comment) -> list[str]:
    """The reactions on a comment, by Greenroom."""
    return world.reactions(comment)


def held_name(world: World, number: int, type: str = "pr") -> str:
    [assignment] = world.held_by(number, type)
    [name] = [e.name for e in world.rows(Environment) if e.id == assignment.environment_id]
    return str(name)


# What is shown


def test_a_command_that_worked_gets_a_rocket_and_no_words(world: World) -> None:
    world.pool()
    number = world.opens()
    comment = world.comments(number, "trish", "Looks good.\n\n/extend 24h\n\nThanks!")

    assert said(world, comment) == ["rocket"]
    assert world.replies(number) == []
    assert "Expires: **2026-03-05 12:00 UTC** · `/extend` adds up to 11 d more" in world.says(number)
    assert comment in world.thread(number).comments, "what was asked stays to be read"


def test_a_refusal_gets_a_thumb_down_and_a_mistake_a_confused_face(world: World) -> None:
    world.pool()
    number = world.opens()
    assert said(world, world.comments(number, "rita", "/extend 24h")) == ["-1"]
    assert said(world, world.comments(number, "trish", "/extend 24")) == ["confused"]


def test_the_eyes_are_there_until_the_answer_is(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.fail("POST", "/issues/1/comments", 500)
    comment = world.comments(number, "trish", "/env ping")
    assert world.replies(number) == []
    world.later(seconds=3)
    assert said(world, comment) == ["rocket"]
    assert len(world.replies(number)) == 1


def test_that_a_reaction_fails_does_not_keep_the_command_or_its_answer_back(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.fail("POST", "/reactions", 403, times=9)
    assert "at most 7 d" in answer(world, number, "trish", "/extend 1w1h")
    world.comments(number, "trish", "/extend 1h")
    assert "Expires: **2026-03-04 13:00 UTC**" in world.says(number)
    assert world.failures() == []


# Who may


def test_each_command_is_for_those_with_its_level_and_says_which(world: World) -> None:
    world.pool()
    number = world.opens("alice")
    may = {
        "/extend 1h": ("the author, triage or above", {"alice", "trish", "wendy", "mona"}),
        "/assign": ("write or above", {"wendy", "mona"}),
        "/transition user:bob@example.com": ("maintain or above", {"mona"}),
        "/unassign": ("the author, write or above", {"alice", "wendy", "mona"}),
    }
    levels = {"alice": "no", "rita": "read", "trish": "triage", "wendy": "write", "mona": "maintain", "eve": "no"}
    for command, (who, allowed) in may.items():
        for login in sorted(levels.keys() - allowed):
            refused = f"@{login} `{command.split()[0]}` is for {who} here; you have {levels[login]} permission."
            assert answer(world, number, login, command) == refused
    assert len(world.held_by(number)) == 1
    assert "I am here." in answer(world, number, "rita", "/env ping")
    assert answer(world, number, "eve", "/env ping") == "@eve `/env ping` is for anyone here; you have no permission."


def test_the_permission_at_the_time_of_running_counts(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.comment(REPO, number, "wendy", "/assign")
    world.github.set_permission(REPO, "wendy", "read")
    world.work()
    assert "you have read permission" in world.replies(number)[0]


def test_no_answer_about_a_permission_is_no_permission(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.fail("GET", "/permission", 502, times=2)
    world.comments(number, "wendy", "/unassign")
    assert len(world.held_by(number)) == 1
    world.later(seconds=3)
    assert world.held_by(number) == []


def test_bots_command_nobody_and_neither_do_we(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.set_permission(REPO, "renovate[bot]", "admin")
    world.comments(number, "renovate[bot]", "/unassign")
    world.comments(number, world.github.app.bot.login, "/unassign")
    world.github.review(REPO, number, "renovate[bot]", "/unassign")
    world.work()
    assert len(world.held_by(number)) == 1
    assert world.replies(number) == []


def test_an_app_that_writes_for_somebody_commands_nobody(world: World) -> None:
    world.pool()
    number = world.opens()
    world.sink.holding = True
    world.github.comment(REPO, number, "wendy", "/unassign")
    [(_headers, body)] = world.sink.kept
    payload = json.loads(body)
    payload["comment"]["performed_via_github_app"] = {"slug": "another-app"}
    world.tells("issue_comment", payload)
    world.work()
    assert len(world.held_by(number)) == 1


def test_edited_and_deleted_comments_run_and_revoke_nothing(world: World) -> None:
    world.pool()
    number = world.opens()
    comment = world.comments(number, "wendy", "nothing yet")
    world.github.edit_comment(comment, "/unassign")
    world.work()
    assert len(world.held_by(number)) == 1

    comment = world.comments(number, "wendy", "/extend 1h")
    world.github.delete_comment(comment)
    world.work()
    assert "Expires: **2026-03-04 13:00 UTC**" in world.says(number)


# Extending


def test_one_extension_is_at_most_a_week_and_a_life_at_most_a_fortnight(world: World) -> None:
    world.pool(default_expiration_hours=48, extended_expiration_hours=12)
    number = world.opens()
    assert answer(world, number, "alice", "/extend 169h") == "@alice One `/extend` adds at most 7 d."
    world.comments(number, "alice", "/extend")
    assert "Expires: **2026-03-05 00:00 UTC**" in world.says(number)
    world.comments(number, "alice", "/extend 7d for the long weekend")
    left = "An environment lives at most 14 d: at most 4 d 12 h can be added now."
    assert answer(world, number, "alice", "/extend 5d").startswith(f"@alice {left} `/pin` keeps it for longer")
    world.comments(number, "alice", "/extend 4d12h")

    [assignment] = world.held_by(number)
    assert assignment.expires_at == assignment.assigned_at + FORTNIGHT
    assert "more" not in world.says(number)
    assert "14 d: that is used up." in answer(world, number, "alice", "/extend 1h")


def test_what_has_ended_is_not_extended(world: World) -> None:
    world.pool(default_expiration_hours=1)
    number = world.opens()
    world.clock.advance(hours=2)
    assert "expired at 2026-03-02T13:00:00Z" in answer(world, number, "alice", "/extend 1h")
    world.later(seconds=1)
    assert world.held_by(number) == []
    assert "`/assign` within 30 minutes usually gets the same one back" in world.says(number)


# Assigning and giving back


def test_assign_takes_a_pool_a_domain_and_a_time(world: World) -> None:
    world.pool("core")
    world.pool("big", branch_pattern="never")
    number = world.opens(draft=True)
    assert answer(world, number, "wendy", "/assign huge") == "@wendy There is no such pool here."
    assert "14 d" in answer(world, number, "wendy", "/assign for=15d")
    assert world.held_by(number) == []

    world.comments(number, "wendy", "/assign big for=3h")
    [assignment] = world.held_by(number)
    assert assignment.assigned_by == "wendy"
    assert assignment.expires_at == world.clock() + timedelta(hours=3)
    assert "(big)" in world.says(number)


def test_assign_twice_is_once_and_in_the_queue_it_says_so(world: World) -> None:
    world.pool(max_total=1)
    holding, waiting = world.opens(), world.opens(draft=True)
    assert answer(world, holding, "wendy", "/assign") == ""
    assert len(world.held_by(holding)) == 1
    assert answer(world, waiting, "wendy", "/assign") == ""
    assert "Position 1 of 1" in world.says(waiting)
    assert "It waits in the queue already" in answer(world, waiting, "wendy", "/assign")

    world.comments(waiting, "alice", "/unassign")
    assert "No review environment\n`/assign` asks for one." in world.says(waiting)


def test_given_back_it_goes_the_way_of_its_pool_unless_it_is_discarded(world: World) -> None:
    pool = world.pool()
    first = world.opens()
    world.comments(first, "alice", "/unassign")
    assert world.counts(pool).available == 1
    assert "was given back" in world.says(first)

    second = world.opens()
    name = held_name(world, second)
    world.comments(second, "alice", "/unassign --discard")
    assert name not in [e.name for e in world.environments(pool) if e.state == "AVAILABLE"]
    assert "There is no environment here" in answer(world, second, "alice", "/unassign")


def test_two_domains_are_two_environments_that_have_to_be_named(world: World) -> None:
    pool = world.pool(min_available=2)
    number = world.opens(draft=True)
    world.comments(number, "wendy", "/assign domain=sales\n/assign domain=service")
    sales, service = world.held_by(number)
    assert world.counts(pool).assigned == 2
    assert "(core, sales)" in world.says(number)
    assert "(core, service)" in world.says(number)

    names = {e.id: e.name for e in world.environments(pool)}
    refused = answer(world, number, "wendy", "/unassign")
    assert refused.startswith("@wendy There are several environments here: ")
    assert all(f"`{name}`" in refused for name in names.values())
    assert "Say which one is meant: `domain=sales`, `domain=service`" in answer(
        world, number, "mona", "/transition user:bob@example.com"
    )
    assert "There is no such environment here" in answer(world, number, "wendy", "/unassign nothing")
    world.comments(number, "alice", "/extend 1h")
    assert {a.expires_at for a in world.held_by(number)} == {world.clock() + timedelta(hours=49)}

    world.comments(number, "wendy", f"/unassign {names[sales.environment_id]}")
    assert [a.id for a in world.held_by(number)] == [service.id]
    world.github.close(REPO, number)
    world.work()
    assert world.counts(pool).assigned == 0


# Handing over


def test_handed_over_to_an_issue_both_sides_say_so(world: World) -> None:
    world.pool()
    number = world.opens()
    name = held_name(world, number)
    issue = world.github.open_issue(REPO, "alice").number
    assert answer(world, number, "mona", f"/transition #{issue}") == f"@mona {name} belongs to #{issue} now."

    assert held_name(world, issue, "issue") == name
    assert f"handed over to #{issue}" in world.says(number)
    assert name in world.says(issue)
    assert "There is no review environment here" in answer(world, number, "alice", "/extend 1h")
    world.github.close(REPO, issue)
    world.work()
    assert world.held_by(issue, "issue") == []


def test_a_number_is_what_github_says_it_is(world: World) -> None:
    pool = world.pool(max_total=3, min_available=2)
    number, other, closed = world.opens(), world.opens("bob"), world.opens("eve", draft=True)
    issue = world.github.open_issue(REPO, "alice").number
    world.github.close(REPO, closed)
    world.work()
    for target, refusal in {
        "#99": "There is no issue or pull request 99 in this repository.",
        f"pr:{issue}": f"There is no pull request {issue} in this repository.",
        f"issue:{other}": f"There is no issue {other} in this repository.",
        f"#{closed}": f"#{closed} is closed, and what is closed holds no environment.",
        f"#{other}": f"pr-{other} already has environment {held_name(world, other)}.",
        f"#{number}": "That is where it is already.",
    }.items():
        assert answer(world, number, "mona", f"/transition {target}") == f"@mona {refusal}"
    assert len(world.held_by(number)) == 1

    world.comments(other, "bob", "/unassign")
    world.comments(number, "mona", f"/transition pr:{other}")
    assert len(world.held_by(other)) == 1
    assert world.counts(pool).assigned == 1


# Asking


def test_status_links_to_its_comment_and_writes_it_anew_if_somebody_deleted_it(world: World) -> None:
    world.pool()
    number = world.opens()
    [sticky] = [c for c in world.written(number) if "🟢" in c.body]
    address = f"https://github.example/{REPO}/pull/{number}#issuecomment-{sticky.id}"
    assert answer(world, number, "rita", "/status") == f"@rita The status is up to date: {address}"

    world.github.delete_comment(sticky, by="mona")
    world.comments(number, "rita", "/status")
    assert "🟢" in world.says(number)


def test_status_and_why_where_there_is_nothing(world: World) -> None:
    world.pool()
    number = world.github.open_issue(REPO, "alice").number
    assert "nobody waits for one. `/assign` asks for one." in answer(world, number, "rita", "/status")
    assert "Nothing has been decided here yet." in answer(world, number, "rita", "/why")


def test_help_is_what_can_be_done_here(world: World) -> None:
    world.pool()
    number = world.opens()
    shown = answer(world, number, "rita", "/env help")
    assert shown.startswith("@rita\n\n| Command | Who may | Effect |")
    assert "`/env extend [duration] [reason]`" in shown
    assert not [verb for verb in COMMANDS.keys() - ACTIONS.keys() if f"`/env {verb}" in shown], "it is not there yet"
    assert "Greenroom 0" in answer(world, number, "rita", "/env version")


# What cannot be followed


def test_one_mistake_and_nothing_runs_but_all_are_told(world: World) -> None:
    world.pool()
    number = world.opens()
    told = answer(world, number, "wendy", "/unassign\n/extend 24\n/env frobnicate")
    assert len(world.held_by(number)) == 1
    assert "`24` has no unit: write `24h`" in told
    assert "`/env frobnicate` is not a command." in told
    assert "at most 5" in answer(world, number, "wendy", "/extend 1h\n" * 6)
    assert "remove the backticks" in answer(world, number, "wendy", "`/unassign`")
    assert answer(world, number, "wendy", "/deploy\n\n> /unassign\n\nplease /unassign\n\n    /unassign") == ""
    assert len(world.held_by(number)) == 1


def test_several_commands_run_in_order_until_one_is_refused(world: World) -> None:
    world.pool()
    number = world.opens()
    comment = world.comments(number, "trish", "/env ping\n/extend 1h\n/unassign\n/extend 2h")
    assert said(world, comment) == ["-1"]
    [reply] = world.replies(number)
    assert "I am here.\n\n`/unassign` is for the author, write or above here" in reply
    assert "Expires: **2026-03-04 13:00 UTC**" in world.says(number), "what was done before stays"


def test_closed_it_only_answers_questions(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.close(REPO, number)
    world.work()
    for command in ("/assign", "/extend 1h", "/transition user:bob@example.com"):
        refused = f"@mona `{command.split()[0]}` does nothing here any more: this is closed. Reopen it first."
        assert answer(world, number, "mona", command) == refused
    assert "I am here." in answer(world, number, "mona", "/env ping")
    assert world.held_by(number) == []


# Where


def test_a_review_is_read_like_a_comment_and_answered_in_words(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.review(REPO, number, "trish", "Nice.\n\n/extend 24h", state="approved")
    world.github.review(REPO, number, "trish", "", state="approved")
    world.github.review(REPO, number, "trish", "No commands here.")
    world.work()
    assert "Expires: **2026-03-05 12:00 UTC**" in world.says(number)
    [reply] = world.replies(number)
    assert reply.endswith("\n@trish Done.")


def test_an_issue_takes_commands_too(world: World) -> None:
    world.pool()
    number = world.github.open_issue(REPO, "alice").number
    world.comments(number, "wendy", "/assign")
    assert len(world.held_by(number, "issue")) == 1
    world.comments(number, "alice", "/extend 1h\n/unassign")
    assert world.held_by(number, "issue") == []


def test_the_text_of_a_pull_request_is_no_comment(world: World) -> None:
    world.pool()
    number = world.opens(body="/unassign", title="/unassign")
    assert len(world.held_by(number)) == 1


# Bad days


def test_a_comment_told_again_under_another_name_has_no_second_effect(world: World) -> None:
    world.pool()
    number = world.opens()
    world.sink.holding = True
    comment = world.github.comment(REPO, number, "alice", "/extend 24h")
    [(headers, body)] = world.sink.kept
    for _ in range(3):
        world.sink.post({**headers, "X-GitHub-Delivery": str(uuid.uuid4())}, body)
        world.work()
    [assignment] = world.held_by(number)
    assert assignment.expires_at == world.clock() + timedelta(hours=72)
    assert said(world, comment) == ["rocket"]


def test_a_reply_whose_answer_was_lost_is_found_and_not_written_twice(world: World) -> None:
    world.pool()
    number = world.opens()
    comments = f"/issues/{number}/comments"
    world.github.lose_answer("POST", comments)
    world.comments(number, "rita", "/env ping")
    world.later(seconds=3)
    assert len(world.replies(number)) == 1

    world.github.fail("POST", comments, 502, after=True)
    world.comments(number, "trish", "/env ping")
    world.later(seconds=3)
    assert len(world.replies(number)) == 2
    assert world.failures() == []
    assert all(answer.finished_at and answer.reply_id for answer in world.rows(Answer))


def test_who_deletes_the_comment_or_the_issue_needs_no_answer(world: World) -> None:
    world.pool()
    number = world.opens()
    world.sink.holding = True
    comment = world.github.comment(REPO, number, "rita", "/extend 24h")
    world.github.delete_comment(comment)
    world.sink.post(*world.sink.kept[0])
    world.work()
    assert len(world.replies(number)) == 1, "the refusal may still be of use to others"

    issue = world.github.open_issue(REPO, "alice").number
    world.sink.kept.clear()
    world.github.comment(REPO, issue, "wendy", "/assign")
    world.sink.post(*world.sink.kept[0])
    del world.github.repositories[REPO].threads[issue]
    world.sink.kept.clear()
    world.sink.holding = False
    world.work()
    assert world.failures() == []


def test_the_longest_comment_that_github_takes(world: World) -> None:
    world.pool()
    number = world.opens()
    filler = "word `code` *emphasis* [link](x) <b>html</b> /deploy @someone\n"
    body = (filler * (65_536 // len(filler) + 1))[: 65_536 - 14] + "\n\n/extend 24h\n"
    assert len(body) <= 65_536
    world.comments(number, "alice", body)
    assert "Expires: **2026-03-05 12:00 UTC**" in world.says(number)


def test_nobody_is_called_and_nothing_run_by_what_we_repeat(world: World) -> None:
    world.pool(branch_pattern="main")
    number = world.opens(base="@acme/everybody")
    for body in (
        "/env @torvalds",
        "/extend 1h --@torvalds",
        "/env frobnicate`@torvalds`",
        "/assign domain=@torvalds",
        "/env transition @torvalds",
        "/assign",
        "/why",
        "/unassign <!-- @torvalds",
    ):
        told = answer(world, number, "mona", body)
        assert told.startswith("@mona"), body
        assert "@torvalds" not in outside_code(told.removeprefix("@mona")), told
        assert "@acme" not in outside_code(told), told
        assert not [line for line in told.splitlines() if line.startswith("/")]


def outside_code(text: str) -> str:
    return "".join(text.split("`")[::2])


def test_a_person_that_is_given_an_environment_is_not_called_either(world: World) -> None:
    world.pool()
    number = world.opens()
    told = answer(world, number, "mona", "/transition user:'@torvalds")
    assert "user `'@torvalds` now." in told
    assert "@torvalds" not in outside_code(world.says(number))


def test_a_bot_may_be_served_by_who_may_write(world: World) -> None:
    world.pool()
    bot = world.opens("renovate[bot]")
    assert "`/assign` is for write or above here" in answer(world, bot, "mallory", "/assign")
    world.comments(bot, "wendy", "/assign")
    assert len(world.held_by(bot)) == 1
    assert DEFAULTS.labels.deploy not in world.thread(bot).labels
