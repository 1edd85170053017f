"""/pin and /unpin: what is pinned does not expire, and is asked about instead (bot-behaviour 6.4)."""

from __future__ import annotations

from sqlalchemy.orm import Session

from bot import comments, reasons, serving
from bot.asked import Asked, Refused
from bot.commands import Command
from bot.gates import Closed
from operations import usage
from operations.pin import pin as pin_assignment
from operations.unpin import unpin as unpin_assignment
from storage import pins
from storage.assignments import Assignment
from storage.decisions import Reason
from storage.pins import Pin


def pin(session: Session, asked: Asked, command: Command) -> str | None:
    """What the thread holds never ends before it is asked about, if the repository has pins left; maintain goes past.

    Who has pinned it, or may maintain, pins it anew, which is the answer to being asked.
    """
    in_use = usage.pinned(session, asked.repository)
    held = serving.living(session, asked.thread, now=asked.now)
    if not held:
        raise Refused(comments.nothing_to_pin())
    before = {assignment.id: pins.of(assignment) for assignment in held}
    for former in filter(None, before.values()):
        if not _is_theirs(asked, former):
            raise Refused(comments.pinned_by_another(former))
    _refuse_beyond_quota(asked, in_use, added=sum(former is None for former in before.values()))
    review_at = asked.now + (command.duration or asked.policy.pin.review_after)
    for assignment in held:
        wanted = Pin(asked.login, _reason(command, before[assignment.id]), review_at)
        pin_assignment(session, assignment, wanted, asked.actor, now=asked.now)
        _decide(session, asked, "pin", f"pinned by {asked.login}: {wanted.reason}")
    return None


def unpin(session: Session, asked: Asked, command: Command) -> str | None:
    """What the thread holds has an end again, for who has pinned it, or may maintain."""
    held = serving.living(session, asked.thread, now=asked.now)
    pinned = [(assignment, found) for assignment in held if (found := pins.of(assignment)) is not None]
    if not pinned:
        raise Refused(comments.nothing_pinned())
    for assignment, found in pinned:
        if not _is_theirs(asked, found):
            raise Refused(
                comments.not_permitted(asked.policy.commands.specs["unpin"], asked.level), reason=Reason.PERMISSION
            )
        unpin_assignment(session, assignment, asked.actor, now=asked.now)
        _decide(session, asked, "unpin", f"unpinned by {asked.login}")
    return None


def _is_theirs(asked: Asked, found: Pin) -> bool:
    return found.owner == asked.login or asked.level >= asked.policy.commands.specs["unpin"].level


def _refuse_beyond_quota(asked: Asked, in_use: list[tuple[Assignment, Pin]], *, added: int) -> None:
    quota, beyond = asked.policy.pin.quota, asked.policy.commands.specs["pin"].beyond
    if not added or len(in_use) + added <= quota or (beyond is not None and asked.level >= beyond):
        return
    holders = [comments.pin_of(assignment.holder, pin) for assignment, pin in in_use]
    sentence = reasons.quota_pin(quota, holders)
    shut = Closed(Reason.QUOTA_REPOSITORY, "pin.quota", sentence, {"holders": [str(a.holder) for a, _ in in_use]})
    raise Refused(f"{sentence}.", asked.case, shut)


def _reason(command: Command, former: Pin | None) -> str:
    """A tick comes without words: what was said before is still true then."""
    return command.reason or (former.reason if former is not None else comments.pinned_without_words())


def _decide(session: Session, asked: Asked, operation: str, sentence: str) -> None:
    serving.decide(session, asked.look, asked.holder, Reason.OK, sentence, now=asked.now, operation=operation,
                   actor=asked.login)  # fmt: skip
