"""Which lines of a comment are its author's words."""

import re
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.markdown import BUDGET, spoken


def said(body: str) -> list[str]:
    return [line.text.strip() for line in spoken(body)]


def test_a_line_keeps_its_number_and_its_indentation() -> None:
    lines = spoken("# Title\r\n\r\ntext\r\n      more\r\n\r\n- item")

    assert [(line.number, line.text) for line in lines] == [(3, "text"), (4, "      more"), (6, "item")]


def test_typographic_quotes_dashes_and_blanks_become_plain() -> None:
    assert said("\u201ca\u201d\u2014\u2018b\u2019\u00a0c") == ["\"a\"--'b' c"]


def test_a_hidden_part_ends_with_the_list_item_or_quote_that_it_began_in() -> None:
    assert said("- <details>\n\n  hidden\n\n- shown\n\n> <code>\n\nshown too") == ["shown", "shown too"]


def test_a_closing_tag_closes_nothing_outside_of_its_list_item() -> None:
    assert said("<details>\n\n- </details>\n\nhidden\n\n</details>\n\nshown") == ["shown"]


def test_a_tag_in_code_or_in_a_comment_hides_nothing() -> None:
    assert said("`<details>` a\n\n<!-- <details> -->\n\nb \\<details>\n\nc") == ["`<details>` a", "b \\<details>", "c"]


@pytest.mark.parametrize(("paragraph", "cost"), [("a\n\n", 2), ("- a\n\n", 3), ("> a\n\n", 3), ("> 1. a\nb\n\n", 7)])
def test_text_is_read_as_far_as_its_structure_is_affordable(paragraph: str, cost: int) -> None:
    affordable = (BUDGET - 1) // cost

    assert said(paragraph * affordable + "end")[-1] == "end"
    assert "end" not in said(paragraph * (affordable + 1) + "\n\nend")


def test_ten_thousand_words_are_read_to_the_end() -> None:
    paragraph = "- an item of a list, as long as such an item usually is in a comment\n" * 9 + "\n"

    assert said((paragraph * 100)[:65_000] + "\n\nend")[-1] == "end"


PIECES = [
    *("`", "``", "[", "]", "](", "(", ")", "![", "<!-- ", " -->", "<a ", "<b", "x='", "'", '"', ">", "\\", "a", " "),
    *("<http://a", "<?", "?>", "<!A", "*", "[r]: /u\n\n", "[r]", "\n", "\n> ", "\n- ", "```\n", "    ", "\n==="),
    *["\n/x\n"] * 6,
]
texts = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


@given(texts)
def test_a_line_is_spoken_only_where_commonmark_shows_text(text: str) -> None:
    """Our reading of code, tags and links inside a paragraph, against markdown-it-py's own (slow) one."""
    numbers = count()
    text = re.sub("/x", lambda _: f"/x{next(numbers)}", text)
    # What follows a comment in its HTML block is spoken, although CommonMark calls it HTML.
    text = re.sub(r"(?m)^([ >-]*<!--.*?-->).*", r"\1", text)
    spoken_marks = {mark[1] for line in spoken(text) if (mark := re.match(r" *(/x\d+)", line.text))}

    assert spoken_marks <= shown_marks(text)


def shown_marks(text: str) -> set[str]:
    blocks = MarkdownIt("commonmark").parse(text)
    paragraphs = (block for parent, block in pairwise(blocks) if parent.type == "paragraph_open")
    return {mark for block in paragraphs for mark in line_marks(block.children or [])}


def line_marks(children: list[Token]) -> list[str]:
    marks, links, at_start = [], 0, True
    for child in children:
        links += child.nesting if child.tag == "a" else 0
        if at_start and not links and child.type == "text" and (mark := re.match(r" *(/x\d+)", child.content)):
            marks.append(mark[1])
        at_start = child.tag == "br" or (at_start and child.type == "text" and not child.content)
    return marks
