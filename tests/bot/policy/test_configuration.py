"""Which policy is in force, by what is stored of a repository's file."""

from __future__ import annotations

from typing import Any

from bot.policy.configuration import in_force, policy_of
from bot.policy.keys import DEFAULTS
from storage import repositories
from storage.configurations import Configuration
from tests.world import REPO, World

PROBLEM = {"line": 2, "key": "mode", "sentence": "must be one of"}


def stored(world: World, **values: Any) -> str:
    with world.database.transaction() as session:
        repository = repositories.register(session, REPO, now=world.clock())
        given = {"source": "repository", "sha": "new", "problems": [], "text": None, "text_sha": None, **values}
        session.add(Configuration(repository_id=repository.id, read_at=world.clock(), **given))
        return repository.id


def test_nobody_has_looked_yet(world: World) -> None:
    with world.database.transaction() as session:
        repository = repositories.register(session, REPO, now=world.clock())
        assert in_force(session, repository.id).is_usable
        assert policy_of(session, repository.id) == DEFAULTS


def test_the_newest_file_is_valid(world: World) -> None:
    repository = stored(world, text="mode: manual", text_sha="new")
    with world.session() as session:
        found = in_force(session, repository)
    assert (found.policy.mode, found.sha, found.problems, found.is_usable) == ("manual", "new", (), True)


def test_the_last_good_one_stays_when_the_newest_is_not(world: World) -> None:
    repository = stored(world, text="mode: manual", text_sha="old", problems=[PROBLEM])
    with world.session() as session:
        found = in_force(session, repository)
    assert (found.policy.mode, found.sha, found.is_usable) == ("manual", "old", True)
    assert [problem.line for problem in found.problems] == [2]


def test_there_was_never_a_good_one(world: World) -> None:
    repository = stored(world, problems=[PROBLEM])
    with world.session() as session:
        found = in_force(session, repository)
    assert (found.policy, found.sha, found.is_usable) == (DEFAULTS, None, False)


def test_what_an_older_greenroom_took_is_told(world: World) -> None:
    repository = stored(world, text="flavour: sweet", text_sha="old")
    with world.session() as session:
        found = in_force(session, repository)
    assert (found.policy, found.is_usable) == (DEFAULTS, False)
    assert [problem.key for problem in found.problems] == ["flavour"]
