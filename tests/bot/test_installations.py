"""The App comes and goes, and repositories are renamed, archived and deleted: nothing is left behind or given twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from demo.github_state import Account, Repository
from storage import installations, repositories
from storage.decisions import Decision
from storage.installations import Installation, InstallationStatus
from storage.pools import Pool
from storage.repositories import Repository as RepositoryRow
from storage.tickets import Ticket
from storage.vault import Vault
from tests.world import REPO, World


def known(world: World, full_name: str = REPO) -> RepositoryRow:
    with world.session() as session:
        found = repositories.find(session, full_name)
        assert found is not None
        return found


def status(world: World) -> str:
    [installation] = [row for row in world.rows(Installation) if row.id == world.installation.id]
    return str(installation.status)


def available(world: World, pool: Pool) -> set[str]:
    return {environment.name for environment in world.environments(pool) if environment.state == "AVAILABLE"}


def as_installation(world: World) -> list[str]:
    """What was asked of GitHub, but for what the App asks as itself."""
    return [request.path for request in world.github.requests if not request.path.startswith("/app/hook/")]


def told_of_repository(world: World, action: str, **changes: Any) -> None:
    world.github.webhooks.of_repository(
        "repository", world.github.repositories[REPO], action, world.github.admin, **changes
    )


# The App


def test_installed_it_knows_the_repositories_and_serves_none_unasked(world: World) -> None:
    world.pool()
    world.sink.holding = True
    already_open = world.github.open_pull_request(REPO, "alice").number
    world.sink.holding = False
    world.work()
    assert known(world).installation_id == world.installation.id
    assert world.held_by(already_open) == []

    world.github.push(REPO, already_open)
    world.work()
    assert len(world.held_by(already_open)) == 1


def test_a_repository_that_is_added_later_is_known_too(world: World) -> None:
    world.github.add_repositories(world.installation, "acme/web")
    world.work()
    assert known(world, "acme/web").installation_id == world.installation.id


def test_uninstalled_it_gives_up_everything_and_nobody_else_gets_any_of_it(world: World) -> None:
    pool = world.pool(max_total=1)
    world.opens(), world.opens()
    [used] = world.environments(pool)
    world.github.uninstall(world.installation)
    world.work()

    assert used.name not in available(world, pool)
    assert world.counts(pool).assigned == world.counts(pool).waiting == 0
    assert status(world) == InstallationStatus.DELETED
    assert all(row.token is None for row in world.rows(Installation))
    assert world.failures() == []


def test_a_repository_that_is_removed_gives_up_everything_too(world: World) -> None:
    pool = world.pool(max_total=1)
    world.opens()
    [used] = world.environments(pool)
    world.github.remove_repositories(world.installation, REPO)
    world.work()
    assert used.name not in available(world, pool)
    assert world.counts(pool).assigned == 0
    assert known(world).installation_id is None
    assert world.failures() == []


def test_what_was_told_before_the_app_was_taken_away_brings_nothing_afterwards(world: World) -> None:
    """Deliveries of a pull request and of its installation are not worked in one order."""
    world.pool(min_available=2)
    number = world.opens()
    world.sink.holding = True
    for event in (world.github.push, world.github.close, world.github.reopen):
        event(REPO, number)
    world.github.comment(REPO, number, "wendy", "/assign")
    another = world.github.open_pull_request(REPO, "alice").number
    late, world.sink.kept = world.sink.kept, []
    world.sink.holding = False
    world.github.remove_repositories(world.installation, REPO)
    world.work()
    for told in late:
        world.sink.post(*told)
    world.work()
    assert world.held_by(number) == world.held_by(another) == []

    world.github.uninstall(world.installation)
    world.work()
    for headers, body in late:
        world.github.webhooks.deliver({**headers, "X-GitHub-Delivery": f"{headers['X-GitHub-Delivery']} again"}, body)
    world.work()
    assert world.held_by(number) == world.held_by(another) == []
    assert not [failure for failure in world.failures() if "bug" in failure]


def test_added_again_a_repository_is_served_again(world: World) -> None:
    world.pool(min_available=2)
    number = world.opens()
    world.github.remove_repositories(world.installation, REPO)
    world.github.add_repositories(world.installation, REPO)
    world.work()
    assert world.held_by(number) == []
    world.github.push(REPO, number)
    world.work()
    assert len(world.held_by(number)) == 1


def test_an_installation_that_is_told_of_after_its_end_stays_ended(world: World) -> None:
    world.sink.holding = True
    web = world.github.install("web", "web/site")
    world.github.uninstall(web)
    for told in reversed(world.sink.kept):
        world.sink.post(*told)
        world.work()
    [row] = [row for row in world.rows(Installation) if row.id == web.id]
    assert row.status == InstallationStatus.DELETED


def test_suspended_it_writes_nothing_and_keeps_what_people_have(world: World) -> None:
    world.pool(default_expiration_hours=2)
    number = world.opens()
    world.github.suspend(world.installation)
    world.work()
    assert status(world) == InstallationStatus.SUSPENDED
    assert len(world.held_by(number)) == 1
    requests = as_installation(world)

    world.later(hours=3)
    assert world.held_by(number) == []
    assert as_installation(world) == requests
    assert "🟢" in world.says(number)

    world.github.unsuspend(world.installation)
    world.work()
    assert status(world) == InstallationStatus.ACTIVE
    assert "expired" in world.says(number)
    assert world.failures() == []


def test_granted_more_it_shows_what_it_was_refused_before(world: World) -> None:
    world.pool()
    del world.installation.permissions["pull_requests"]
    world.github.revoke_tokens()
    number = world.opens()
    assert len(world.held_by(number)) == 1
    assert world.says(number) == ""

    world.installation.permissions["pull_requests"] = "write"
    world.github.webhooks.of_installation(world.installation, "new_permissions_accepted", world.github.admin)
    world.work()
    assert "🟢" in world.says(number)
    assert world.failures() == []


# A repository


def test_renamed_it_keeps_its_pools_and_what_people_have(world: World) -> None:
    pool = world.pool()
    number = world.opens()
    before = known(world)
    renamed = world.github.rename_repository(REPO, "store").full_name
    world.work()

    assert known(world, renamed).id == before.id
    world.github.push(renamed, number)
    world.github.comment(renamed, number, "wendy", "/extend 1h")
    world.work()
    assert world.counts(pool).assigned == 1
    [sticky] = [c for c in world.github.thread(renamed, number).comments if "greenroom:status" in c.body]
    assert "Expires: **2026-03-04 13:00 UTC**" in sticky.body
    world.github.close(renamed, number)
    world.work()
    assert world.counts(pool).assigned == 0
    assert world.failures() == []


def test_a_delivery_from_before_the_renaming_does_not_bring_the_old_name_back(world: World) -> None:
    world.pool(min_available=3, max_total=3)
    number = world.opens()
    world.sink.holding = True
    world.github.push(REPO, number)
    world.github.comment(REPO, number, "wendy", "/extend 1h")
    issue = world.github.open_issue(REPO, "alice").number
    world.github.label(REPO, issue, "env:deploy")
    another = world.github.open_pull_request(REPO, "alice").number
    late, world.sink.kept = world.sink.kept, []
    world.sink.holding = False
    renamed = world.github.rename_repository(REPO, "store").full_name
    world.work()
    for told in late:
        world.sink.post(*told)
        world.work()

    known(world, renamed)
    with world.session() as session:
        assert repositories.find(session, REPO) is None
    assert world.failures() == []
    [sticky] = [c for c in world.github.thread(renamed, another).comments if "greenroom:status" in c.body]
    assert "🟢" in sticky.body


def test_a_renaming_that_was_never_told_is_learnt_from_the_next_pull_request(world: World) -> None:
    world.pool()
    number = world.opens()
    world.sink.holding = True
    renamed = world.github.rename_repository(REPO, "store").full_name
    world.sink.holding = False
    world.github.push(renamed, number)
    world.work()
    known(world, renamed)


def test_another_repository_under_an_old_name_inherits_nothing(world: World) -> None:
    pool = world.pool()
    world.opens()
    world.sink.holding = True
    world.github.rename_repository(REPO, "store")
    world.sink.holding = False
    world.github.add_repositories(world.installation, REPO)
    number = world.opens("mallory")
    world.comments(number, "wendy", "/assign")

    assert world.held_by(number) == []
    assert world.counts(pool).assigned == 1
    assert known(world).github_id == world.github.repositories[REPO].id
    assert world.failures() == []


def test_transferred_within_reach_it_stays_itself(world: World) -> None:
    pool = world.pool()
    world.opens()
    repository: Repository = world.github.repositories.pop(REPO)
    former, repository.owner = repository.owner, Account(999, "globex", "Organization")
    world.github.repositories[repository.full_name] = repository
    changes = {"owner": {"from": {"organization": {"login": former.login, "id": former.id}}}}
    world.github.webhooks.of_repository("repository", repository, "transferred", world.github.admin, changes=changes)
    world.work()
    known(world, "globex/shop")
    assert world.counts(pool).assigned == 1


def test_its_new_default_branch_counts_for_issues(world: World) -> None:
    world.pool(branch_pattern="trunk")
    world.github.repositories[REPO].default_branch = "trunk"
    told_of_repository(world, "edited", changes={"default_branch": {"from": "main"}})
    number = world.github.open_issue(REPO, "alice").number
    world.github.label(REPO, number, "env:deploy")
    world.work()
    assert len(world.held_by(number, "issue")) == 1


def test_its_new_default_branch_says_what_forks_may(sqlite_world: World) -> None:
    world = sqlite_world
    world.configure("forks: unrestricted")
    world.pool(max_total=1)
    holding = world.opens()
    number = world.opens("mallory", fork="mallory/shop")
    assert "Position 1 of 1" in world.says(number)

    world.github.change_default_branch(REPO, "trunk", {".github/greenroom.yml": "forks: never"})
    world.work()
    world.github.close(REPO, holding)
    world.work()
    assert world.held_by(number) == []
    assert [row for row in world.rows(Ticket) if row.ended_at is None] == []


def test_made_private_it_is_asked_anew_who_may_what(sqlite_world: World) -> None:
    world = sqlite_world
    world.github.repositories[REPO].private = False
    world.pool()
    number = world.opens()
    welcome = world.comments(number, "steve", "/status")
    assert "rocket" in world.reactions(welcome)

    world.clock.advance(seconds=1)
    world.github.repositories[REPO].private = True
    told_of_repository(world, "privatized")
    world.work()
    world.clock.advance(seconds=1)
    unwelcome = world.comments(number, "steve", "/status")
    assert "-1" in world.reactions(unwelcome)


def test_made_public_what_was_never_told_of_its_forks_is_found(sqlite_world: World) -> None:
    world = sqlite_world
    world.pool()
    number = world.opens("mallory", fork="mallory/shop")
    world.comments(number, "mona", "/env approve")
    assert len(world.held_by(number)) == 1
    world.clock.advance(seconds=1)
    world.sink.cut_off = True
    world.github.push(REPO, number)
    world.sink.cut_off = False
    told_of_repository(world, "publicized")
    world.work()
    assert [row.reason for row in world.rows(Decision)][-1] == "approval_lapsed"


def test_archived_its_environments_go_the_way_of_their_pool(world: World) -> None:
    pool = world.pool()
    world.opens()
    told_of_repository(world, "archived")
    world.work()
    assert world.counts(pool).available == 1


def test_deleted_nobody_else_gets_its_environments(world: World) -> None:
    pool = world.pool(max_total=1)
    world.opens()
    [used] = world.environments(pool)
    told_of_repository(world, "deleted")
    world.work()
    assert used.name not in available(world, pool)
    assert world.counts(pool).assigned == 0
    assert known(world).installation_id is None
    assert world.failures() == []


# Keys


def test_a_token_that_secret_key_no_longer_opens_is_had_anew(world: World) -> None:
    world.pool()
    first = world.opens()
    with world.database.transaction() as session:
        sealed = Vault(("another secret key",)).encrypt("ghs_of_before")
        installations.keep_token(session, world.installation.id, sealed, world.clock() + timedelta(hours=1))

    world.github.push(REPO, first)
    world.work()
    assert world.failures() == []
    assert world.github.check_runs(REPO, world.github.pull_request(REPO, first).head_sha) != []
