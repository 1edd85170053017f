"""Contestants are measured in turns, so that what else the machine does falls on all of them alike."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from rich.console import Console
from rich.table import Table

Figures = Mapping[str, float]  # column -> what was measured in one turn
Contest = Mapping[str, Sequence[Figures]]  # contestant -> its turns, one a round


def compete(contestants: Mapping[str, Callable[[], Figures]], rounds: int) -> Contest:
    """Every contestant has a turn in every round; who was first in one round is last in the next."""
    turns: dict[str, list[Figures]] = {name: [] for name in contestants}
    order = list(contestants)
    for _ in range(rounds):
        for name in order:
            turns[name].append(contestants[name]())
        order.append(order.pop(0))
    return turns


def ratios(contest: Contest, name: str, reference: str, column: str) -> list[float]:
    """What the contestant reached of what the reference did, round by round."""
    pairs = zip(contest[name], contest[reference], strict=True)
    return [mine[column] / theirs[column] for mine, theirs in pairs]


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median, and from where to where the values go."""
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def table(title: str, contest: Contest, *, compared: Mapping[str, str], column: str, caption: str = "") -> Table:
    """A row for each contestant; in `compared` each has its reference, against which `column` is compared."""
    columns = list(next(iter(contest.values()))[0])
    drawn = Table("", *columns, f"{column}: ratio", title=title, caption=caption, title_justify="left")
    for name, turns in contest.items():
        reference = compared.get(name)
        ratio = "" if reference is None else f"{spread(ratios(contest, name, reference, column), 2)} of {reference}"
        drawn.add_row(name, *(spread([turn[column] for turn in turns]) for column in columns), ratio)
    return drawn


def show(*tables: Table) -> None:
    console = Console(file=sys.stdout, width=140)
    for drawn in tables:
        console.print(drawn)
