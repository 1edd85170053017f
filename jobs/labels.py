"""Labels that Greenroom sets: those that show a state, and the one that stands for a pin."""

from __future__ import annotations

import structlog

from bot.github.errors import Forbidden, Invalid, NotFound
from jobs.place import Place
from storage import surfaces
from storage.surfaces import Mirrored, Surface
from storage.threads import Thread

REFUSED = (Forbidden, NotFound, Invalid)

log = structlog.get_logger(__name__)


def show_state(place: Place, thread: Thread, ours: frozenset[str], wanted: frozenset[str]) -> None:
    """Of our labels it has the wanted ones; what somebody set by hand is reset, others' labels are left alone."""
    present = ours & set(thread.labels)
    try:
        if wanted - present:
            place.github.add_labels(place.repo, place.number, sorted(wanted - present))
            _record(place, thread, ours, present | wanted)
        for label in sorted(present - wanted):
            place.github.remove_label(place.repo, place.number, label)
            _record(place, thread, frozenset([label]), frozenset())
    except REFUSED as error:
        log.warning("not labelled", thread=str(place), reason=str(error))


def mirror_pin(place: Place, thread: Thread, label: str, row: Surface | None, *, is_pinned: bool) -> None:
    """It has the label while it is pinned. What somebody else did with that label is left until it was worked, as it
    asks for something (bot/controls.py).
    """
    wanted = Mirrored.SET if is_pinned else Mirrored.UNSET
    if (row.state if row is not None else Mirrored.UNSET) == wanted:
        return
    try:
        if is_pinned:
            place.github.add_labels(place.repo, place.number, [label])
        else:
            place.github.remove_label(place.repo, place.number, label)
    except REFUSED as error:
        log.warning("not labelled", thread=str(place), reason=str(error))
        return
    _record(place, thread, frozenset([label]), frozenset([label] if is_pinned else []))
    with place.shop.step(place.task) as session:
        surfaces.mirror(session, thread.id, wanted, now=place.shop.clock())


def _record(place: Place, thread: Thread, ours: frozenset[str], present: frozenset[str]) -> None:
    """After each write: where the next one has to wait for its turn, this one is not made again."""
    with place.shop.step(place.task) as session:
        row = session.get_one(Thread, thread.id)
        row.labels = [label for label in row.labels if label not in ours] + sorted(present)
