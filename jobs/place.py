"""A pull request or issue on GitHub, on which a task writes."""

from __future__ import annotations

from dataclasses import dataclass

from bot.github.calls import Installation
from bot.github.errors import Forbidden, NotFound
from jobs.workshop import Workshop
from storage.tasks import Task

# It was deleted, transferred, locked or archived, or the App was taken away: nobody is there to be told.
UNREACHABLE = (NotFound, Forbidden)


@dataclass(frozen=True)
class Place:
    shop: Workshop
    task: Task
    github: Installation
    repo: str
    number: int

    def __str__(self) -> str:
        return f"{self.repo}#{self.number}"

    def find(self, marker: str) -> int | None:
        """Our own comment with this marker, on any page; what others copied from us does not count."""
        ours = self.shop.github().app().login
        for comment in self.github.comments(self.repo, self.number):
            if comment.author.login == ours and comment.body.startswith(marker):
                return comment.id
        return None

    def create(self, body: str) -> int:
        """A new comment; ClaimLost if this worker was stopped since it looked, as another may have made one by now."""
        with self.shop.step(self.task):
            pass
        return self.github.create_comment(self.repo, self.number, body)
