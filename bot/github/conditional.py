"""Answers of GitHub that are asked for again on the condition that they have changed.

https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#use-conditional-requests-if-appropriate
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import httpx

MOST = 64
LARGEST = 64 * 1024  # bytes; with MOST that is what a process keeps at worst: 4 MB

About = tuple[int, str, str, str]
"""Installation, token, path, parameters. GitHub's ETags depend on the token, so that another token asks anew."""


class Remembered:
    """The answers used last, of one process."""

    def __init__(self) -> None:
        self._answers: OrderedDict[About, httpx.Response] = OrderedDict()

    def condition(self, about: About) -> Mapping[str, str]:
        """The header that spares GitHub the answer if it is still the remembered one."""
        answer = self._answers.get(about)
        return {} if answer is None else {"If-None-Match": answer.headers["etag"]}

    def resolve(self, about: About, answer: httpx.Response) -> httpx.Response:
        """The answer, or the remembered one in its place if GitHub says that nothing changed."""
        if answer.status_code == httpx.codes.NOT_MODIFIED:
            self._answers.move_to_end(about)
            return self._answers[about]
        self._answers.pop(about, None)
        if "etag" in answer.headers and len(answer.content) <= LARGEST:
            self._answers[about] = answer
            while len(self._answers) > MOST:
                self._answers.popitem(last=False)
        return answer
