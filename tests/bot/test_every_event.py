"""The table of events, row by row: what each leads to, and that whatever else comes is acknowledged and dropped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.handlers import HANDLERS
from bot.look import PERMISSION_REMEMBERED
from demo import github_payloads as payloads
from storage import installations, repositories, users
from storage.assignments import Assignment
from storage.audit import Audit
from storage.deliveries import DeliveryState
from storage.repositories import Repository
from storage.tickets import Ticket, TicketState
from storage.users import User
from tests.world import REPO, World

HANDLED = {
    "pull_request": "opened reopened ready_for_review synchronize converted_to_draft labeled unlabeled edited closed",
    "issues": "labeled unlabeled closed reopened transferred deleted",
    "issue_comment": "created edited deleted",
    "check_run": "requested_action rerequested",
    "check_suite": "rerequested",
    "pull_request_review": "submitted",
    "installation": "created deleted suspend unsuspend new_permissions_accepted",
    "installation_repositories": "added removed",
    "installation_target": "renamed",
    "repository": "renamed transferred edited privatized publicized archived unarchived deleted",
    "member": "added edited removed",
    "membership": "added removed",
    "organization": "member_added member_removed",
    "team": "added_to_repository removed_from_repository edited deleted",
    "github_app_authorization": "revoked",
}
IGNORED = {
    "pull_request": "assigned unassigned review_requested review_request_removed locked unlocked milestoned "
    "demilestoned auto_merge_enabled auto_merge_disabled enqueued dequeued",
    "issues": "opened edited assigned pinned",
    "pull_request_review": "edited dismissed",
    "pull_request_review_comment": "created",
    "check_run": "created completed",
    "check_suite": "requested completed",
    "merge_group": "checks_requested destroyed",
    "deployment": "created",
    "deployment_status": "created",
    "label": "created edited",
    "workflow_run": "requested completed",
    "star": "created",
    "never_heard_of": "anything",
}
WITHOUT_ACTION = ("ping", "status", "create", "delete")


def rows(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(event, action) for event, actions in table.items() for action in actions.split()]


@pytest.mark.parametrize(("event", "action"), rows(HANDLED))
def test_each_row_of_the_table_has_its_handler(event: str, action: str) -> None:
    assert (event, action) in HANDLERS


def test_whatever_else_comes_is_acknowledged_and_not_kept(world: World) -> None:
    world.work()
    before = len(world.deliveries())
    repository = payloads.repository(world.github.repositories[REPO])
    told = {"repository": repository, "installation": {"id": world.installation.id}}
    answers = {(event, action): world.tells(event, {"action": action, **told}) for event, action in rows(IGNORED)} | {
        (event, None): world.tells(event, told) for event in WITHOUT_ACTION
    }
    assert {row: status for row, status in answers.items() if status != 200} == {}
    assert len(world.deliveries()) == before


# Suspended


def test_suspended_nobody_is_served_and_all_keep_their_places(world: World) -> None:
    world.pool(max_total=1)
    holding, waiting = world.opens(), world.opens()
    world.github.suspend(world.installation)
    world.work()
    assert [ticket.state for ticket in world.rows(Ticket)] == [TicketState.PAUSED]
    assert len(world.held_by(holding)) == 1

    world.github.close(REPO, holding)
    world.github.unsuspend(world.installation)
    world.work()
    assert world.held_by(holding) == []
    assert len(world.held_by(waiting)) == 1


def test_a_draft_is_passed_over_when_the_others_wait_again(world: World) -> None:
    world.pool(max_total=1)
    world.opens()
    waiting = world.opens()
    world.github.convert_to_draft(REPO, waiting)
    world.github.suspend(world.installation)
    world.github.unsuspend(world.installation)
    world.work()
    assert [ticket.state for ticket in world.rows(Ticket)] == [TicketState.PAUSED]


# Permissions


def test_what_was_refused_for_lack_of_a_permission_is_done_when_it_is_granted(world: World) -> None:
    world.pool()
    number = world.opens()
    [held] = world.held_by(number)
    refusal = '{"message": "Resource not accessible by integration"}'
    world.github.fail("GET", "/permission", 403, body=refusal)
    comment = world.comments(number, "alice", "/extend 24h")
    assert [d.state for d in world.deliveries() if d.event == "issue_comment"][-1] == DeliveryState.FAILED

    world.github.webhooks.of_installation(world.installation, "new_permissions_accepted", world.github.admin)
    world.work()
    [extended] = world.held_by(number)
    assert extended.expires_at is not None
    assert held.expires_at is not None
    assert extended.expires_at - held.expires_at == timedelta(hours=24)
    assert "rocket" in world.reactions(comment)


@pytest.mark.parametrize(
    ("event", "action"), [("member", "edited"), ("team", "deleted"), ("membership", "removed"),
                          ("organization", "member_removed")],
)  # fmt: skip
def test_who_loses_a_permission_loses_it_at_once(world: World, event: str, action: str) -> None:
    world.pool()
    number = world.opens()
    world.comments(number, "wendy", "/unassign")
    world.clock.advance(seconds=1)
    world.github.set_permission(REPO, "wendy", "read")
    told: dict[str, Any] = {"action": action, "installation": {"id": world.installation.id}}
    world.tells(event, told)
    world.clock.advance(seconds=1)
    assert timedelta(seconds=2) < PERMISSION_REMEMBERED
    world.comments(number, "wendy", "/assign")
    assert world.held_by(number) == []
    assert "you have read permission" in world.replies(number)[-1]


def test_who_takes_their_agreement_back_is_logged_out(world: World) -> None:
    with world.database.transaction() as session:
        users.log_in(session, 4242, "alice", None, now=world.clock())
    world.clock.advance(minutes=1)
    sender = {"id": 4242, "login": "alice", "type": "User"}
    assert world.tells("github_app_authorization", {"action": "revoked", "sender": sender}) == 202
    world.work()
    [user] = world.rows(User)
    assert user.logged_out_at == world.clock()
    assert "user.authorization_revoked" in [row.action for row in world.rows(Audit)]


# Repositories


def test_an_account_that_is_renamed_keeps_its_repositories_and_what_they_hold(world: World) -> None:
    world.pool()
    number = world.opens()
    world.tells(
        "installation_target",
        {
            "action": "renamed",
            "account": {"id": world.installation.account.id, "login": "acme-inc"},
            "changes": {"login": {"from": "acme"}},
            "installation": {"id": world.installation.id},
        },
    )
    world.work()
    with world.session() as session:
        assert repositories.find(session, "acme/shop") is None
        renamed = repositories.find(session, "acme-inc/shop")
        assert renamed is not None
        installation = installations.find(session, world.installation.id)
        assert installation is not None
        assert installation.account == "acme-inc"
    assert [row.holder_id for row in world.rows(Assignment)] == [str(number)]


def test_taken_out_of_the_archive_it_is_served_again(world: World) -> None:
    world.pool()
    world.opens()
    repository = world.github.repositories[REPO]
    for action in ("archived", "unarchived"):
        world.github.webhooks.of_repository("repository", repository, action, world.github.admin)
        world.work()
        [row] = [row for row in world.rows(Repository) if row.full_name == REPO]
        assert row.archived is (action == "archived")
    number = world.opens()
    assert len(world.held_by(number)) == 1


def test_removed_from_where_it_was_before_a_transfer_it_keeps_what_it_has(world: World) -> None:
    world.pool()
    number = world.opens()
    repository = world.github.repositories[REPO]
    installation = {**payloads.installation(world.installation, world.github.app), "id": 99}
    world.tells(
        "installation_repositories",
        {
            "action": "removed",
            "installation": installation,
            "repositories_added": [],
            "repositories_removed": [payloads.repository_in_short(repository)],
            "sender": payloads.account(world.github.admin),
        },
    )
    world.work()
    assert len(world.held_by(number)) == 1
