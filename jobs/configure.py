"""A repository's policy is read from GitHub; who changes it is told what is wrong with it, and what it would do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import structlog

from bot.github.calls import Installation
from bot.github.errors import Forbidden, Invalid, NotFound
from bot.policy import checks
from bot.policy.configuration import InForce, in_force, keep, look_for
from bot.policy.file import InvalidPolicy, Problem, parse
from bot.policy.keys import PATH, Policy
from bot.policy.preview import Open, changes
from bot.policy.replay import replay
from jobs.workshop import Workshop
from storage.configurations import Configuration, Source
from storage.repositories import Repository
from storage.tasks import Task
from storage.threads import Thread

MOST_LOOKED_AT = 100  # pull requests: a page of GitHub's list
MOST_FILES = 3000

UNREACHABLE = (NotFound, Forbidden, Invalid)

log = structlog.get_logger(__name__)


def configure(shop: Workshop, task: Task) -> None:
    """The policy is that of the file as GitHub has it now; the last good one, where that one cannot be followed.

    What is wrong with it is told once on the commit, in a check run that stops nobody.
    """
    with shop.database.reading() as session:
        repository = session.get_one(Repository, task.payload["repository_id"])
    if repository.installation_id is None:
        return
    github = shop.installation(repository.installation_id)
    found = look_for(github, repository.full_name, now=shop.clock())
    with shop.step(task) as session:
        row = keep(session, repository, found)
    log.info("policy read", repository=repository.full_name, source=row.source, problems=len(row.problems))
    if row.problems and row.source == Source.REPOSITORY:
        _tell(shop, task, github, repository, row)


def _tell(shop: Workshop, task: Task, github: Installation, repository: Repository, row: Configuration) -> None:
    problems = [Problem(**problem) for problem in row.problems]
    stays = checks.last_good_stays(row.text_sha) if row.is_usable else checks.nothing_in_force()
    try:
        commit = task.payload["commit"] or github.commit(repository.full_name, repository.default_branch or "HEAD")
        if commit == row.told_commit:
            return
        github.create_check_run(repository.full_name, checks.mistaken(commit, problems, stays))
    except UNREACHABLE as error:
        log.warning("mistakes not told", repository=repository.full_name, reason=str(error))
        return
    with shop.step(task) as session:
        session.get_one(Configuration, repository.id).told_commit = commit


def preview(shop: Workshop, task: Task) -> None:
    """The head of a pull request that changes the file has a check run on what that would do, or on its mistakes."""
    with shop.database.reading() as session:
        thread = session.get_one(Thread, task.payload["thread_id"])
        repository = session.get_one(Repository, thread.repository_id)
        present = in_force(session, repository.id)
    if repository.installation_id is None or thread.head_sha is None or not thread.is_open:
        return
    github = shop.installation(repository.installation_id)
    try:
        content = _previewed(shop, github, repository, present, thread.head_sha)
        github.create_check_run(repository.full_name, content)
    except UNREACHABLE as error:
        log.warning("change of policy not previewed", repository=repository.full_name, reason=str(error))


def _previewed(
    shop: Workshop, github: Installation, repository: Repository, present: InForce, sha: str
) -> dict[str, object]:
    try:
        text = github.file(repository.full_name, PATH, sha).text
    except NotFound:  # the pull request removes it
        text = ""
    try:
        proposed = InForce(parse(text))
    except InvalidPolicy as invalid:
        return checks.mistaken(sha, invalid.problems, checks.not_taken())
    pulls = list(_open_pulls(github, repository.full_name, present.policy, proposed.policy))
    now = shop.clock()
    with shop.database.reading() as session:
        found = changes(session, repository, present, proposed, pulls, now=now)
        past = replay(session, repository, present, proposed, now=now)
    return checks.previewed(sha, found, len(pulls), past, is_all=len(pulls) < MOST_LOOKED_AT)


def _open_pulls(github: Installation, repo: str, *policies: Policy) -> Iterator[Open]:
    tells_files_apart = any(policy.paths or policy.domains for policy in policies)
    for facts in islice(github.open_pull_requests(repo), MOST_LOOKED_AT):
        files = tuple(islice(github.changed_files(repo, facts.number), MOST_FILES)) if tells_files_apart else None
        yield Open(facts, files)
