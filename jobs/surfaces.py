"""What a pull request or issue shows on GitHub is made equal to its rows; what says so already is not written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.orm import Session

from bot import comments
from bot.github.errors import Forbidden, Invalid, NotFound
from bot.policy.configuration import policy_of
from bot.surfaces import CheckRun, View, output_labels, superseded, view
from bot.surfaces import Place as Shown
from jobs.labels import mirror_pin, show_state
from jobs.notices import About, give_notice
from jobs.pieces import CheckRunPiece, CommentPiece, DeploymentPiece, Piece
from jobs.place import Place
from jobs.workshop import Workshop
from operations import notify
from operations.foresee import foresee
from operations.status import Status, status
from providers.provider import Capability
from storage import installations, surfaces, tickets
from storage.repositories import Repository
from storage.surfaces import INACTIVE, KEEP, Kind, Surface
from storage.tasks import Task
from storage.threads import Thread

REFUSED = (Forbidden, NotFound, Invalid)
PAUSE = timedelta(hours=1)  # that GitHub is not asked again for what it refused
KEPT = timedelta(hours=1)  # a deployment that is over, before its record goes
NEEDS = {Kind.CHECK_RUN: "checks", Kind.DEPLOYMENT: "deployments"}

log = structlog.get_logger(__name__)


def refresh(shop: Workshop, task: Task) -> None:
    """The thread's comment, check run, deployment and labels say what its rows say.

    One task of a thread runs at a time, so that there is never a second comment. What GitHub refuses (a locked
    conversation, a permission not granted yet) keeps nothing else back, and is not tried again for an hour.
    """
    _foresee(shop, task)
    now = shop.clock()
    with shop.database.reading() as session:
        thread = session.get_one(Thread, task.payload["thread_id"])
        repository = session.get_one(Repository, thread.repository_id)
        rows = {(Kind(row.kind), row.key): row for row in surfaces.of_thread(session, thread.id)}
        policy = policy_of(session, repository.id)
        where = Shown(repository.full_name, shop.context.settings.public_url)
        was_told = (Kind.COMMENT, "") in rows
        present = status(session, thread, now=now)
        redeploys = _redeploys(shop, repository, thread, present)
        wanted = view(thread, present, policy, where, was_told=was_told, redeploys=redeploys, now=now)
        installed = installations.find(session, repository.installation_id or 0)
    if repository.installation_id is None:
        return
    place = Place(shop, task, shop.installation(repository.installation_id), repository.full_name, thread.number)
    granted = installed.permissions if installed is not None else None
    _Refresh(place, thread, wanted, rows, granted, now).run()
    if wanted.labels is not None:
        show_state(place, thread, output_labels(policy.labels), wanted.labels)
    mirror_pin(place, thread, policy.labels.keep, rows.get((Kind.LABELS, KEEP)), is_pinned=present.is_pinned)
    give_notice(About(place, repository, thread, present, policy, now))
    if wanted.changes_at is not None:
        with shop.step(task) as session:
            notify.refresh_later(session, thread, at=wanted.changes_at, now=now)


def _redeploys(shop: Workshop, repository: Repository, thread: Thread, present: Status) -> bool:
    """Whether whoever may can have its head deployed once more."""
    able = any(shop.context.can(Capability.REDEPLOY, repository, held.pool) for held in present.held)
    return able and thread.head_sha is not None


def _foresee(shop: Workshop, task: Task) -> None:
    with shop.database.reading() as session:
        holder = session.get_one(Thread, task.payload["thread_id"]).holder
        if not tickets.any_open(session, holder):
            return
    with shop.step(task) as session:
        for ticket in tickets.all_open(session, holder):
            foresee(session, ticket, now=shop.clock())


def settle(shop: Workshop, task: Task) -> None:
    """The thread is refreshed now. A task of its own, as a refresh that waits would keep back what comes after it."""
    with shop.step(task) as session:
        notify.refresh(session, session.get_one(Thread, task.payload["thread_id"]), now=shop.clock())


def retire_soon(session: Session, *, now: datetime, limit: int) -> None:
    """Each thread with a deployment that is over has a task that ends it; `limit` threads at once."""
    for thread_id in surfaces.threads_to_retire(
        session, ended_before=now - KEPT, refused_before=now - PAUSE, limit=limit
    ):
        notify.retire(session, thread_id, now=now)


def retire(shop: Workshop, task: Task) -> None:
    """Deployments that are not the pull request's present one are inactive; an hour later there is no trace of them."""
    with shop.database.reading() as session:
        thread = session.get_one(Thread, task.payload["thread_id"])
        repository = session.get_one(Repository, thread.repository_id)
        rows = [row for row in surfaces.of_thread(session, thread.id) if row.ended_at is not None]
    for row in rows:
        try:
            gone = repository.installation_id is None or _retire(shop, repository, row)
            outcome: dict[str, Any] = {"state": INACTIVE, "digest": None}
        except REFUSED as error:
            log.warning("deployment not ended", thread=thread.url, reason=str(error))
            gone, outcome = isinstance(error, NotFound), {"refused_at": shop.clock(), "refusal": str(error)}
        with shop.step(task) as session:
            kept = session.get_one(Surface, row.id)
            if gone:
                session.delete(kept)
            for name, value in outcome.items():
                setattr(kept, name, value)


def _retire(shop: Workshop, repository: Repository, row: Surface) -> bool:
    """Whether nothing of the deployment is left."""
    assert repository.installation_id is not None and row.ended_at is not None
    github, repo = shop.installation(repository.installation_id), repository.full_name
    if row.external_id is None:
        return True
    if row.state != INACTIVE:
        github.create_deployment_status(repo, row.external_id, INACTIVE, comments.over())
        return False
    if shop.clock() < row.ended_at + KEPT:
        return False
    github.delete_deployment(repo, row.external_id)
    return True


class _Refresh:
    """One refresh of one thread."""

    def __init__(
        self,
        place: Place,
        thread: Thread,
        wanted: View,
        rows: Mapping[tuple[Kind, str], Surface],
        granted: Mapping[str, str] | None,
        now: datetime,
    ) -> None:
        self._place = place
        self._thread = thread
        self._view = wanted
        self._rows = rows
        self._granted = granted
        self._now = now

    def run(self) -> None:
        for piece in self._pieces():
            if self._rests(piece.kind):
                continue
            try:
                self._show(piece)
            except REFUSED as error:
                self._refused(piece, error)
        self._end_deployments()

    def _pieces(self) -> list[Piece]:
        wanted, pieces = self._view, list[Piece]()
        if wanted.comment is not None:
            marker = comments.STATUS_MARKER.format(holder=self._thread.holder)
            pieces.append(CommentPiece(marker, wanted.comment, wanted.footer))
        if wanted.check_run is not None and self._is_told(wanted.check_run):
            pieces.append(CheckRunPiece(wanted.check_run))
        pieces.extend(self._superseded())
        if wanted.deployment is not None:
            pieces.append(DeploymentPiece(wanted.deployment))
        return pieces

    def _is_told(self, check: CheckRun) -> bool:
        """What is over needs no check run, and changes none that is completed: that saves the write at the end."""
        row = self._rows.get((Kind.CHECK_RUN, check.sha))
        if not check.is_quiet:
            return True
        return row is not None and row.external_id is not None and (self._thread.is_open or row.state != "completed")

    def _superseded(self) -> list[CheckRunPiece]:
        """Check runs of older commits that still look as if something went on."""
        return [
            CheckRunPiece(superseded(self._thread, key))
            for (kind, key), row in self._rows.items()
            if kind is Kind.CHECK_RUN and key != self._thread.head_sha and row.state in ("queued", "in_progress")
        ]

    def _rests(self, kind: Kind) -> bool:
        """Whether it is known that GitHub will not have it: by the permissions granted, or as it just said so."""
        needed = NEEDS.get(kind)
        if self._granted is not None and needed is not None and self._granted.get(needed) != "write":
            log.info("not shown, the permission is not granted", thread=str(self._place), permission=needed)
            return True
        return any(surfaces.rests(row, now=self._now, pause=PAUSE) for (of, _), row in self._rows.items() if of is kind)

    def _show(self, piece: Piece) -> None:
        """It is there, once, and says what it should. Raises GitHubError."""
        row = self._rows.get((piece.kind, piece.key))
        digest = _digest(piece.content)
        if row is not None and row.digest == digest and row.ended_at is None:
            return
        known = row.external_id if row is not None else None
        if known is not None:
            try:
                piece.update(self._place, known)
            except NotFound:
                log.info("was deleted", thread=str(self._place), surface=piece.kind)
            else:
                self._record(piece, known, digest)
                return
        self._intend(piece)
        may_be_there = row is not None or piece.looks_always
        found = piece.find(self._place) if may_be_there else None
        made = found if found is not None else piece.make(self._place)
        if found is not None or not piece.is_whole:
            self._record(piece, made, None)
            piece.update(self._place, made)
        self._record(piece, made, digest)

    def _intend(self, piece: Piece) -> None:
        with self._place.shop.step(self._place.task) as session:
            surfaces.intend(session, self._thread.id, piece.kind, piece.key, now=self._now)

    def _record(self, piece: Piece, id: int, digest: str | None) -> None:
        with self._place.shop.step(self._place.task) as session:
            row = surfaces.find(session, self._thread.id, piece.kind, piece.key)
            assert row is not None, "it was intended"
            row.external_id, row.digest = id, digest
            row.state = piece.state if digest is not None else None
            row.ended_at = row.refused_at = row.refusal = None
        if digest is not None:
            log.info("written", thread=str(self._place), surface=piece.kind, task=self._place.task.id)

    def _refused(self, piece: Piece, error: Exception) -> None:
        log.warning("not written", thread=str(self._place), surface=piece.kind, reason=str(error))
        with self._place.shop.step(self._place.task) as session:
            row = surfaces.find(session, self._thread.id, piece.kind, piece.key)
            if row is None:
                row = surfaces.intend(session, self._thread.id, piece.kind, piece.key, now=self._now)
            row.refused_at, row.refusal = self._now, str(error)

    def _end_deployments(self) -> None:
        """All but the present one are over; the sweep says so on GitHub, many at once."""
        if self._view.is_settling:
            return
        present = self._view.deployment.sha if self._view.deployment is not None else None
        over = [row for (kind, key), row in self._rows.items() if kind is Kind.DEPLOYMENT and key != present]
        if any(row.ended_at is None for row in over):
            with self._place.shop.step(self._place.task) as session:
                surfaces.end_deployments(session, self._thread.id, present, now=self._now)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
