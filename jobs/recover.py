"""Webhooks that GitHub could not deliver: it sends them again, or they are read from it and worked as if it had."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta

import structlog

from bot.github.deliveries import Attempt, HookDeliveries
from bot.github.errors import GitHubError, RateLimited, Unauthorized
from bot.handlers import HANDLERS
from bot.measured import DROPPED
from bot.webhooks import Envelope
from jobs.workshop import Workshop
from storage import deliveries, missed
from storage.deliveries import DeliveryState
from storage.missed import MissedDelivery
from storage.tasks import Task

KEPT = timedelta(days=3)  # GitHub's list goes no further back
OVERLAP = timedelta(minutes=10)  # between what two sweeps read: an attempt appears in the list after it has ended
MOST_TRIES = 5
BATCH = 100
OURS = (DeliveryState.RECEIVED, DeliveryState.ACTIVE, DeliveryState.DONE)

log = structlog.get_logger(__name__)


def recover(shop: Workshop, task: Task) -> None:
    """Every webhook of which no attempt arrived is on its way to us again, or in the inbox (rule I4).

    GitHub is asked to send it again if the newest of all attempts arrived: then our door can be reached. Else, and
    if sending again was in vain, its payload is read from GitHub and put into the inbox under its GUID, which also
    keeps it from having effects twice, in whatever order it comes. Only what is newer than the last sweep is listed.
    """
    app = shop.context.github_app()
    if app is None:
        return
    hook = HookDeliveries(shop.github())
    with shop.database.reading() as session:
        since = missed.read_until(session, app.app_id) or shop.clock() - KEPT
    attempts = [attempt for attempt in hook.since(since) if not attempt.is_pending]
    _note(shop, task, app.app_id, attempts)
    is_reachable = bool(attempts) and attempts[0].has_arrived
    for row in _missing(shop, task):
        try:
            _get(shop, task, hook, row, again=is_reachable and row.tries == 0)
        except (RateLimited, Unauthorized):
            raise
        except GitHubError as error:
            if row.tries + 1 >= MOST_TRIES:
                shop.tally.count(DROPPED, event=row.event)
            log.warning("missed webhook not had", guid=row.guid, of=row.event, tries=row.tries + 1, reason=str(error))


def _note(shop: Workshop, task: Task, app_id: str, attempts: Sequence[Attempt]) -> None:
    """What has failed is remembered, so that nothing older than `until` has to be listed again."""
    newest = {attempt.guid: attempt for attempt in reversed(attempts)}
    arrived = {attempt.guid for attempt in attempts if attempt.has_arrived}
    with shop.step(task) as session:
        for guid, attempt in newest.items():
            if guid not in arrived and (attempt.event, attempt.action) in HANDLERS:
                missed.note(session, guid, attempt.id, attempt.event, attempt.action, now=shop.clock())
        missed.forget(session, arrived)
        missed.forget_old(session, before=shop.clock() - KEPT)
        if attempts:
            missed.have_read(session, app_id, attempts[0].delivered_at - OVERLAP)


def _missing(shop: Workshop, task: Task) -> Iterator[MissedDelivery]:
    """Without what we have: GitHub did not wait for the answer, or has sent it again meanwhile."""
    after = 0
    while True:
        with shop.step(task) as session:
            rows = missed.listed(session, most_tries=MOST_TRIES, after=after, limit=BATCH)
            states = deliveries.states(session, [row.guid for row in rows])
            ours = {guid for guid, state in states.items() if state in OURS}
            missed.forget(session, ours)
        yield from (row for row in rows if row.guid not in ours)
        if len(rows) < BATCH:
            return
        after = rows[-1].attempt_id


def _get(shop: Workshop, task: Task, hook: HookDeliveries, row: MissedDelivery, *, again: bool) -> None:
    with shop.step(task) as session:
        session.merge(row).tries += 1
    if again:
        hook.redeliver(row.attempt_id)
        log.info("missed webhook sent again", guid=row.guid, of=row.event, action=row.action)
        return
    body = json.dumps(hook.payload(row.attempt_id)).encode()
    serial_key = Envelope.model_validate_json(body).serial_key
    deliveries.receive(shop.database, row.guid, row.event, row.action, serial_key, body, now=shop.clock())
    log.info("missed webhook read", guid=row.guid, of=row.event, action=row.action)
