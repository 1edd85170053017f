"""What a check run says about a `greenroom.yml`: https://docs.github.com/rest/checks/runs#create-a-check-run"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.policy.file import Problem
from bot.policy.keys import PATH
from bot.policy.preview import Change
from bot.policy.replay import SPAN, Past

NAME = "Greenroom configuration"
MOST_LISTED = 50
MOST_NAMED = 10


def mistaken(sha: str, problems: Sequence[Problem], stays: str) -> dict[str, Any]:
    """The file on this commit cannot be followed, which stops nobody; `stays` says what is in force."""
    number = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
    listed = "\n".join(f"- {problem}" for problem in problems)
    output = {
        "title": f"{number} in {PATH}",
        "summary": f"{stays}\n\n{listed}",
        "annotations": [_annotation(problem) for problem in problems],
    }
    return {"name": NAME, "head_sha": sha, "status": "completed", "conclusion": "neutral", "output": output}


def previewed(sha: str, changes: Sequence[Change], looked_at: int, past: Past, *, is_all: bool) -> dict[str, Any]:
    """The file on this commit can be followed, and would change this for the pull requests that are open, and would
    have changed that lately.
    """
    number = {0: "nothing", 1: "1 open pull request"}.get(len(changes), f"{len(changes)} open pull requests")
    served = [f"- #{change.number} would be served" for change in changes if change.after is None]
    refused = [f"- #{change.number} would not be served: {c.sentence}" for change in changes if (c := change.after)]
    pulls = "1 open pull request" if looked_at == 1 else f"{looked_at} open pull requests"
    scope = f"Looked at {pulls}{'' if is_all else ', the oldest'}, each as if it asked for the first time."
    kept = "What is held already stays."
    listed = "\n".join((served + refused)[:MOST_LISTED])
    summary = "\n\n".join(filter(None, [f"{scope} {kept}", listed, _lately(past)]))
    output = {"title": f"Changes {number}", "summary": summary}
    return {"name": NAME, "head_sha": sha, "status": "completed", "conclusion": "success", "output": output}


def _lately(past: Past) -> str:
    """What would have been otherwise, and what that leaves out."""
    days = f"Last {SPAN.days} days"
    grounds = {0: "", 1: "; and 1 decision"}.get(past.left_out, f"; and {past.left_out} decisions")
    unknown = f"{grounds} on grounds that are not on record" if grounds else ""
    left_out = f"Left out are changed files, quotas, waits, and what came and went while one was held{unknown}."
    if not past.replayed:
        return f"{days}: nothing on record can be replayed. {left_out if past.left_out else ''}".strip()
    more = f"{len(past.more)} more served{_numbers(past.more)}"
    forks = {0: "", 1: ", 1 of them from a fork"}.get(len(past.forks), f", {len(past.forks)} of them from forks")
    pulls = "1 pull request" if past.replayed == 1 else f"{past.replayed} pull requests"
    scope = f"of {pulls}{'' if past.is_all else ', those that changed last'}"
    found = f"{more}{forks}, {len(past.fewer)} fewer{_numbers(past.fewer)}, {scope}"
    return f"{days}: {found}, replayed from the decisions on record with the pools of today. {left_out}"


def _numbers(found: Sequence[int]) -> str:
    named = [f"#{number}" for number in sorted(found)[:MOST_NAMED]]
    return f" ({', '.join([*named, '…'] if len(found) > MOST_NAMED else named)})" if named else ""


def not_taken() -> str:
    """What a merge would do."""
    return "If this is merged, what is in force now stays in force until it is corrected."


def last_good_stays(text_sha: str | None) -> str:
    """What is in force instead."""
    if text_sha is None:
        return "The usual policy stays in force until this is corrected."
    return f"The version {text_sha[:7]} of this file stays in force until this is corrected."


def nothing_in_force() -> str:
    return "There is no earlier version that could be followed, so no environment is assigned until this is corrected."


def _annotation(problem: Problem) -> dict[str, Any]:
    return {
        "path": PATH,
        "start_line": problem.line,
        "end_line": problem.line,
        "annotation_level": "warning",
        "message": f"{problem.key} {problem.sentence}".strip(),
    }
