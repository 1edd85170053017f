"""What a command prints: answers on stdout, everything else on stderr; colours and bars on a terminal only."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from cli.text import NOTHING, cell, clean

WIDEST = 1000
STYLES = {"AVAILABLE": "green", "ASSIGNED": "cyan", "ERROR": "red", "active": "green", "expired": "yellow"}


def show_json(answer: Any) -> None:
    click.echo(json.dumps(answer, indent=2, ensure_ascii=not _is_unicode()))


def say(sentence: str) -> None:
    click.echo(clean(sentence))


def lines(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        say(sentence)


def note(sentence: str) -> None:
    click.echo(clean(sentence), err=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, nothing: str) -> None:
    """One line a row under its columns' names; `nothing` is said where there is none."""
    if not rows:
        note(nothing)
        return
    cells = [[cell(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(columns, cells)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for row in [columns, *cells]:
        click.echo("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())


def facts(pairs: Mapping[str, Any]) -> None:
    """A name and a value a line; what is None is left out."""
    shown = {name: value for name, value in pairs.items() if value is not None}
    width = max(map(len, shown))
    for name, value in shown.items():
        click.echo(f"  {click.style(name.ljust(width), dim=True)}  {cell(value)}")


class Bar(Protocol):
    """Shows how a wait goes on."""

    def show(self, text: str, part: float) -> None:
        """`part` of 1 is done."""


@contextmanager
def bar() -> Iterator[Bar]:
    """A bar on stderr; where that is no terminal, a line whenever the text changes."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True, highlight=False), transient=True) as progress:
        yield Moving(progress)


class Lines:
    def __init__(self) -> None:
        self._last = ""

    def show(self, text: str, part: float) -> None:
        if text != self._last:
            note(text)
        self._last = text


class Moving:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=1.0)

    def show(self, text: str, part: float) -> None:
        self._progress.update(self._task, description=clean(text), completed=part)


def _rich_table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Without the columns that have nothing in them. Too wide a table is the terminal's to wrap: nothing is cut."""
    filled = [number for number in range(len(columns)) if any(row[number] != NOTHING for row in cells)]
    shown = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, header_style="bold")
    for number in filled:
        shown.add_column(columns[number])
    for row in cells:
        shown.add_row(*(Text(row[number], STYLES.get(row[number], "")) for number in filled))
    console = Console(highlight=False)
    wanted = console.measure(shown, options=console.options.update(max_width=WIDEST)).maximum
    console.width = max(console.width, wanted)
    console.print(shown)


def _is_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
