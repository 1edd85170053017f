"""What a Markdown comment says in its own words: its lines without code, quotes, links, headings and HTML."""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

BUDGET = 3_000
"""How much structure is read: a line costs 1, and 1 more for each list and quote around it.

GitHub's longest comment (65,536 characters) written as ordinary bullets costs less. Hostile text is slow by its
structure, 20 µs a unit in a parser written in Python, so what is beyond the budget is not read.
"""
DEEPEST = 20
"""The nesting that is read, markdown-it-py's own default."""

# To Markdown only blanks and tabs are space, but markdown-it-py trims the others too, and with them whole lines.
_OPAQUE = "\ue000"
_HIDE_SPACES = dict.fromkeys((c for c in range(0x3001) if chr(c).isspace() and chr(c) not in " \t\n"), _OPAQUE)
_PLAIN = str.maketrans({_OPAQUE: " ", "\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "\u2014": "--"})

_MARKER = r"(?:>|(?:[-+*]|\d{1,9}[.)])(?=\s|$))"
_ONE_MARKER = re.compile(_MARKER, re.ASCII)
_LEADING_MARKERS = re.compile(rf"(?:[ \t]*{_MARKER})*", re.ASCII)
_LEADING_COMMENTS = re.compile(r"(?:\s*<!--.*?-->)+", re.DOTALL)
_TASK = re.compile(r"\[[ xX]\](?:\s|$)")

_ESCAPED = r"\\[!-/:-@\[-`{-~]"
_MARK = re.compile(rf"{_ESCAPED}|`+|<(?=[a-z/!?])", re.ASCII | re.IGNORECASE)
_BRACKET = re.compile(rf"{_ESCAPED}|\]\(|[\[\]()\n]")
_OPENING = re.compile(r"<(?:!--|!\[CDATA\[|![A-Za-z]|\?)")
_CLOSINGS = {"<!--": "-->", "<![CDATA[": "]]>", "<?": "?>"}
_TAG = re.compile(
    r"<(/?+[a-z][a-z0-9-]*+)"
    r"(?:\s++[a-z_:][\w.:-]*+(?:\s*+=\s*+(?:[^\s\"'=<>`]++|'[^']*+'|\"[^\"]*+\"))?+)*+\s*+/?>",
    re.ASCII | re.IGNORECASE,
)
_HIDING = ["a", "blockquote", "code", "details", "h1", "h2", "h3", "h4", "h5", "h6", "kbd", "pre", "samp", "tt"]
_HIDING_TAGS = dict.fromkeys(_HIDING, 1) | {f"/{tag}": -1 for tag in _HIDING}
"""The tags that fold text away, or say in HTML what is not spoken in Markdown."""

_BLOCKS = MarkdownIt("commonmark", {"maxNesting": DEEPEST})
# markdown-it-py's inline rules are quadratic on some texts; _Spans does what we need of them.
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])


@dataclass(frozen=True, slots=True)
class Line:
    """A spoken line: its number in the comment, from 1, and its text with plain blanks, quotes and dashes."""

    number: int
    text: str


def spoken(body: str) -> list[Line]:
    """The lines of a comment in which its author speaks; for any text, in time linear in its length.

    Not spoken, as CommonMark reads them: code, quotes, headings, HTML and its comments, what `<details>` folds away,
    task items, lines that begin inside a link or image, and what an e-mail quotes below `On … wrote:`. Spoken: text,
    list items, a line below a quote without `>`. A line keeps the indentation that it has beyond its paragraph's.
    """
    source = _affordable(re.sub(r"\r\n?", "\n", body).translate(_HIDE_SPACES))
    lines = [Line(number, text.translate(_PLAIN)) for number, text in _Reading(source).lines()]
    return lines[: _reply_header(lines)]


def _reply_header(lines: list[Line]) -> int | None:
    """Where `On … wrote:` stands; mail programs break it into two lines."""
    ends = {line.number for line in lines if line.text.rstrip().endswith("wrote:")}
    for at, line in enumerate(lines):
        if line.text.startswith("On ") and not ends.isdisjoint((line.number, line.number + 1)):
            return at
    return None


def _affordable(text: str) -> str:
    """As many whole paragraphs from the beginning as BUDGET allows."""
    spent = depth = end = 0
    for found in re.finditer(r"[^\n]*\n?", text):
        markers = _LEADING_MARKERS.match(found[0])
        around = len(_ONE_MARKER.findall(markers[0])) if markers else 0
        # A line without markers may still belong to the quotes and lists above it, until a blank line.
        depth = min(around or depth, DEEPEST) if found[0].strip() else 0
        spent += 1 + depth
        if spent > BUDGET:
            return text[: text.rfind("\n\n", 0, end) + 1]
        end = found.end()
    return text


class _Span(NamedTuple):
    """A stretch of text that does not speak; `hides` is 1 for a tag that begins to hide, -1 for its end."""

    start: int
    end: int
    comment: bool = False
    hides: int = 0


class _Spans:
    """The code and HTML in a text, found in one pass."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.absent: set[str] = set()
        self.runs: dict[int, list[int]] = defaultdict(list)
        for run in re.finditer("`+", text):
            self.runs[len(run[0])].append(run.start())

    def of_markdown(self) -> Iterator[_Span]:
        at = 0
        while found := _MARK.search(self.text, at):
            mark, at = found[0], found.end()
            if span := self._code(found.start(), len(mark)) if mark[0] == "`" else self._html(found.start()):
                yield span
                at = span.end

    def of_html(self) -> Iterator[_Span]:
        """The tags and comments of a text that is HTML from its beginning."""
        at = self.text.find("<")
        while at >= 0:
            span = self._html(at)
            if span:
                yield span
            at = self.text.find("<", span.end if span else at + 1)

    def _code(self, start: int, length: int) -> _Span | None:
        runs = self.runs[length]
        following = bisect_left(runs, start + length)
        return _Span(start, runs[following] + length) if following < len(runs) else None

    def _html(self, start: int) -> _Span | None:
        if tag := _TAG.match(self.text, start):
            return _Span(start, tag.end(), hides=_HIDING_TAGS.get(tag[1].lower(), 0))
        if not (opening := _OPENING.match(self.text, start)):
            return None
        closing = _CLOSINGS.get(opening[0], ">")
        # From the third character on, because `<!-->` is a whole comment.
        end = -1 if closing in self.absent else self.text.find(closing, start + 2)
        if end < 0:
            self.absent.add(closing)
            return None
        return _Span(start, end + len(closing), comment=opening[0] == "<!--")


class _Reading:
    """One pass over the blocks of a text, which knows at each block what it is inside of."""

    def __init__(self, source: str) -> None:
        self.source = source.split("\n")
        self.blocks = _BLOCKS.parse(source)
        self.quotes = 0
        # How many hiding tags are open: in the text, then in each quote and list item around the present block.
        self.hiding = [0]

    def lines(self) -> Iterator[tuple[int, str]]:
        parent = ""
        for block in self.blocks:
            if block.type in ("blockquote_open", "list_item_open"):
                self.hiding.append(0)
            elif block.type in ("blockquote_close", "list_item_close"):
                self.hiding.pop()
            if block.tag == "blockquote":
                self.quotes += block.nesting
            elif block.type == "html_block":
                yield from self._html(block.content, _first_line(block))
            elif block.type == "inline" and parent == "paragraph_open" and not _TASK.match(block.content):
                yield from self._paragraph(block.content, _first_line(block))
            parent = block.type

    def _html(self, html: str, number: int) -> Iterator[tuple[int, str]]:
        """HTML is not spoken, but what follows a comment on its line is."""
        comments = _LEADING_COMMENTS.match(html)
        if comments and (rest := html[comments.end() :].strip()):
            yield from self._paragraph(rest, number + comments[0].count("\n"))
        else:
            for span in _Spans(html).of_html():
                self._count(span)
        if html.rfind("<!--") > html.rfind("-->"):
            self.hiding[-1] += 1

    def _paragraph(self, text: str, number: int) -> Iterator[tuple[int, str]]:
        spans = list(_Spans(text).of_markdown())
        covered = [*self._hidden(spans, len(text))]
        if "\n" in text:
            covered += ((span.start, span.end) for span in spans)
            covered += _bracketed(_blanked(text, spans))
        comments = [span for span in spans if span.comment]
        for offset, line in _uncovered(_blanked(text, comments), covered):
            # A quoted line shows its mark; a line without one only continues the quote's last paragraph.
            lazy = offset > 0 and not self.source[number + offset - 1].lstrip(" \t").startswith(">")
            if not self.quotes or lazy:
                yield number + offset, line

    def _hidden(self, spans: list[_Span], length: int) -> Iterator[tuple[int, int]]:
        """The stretches of a paragraph that hiding tags enclose."""
        since = -1 if any(self.hiding) else None
        for span in (span for span in spans if span.hides):
            self._count(span)
            if since is None and any(self.hiding):
                since = span.start
            elif since is not None and not any(self.hiding):
                yield since, span.end
                since = None
        if since is not None:
            yield since, length + 1

    def _count(self, span: _Span) -> None:
        self.hiding[-1] = max(0, self.hiding[-1] + span.hides)


def _first_line(block: Token) -> int:
    return (block.map or [0])[0] + 1


def _uncovered(text: str, covered: list[tuple[int, int]]) -> Iterator[tuple[int, str]]:
    """The lines of a text, counted from 0, that do not begin inside a covered stretch."""
    stretches = sorted(covered, reverse=True)
    start = furthest = 0
    for offset, line in enumerate(text.split("\n")):
        while stretches and stretches[-1][0] < start:
            furthest = max(furthest, stretches.pop()[1])
        if furthest <= start:
            yield offset, line
        start += len(line) + 1


def _bracketed(text: str) -> Iterator[tuple[int, int]]:
    """The stretches of a text that begin on one line and end on another, as [text](address) does."""
    opened: list[tuple[str, int, int]] = []
    line = 0
    for found in _BRACKET.finditer(text):
        mark = found[0]
        if mark == "\n":
            line += 1
        elif mark in "[(":
            if mark == "[" or (opened and opened[-1][0] == "("):
                opened.append((mark, found.start(), line))
        elif mark[0] in "])":
            while mark[0] == "]" and opened and opened[-1][0] == "(":
                opened.pop()
            if opened and opened[-1][0] + mark[0] in ("[]", "()"):
                _, start, since = opened.pop()
                if since < line:
                    yield start, found.end()
                if mark == "](":
                    opened.append(("(", found.end(), line))


def _blanked(text: str, spans: Iterable[_Span]) -> str:
    """The text at its length and with its lines, with blanks in place of these stretches."""
    parts, end = [], 0
    for span in spans:
        stretch = text[span.start : span.end]
        blank = re.sub(r"[^\n]", " ", stretch) if "\n" in stretch else " " * len(stretch)
        parts += [text[end : span.start], blank]
        end = span.end
    return "".join([*parts, text[end:]])
