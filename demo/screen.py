"""Shows a conversation on GitHub in a terminal: who wrote what, Greenroom's comments rendered, reactions."""

import re
import sys
import time
from collections.abc import Sequence

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from demo.github_state import Account, Comment, PullRequest

WIDEST = 100
PAUSE_SECONDS = 1.5
MARKER = re.compile(r"<!--.*?-->\s*", re.DOTALL)
REACTIONS = {"+1": "👍", "-1": "👎", "confused": "😕", "eyes": "👀", "rocket": "🚀"}

State = tuple[str, tuple[str, ...]]  # of a comment: what it says, and the reactions to it


class Screen:
    """Prints what is new on a pull request since it was last shown. Colours and pauses are for terminals only."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or terminal()
        self._shown: dict[int, State] = {}

    def say(self, sentence: str, style: str = "") -> None:
        self._console.print(Text(sentence, style))

    def step(self, number: int, of: int, title: str) -> None:
        if number > 1 and self._console.is_terminal:
            time.sleep(PAUSE_SECONDS)
        self._console.print()
        self._console.print(Rule(style="dim"))
        self._console.print(Text(f"{number} of {of}: {title}", "bold"))

    def header(self, pull: PullRequest) -> None:
        state = "merged" if pull.merged_at else "draft" if pull.draft and not pull.closed_at else pull.state
        colour = {"open": "green", "merged": "magenta", "closed": "red"}.get(state, "dim")
        number = f"{pull.repository.full_name}#{pull.number}"
        self._console.print(Text.assemble((pull.title, "bold"), f" {number} ", (state, f"bold {colour}")))

    def event(self, who: str, did: str) -> None:
        self._console.print(Text.assemble("● ", (who, "bold"), f" {did}"))

    def news(self, pull: PullRequest) -> None:
        """What was written since the last time, and then what was edited or reacted to: cause before effect."""
        comments = list(pull.comments)
        written = [comment for comment in comments if comment.id not in self._shown]
        changed = [comment for comment in comments if self._shown.get(comment.id, state(comment)) != state(comment)]
        for comment in written:
            self._console.print(_panel(comment, "commented"))
        for comment in changed:
            self._console.print(_panel(comment, "edited"))
        self._shown.update((comment.id, state(comment)) for comment in comments)

    def seen(self, sentence: str, seconds: float) -> None:
        self._console.print(Text.assemble(("✓ ", "bold green"), sentence, (f"  {seconds:.1f} s", "dim")))

    def failed(self, sentence: str) -> None:
        self._console.print(Text.assemble(("✗ ", "bold red"), sentence))

    def listing(self, title: str, lines: Sequence[str]) -> None:
        self._console.print(Panel(Text("\n".join(lines)), title=Text(title), title_align="left", border_style="dim"))


def terminal() -> Console:
    """Standard output, no wider than one reads well; what its encoding cannot show is replaced."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False)
    console.width = min(console.width, WIDEST)
    return console


def state(comment: Comment) -> State:
    return comment.body, reactions(comment)


def reactions(comment: Comment) -> tuple[str, ...]:
    return tuple(f"{REACTIONS.get(r.content, r.content)} {r.author.login}" for r in list(comment.reactions))


def _panel(comment: Comment, verb: str) -> Panel:
    """As GitHub shows it: what a person wrote stands as it is, what Greenroom wrote is rendered alike."""
    body = Markdown(MARKER.sub("", comment.body), hyperlinks=False)
    below = [Text(), Text("   ".join(reactions(comment)))] if comment.reactions else []
    title = Text.assemble((comment.author.login, "bold"), f" {verb}")
    return Panel(Group(body, *below), title=title, title_align="left", border_style=_border(comment.author))


def _border(author: Account) -> str:
    return "green" if author.type == "Bot" else "blue"
