"""What a check run says about a `greenroom.yml`: https://docs.github.com/rest/checks/runs#create-a-check-run"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.policy.file import Problem
from bot.policy.keys import PATH
from bot.policy.preview import Change

NAME = "Greenroom configuration"
MOST_LISTED = 50


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


def previewed(sha: str, changes: Sequence[Change], looked_at: int, *, is_all: bool) -> dict[str, Any]:
    """The file on this commit can be followed, and would change this for the pull requests that are open."""
    number = {0: "nothing", 1: "1 open pull request"}.get(len(changes), f"{len(changes)} open pull requests")
    served = [f"- #{change.number} would be served" for change in changes if change.after is None]
    refused = [f"- #{change.number} would not be served: {c.sentence}" for change in changes if (c := change.after)]
    pulls = "1 open pull request" if looked_at == 1 else f"{looked_at} open pull requests"
    scope = f"Looked at {pulls}{'' if is_all else ', the oldest'}, each as if it asked for the first time."
    kept = "What is held already stays."
    summary = "\n".join([f"{scope} {kept}", "", *(served + refused)[:MOST_LISTED]]).strip()
    output = {"title": f"Changes {number}", "summary": summary}
    return {"name": NAME, "head_sha": sha, "status": "completed", "conclusion": "success", "output": output}


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
