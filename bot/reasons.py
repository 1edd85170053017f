"""Every sentence about why something was not assigned, each with what would change it, in the commands' usual names."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from bot.arguments import spelled
from bot.mistakes import code
from bot.policy.file import Problem
from bot.policy.keys import PATH

MOST_NAMED = 10
ON_MERGE = "on_merge: transition"  # the rule by which a merge hands over


def not_installed() -> str:
    return "The GitHub App is not active in this repository: whoever administers it can install or unsuspend it"


def config_invalid(problems: Iterable[Problem]) -> str:
    first = next(iter(problems))
    return f"`{PATH}` cannot be followed ({first}), and there is no older one that could: correct it"


def mode_off() -> str:
    return "Greenroom is switched off here: `mode` would have to be `automatic` or `manual`"


def mode_manual(label: str) -> str:
    return f"Environments are given on request here: write `/assign`, or set the label {code(label)}"


def bot_author(label: str) -> str:
    return f"A bot opened it: somebody who is no bot can set the label {code(label)}, or write `/assign`"


def bot_never() -> str:
    return "A bot opened it, and bots are not served here: `bots` would have to be `on_label`"


def fork_never() -> str:
    return "It comes from a fork, and forks are not served here: push the branch to this repository"


def fork_needs_approval() -> str:
    return "It comes from a fork: who may maintain here can write `/env approve`, which approves its present commit"


def approval_lapsed() -> str:
    return "It was pushed to after it was approved: `/env approve` by who may maintain here approves its present commit"


def draft() -> str:
    return "It is a draft: mark it ready for review, or write `/assign`"


def draft_none() -> str:
    return "It is a draft, and drafts are not served here: mark it ready for review"


def label_off(label: str) -> str:
    return f"It has the label {code(label)}: remove that"


def label_missing(label: str) -> str:
    return f"It lacks the label {code(label)}: set that, or write `/assign`"


def path_filter(patterns: Collection[str]) -> str:
    return f"It changes no file that fits `paths` ({_listed(patterns)})"


def no_domain(patterns: Collection[str]) -> str:
    return f"It changes no file of a domain ({_listed(patterns)})"


def quota_repository(limit: int, holders: Collection[str]) -> str:
    return f"This repository has {limit} of {limit} environments: {_freed(holders)}"


def quota_author(author: str, limit: int, holders: Collection[str]) -> str:
    return f"{author} has {limit} of {limit} environments here: {_freed(holders)}"


def budget(tag: str, limit: timedelta) -> str:
    used = f"The environments of {code(tag)} were held for {code(spelled(limit))} this month (UTC)"
    return f"{used}, which is their budget: whoever maintains `{PATH}` can raise it"


def pool_inactive(tag: str) -> str:
    return f"The pool {code(tag)}, which would serve it, is inactive or deleted: activate it, or lead to another one"


def closes_none() -> str:
    return "It went to no issue: none that the merge closes is open here"


def closes_several(numbers: Collection[int]) -> str:
    return f"It went to no issue: the merge closes several, {_listed([f'#{number}' for number in numbers])}"


def has_one_already(number: int) -> str:
    return f"It did not go to #{number}, which has one already"


def quota_pin(limit: int, holders: Collection[str]) -> str:
    if limit == 0:
        return "Nothing is pinned here but by who may maintain: `pin.quota` is 0"
    used = f"This repository has {len(holders)} of {limit} pins: {', '.join(list(holders)[:MOST_NAMED])}"
    return f"{used}. `/unpin` there frees one, and who may maintain can pin past that"


def withdrawn(label: str) -> str:
    return f"The label {code(label)} was removed"


def _freed(holders: Collection[str]) -> str:
    return f"{_listed(holders)}. Close one of them, or write `/unassign` there"


def _listed(names: Collection[str]) -> str:
    shown = list(names)[:MOST_NAMED]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(name if name.startswith("#") else code(name) for name in shown) + more
