"""Times the reading of GitHub's longest comment, hostile in every way we know, against a plain pass over its lines.

Run from the checkout: `python -m bench.commands`. Fails when a text takes longer than LIMIT.
"""

import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter

from markdown_it import MarkdownIt

from bot.commands import parse

LENGTH = 65_536
LIMIT = 0.1
COMMAND = "\n\n/extend 24h"

HOSTILE = {
    "letters": "a",
    "words": "a ",
    "blank lines": "\n",
    "short lines": "a\n",
    "short paragraphs": "a\n\n",
    "blanks": " ",
    "tabs": "\t",
    "indented lines": "    a\n",
    "backticks": "`",
    "growing backticks": "".join("`" * n + " " for n in range(1, 360)),
    "backtick lines": "`\n",
    "fences": "```\n",
    "open fences in items": "- ```\n",
    "brackets": "[",
    "bracket pairs": "[]",
    "nested links": "[a](",
    "closing brackets": "[" * 100 + "]" * 100,
    "bracket lines": "[\n",
    "images": "![a](b ",
    "less-than": "<",
    "less-than lines": "<\n",
    "open comments": "<!--",
    "comments": "<!-- -->",
    "comment lines": "<!-- a\n-->\n",
    "open instructions": "a <?",
    "open declarations": "a <!A",
    "open CDATA": "a <![CDATA[",
    "open tags": "<a ",
    "attributes": "<a " + "b " * 1_000,
    "open attributes": "<a b='",
    "mixed quotes": "<a b='<a b=\"",
    "details": "<details>\n\n",
    "inline details": "a <details>",
    "quotes": ">",
    "spaced quotes": "> ",
    "quote lines": "> a\n",
    "deep quotes": "> " * 19 + "a\n",
    "lazy lines in deep quotes": "> " * 19 + "a\n" + "b\n" * 20,
    "bullets": "* ",
    "items": "- a\n",
    "empty items": "-\n",
    "spread items": "- a\n\n",
    "numbered items": "1. a\n",
    "deep items": "- " * 9 + "a\n",
    "growing items": "".join("  " * n + "- a\n" for n in range(100)),
    "quotes and items": "> - " * 5 + "a\n",
    "changing items": "- a\n+ a\n* a\n",
    "rules": "---\n",
    "underlined headings": "a\n=\n",
    "headings": "# a\n",
    "definitions": "[a]: b\n",
    "open definitions": "[a]:\n",
    "open titles": "[a]: b 'c\n",
    "tables": "a|b\n-|-\n",
    "escapes": "\\",
    "entities": "&#",
    "asterisks": "*",
    "underscores": "_a",
    "commands": "/extend 24h\n",
    "commands in items": "- /env x\n",
    "commands with words": "/lock " + "a " * 32_000,
    "commands with quotes": "/lock " + '"" ' * 21_000,
    "commands with options": "/assign " + "a=b " * 16_000,
    "digits": "/extend " + "9" * 65_000,
    "units": "/extend " + "1h" * 32_000,
    "mentions": "@greenroom ",
    "e-mail headers": "On a\n",
    "wide spaces": "\u2003",
}


def seconds(work: Callable[[], object]) -> float:
    """The best of three runs: what the work costs when nobody else disturbs it."""
    times = []
    for _ in range(3):
        began = perf_counter()
        work()
        times.append(perf_counter() - began)
    return min(times)


def comment(piece: str) -> str:
    """The piece repeated to GitHub's limit, with a command at the end so that nothing is skipped."""
    return (piece * (LENGTH // len(piece) + 1))[: LENGTH - len(COMMAND)] + COMMAND


def main() -> None:
    """Prints a line for each text, the slowest first."""
    ordinary = comment(
        "Some words, `code` and a [link](https://example.com/a).\n\n- an item\n- another\n\n> a quote\n\n"
    )
    reference = seconds(partial(MarkdownIt("commonmark").parse, ordinary))
    texts = {"an ordinary comment": ordinary} | {name: comment(piece) for name, piece in HOSTILE.items()}
    times = {name: seconds(partial(parse, text)) for name, text in texts.items()}
    report = [f"{reference * 1000:7.1f} ms  1.00  markdown-it-py alone, an ordinary comment of {LENGTH} characters"]
    for name, time in sorted(times.items(), key=lambda timed: -timed[1]):
        report.append(f"{time * 1000:7.1f} ms  {time / reference:4.2f}  {name}")
    sys.stdout.write("\n".join(report) + "\n")
    slow = [name for name, time in times.items() if time > LIMIT]
    if slow:
        sys.exit(f"slower than {LIMIT * 1000:.0f} ms: {', '.join(slow)}")


if __name__ == "__main__":
    main()
