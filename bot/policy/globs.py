"""Which files of a repository a pattern means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache

ANY_FOLDERS = "**"


def fits(pattern: str, path: str) -> bool:
    """Whether the whole path fits: `*` and `?` stay within a folder, `**` is any number of folders, also none.

    A pattern that ends with `/` or `/**` means everything in that folder. Nothing else is special.
    """
    parts = pattern.replace("[", "[[]").split("/")
    if parts[-1] in ("", ANY_FOLDERS):
        parts[-1:] = [ANY_FOLDERS, "*"]
    return _fits(tuple(parts), tuple(path.split("/")))


def any_fits(patterns: Iterable[str], paths: Iterable[str]) -> bool:
    """Whether one of the paths is meant: the last pattern that it fits decides, and one with `!` takes it out again."""
    ordered = list(patterns)
    return any(_is_meant(ordered, path) for path in paths)


def domains_of(patterns: Mapping[str, str], paths: Iterable[str]) -> list[str]:
    """The domains that the paths belong to, each by the first pattern that it fits, in alphabetical order."""
    found = {next((domain for pattern, domain in patterns.items() if fits(pattern, path)), None) for path in paths}
    return sorted(domain for domain in found if domain is not None)


def _is_meant(patterns: list[str], path: str) -> bool:
    if all(pattern.startswith("!") for pattern in patterns):
        patterns = [ANY_FOLDERS, *patterns]
    for pattern in reversed(patterns):
        if fits(pattern.removeprefix("!"), path):
            return not pattern.startswith("!")
    return False


def _fits(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    @cache
    def rest(at: int, place: int) -> bool:
        if at == len(pattern):
            return place == len(path)
        if pattern[at] == ANY_FOLDERS:
            return rest(at + 1, place) or (place < len(path) and rest(at, place + 1))
        return place < len(path) and fnmatchcase(path[place], pattern[at]) and rest(at + 1, place + 1)

    return rest(0, 0)
