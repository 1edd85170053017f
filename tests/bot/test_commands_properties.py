"""What holds of every comment, however it is written."""

import re
import sys
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bench.commands import HOSTILE, comment
from bot.commands import Command, Mistake, Parsed, parse
from bot.help import help_text

PIECES = [
    *("`", "``", "```", "~~~", "> ", "- ", "1. ", "- [ ] ", "# ", "===", "---", "[", "]", "](", ")", "![", "\\", "|"),
    *("<!--", "-->", "<details>", "</details>", "<pre>", "<a x='", "<?", "<!A", ">", "'", '"', "=", "--", "*", "a"),
    *("\n", "\n\n", "\r\n", "\r", " ", "    ", "\t", "\u00a0", "\u2028", "\x0b", "\x00", "\ud800", "\ue000", "\u2014"),
    *("/env", "/extend", "/lock", "/assign", "@greenroom", " extend", " info", " 24h", " 24", " for=1h", " --discard"),
    *("On ", " wrote:", "@alice", "\u202e", "\u200b", "9" * 50),
    *("\n/extend 24h\n", "\n> /extend 24h\n", "\n/env x\n", "/extend 24h", "\n- /lock it\n"),
]
anything = st.text(st.characters(exclude_categories=())) | st.lists(st.sampled_from(PIECES), max_size=40).map("".join)

names = st.from_regex(r"[a-z][a-z0-9_-]{0,10}", fullmatch=True).filter(lambda name: name not in ("discard", "force"))
durations = st.builds("{}{}".format, st.integers(1, 50), st.sampled_from("hdw"))
reasons = st.lists(st.from_regex(r"[A-Za-z]{1,8}", fullmatch=True), min_size=1, max_size=4).map(" ".join)
words = st.one_of(
    st.builds("extend {}".format, durations),
    st.builds("extend {} {}".format, durations, reasons),
    st.builds("assign {} domain={} for={}".format, names, names, durations),
    st.builds("unassign {} --discard".format, names),
    st.builds('lock env={} {} reason="{}"'.format, names, durations, reasons),
    st.builds("pin {} {}".format, durations, reasons),
    st.builds("transition #{}".format, st.integers(1, 10**6)),
    st.just("status"),
)
commands = st.builds(str.__add__, st.sampled_from(["/", "/env ", "/ENV ", "@greenroom "]), words)
prose = st.lists(
    st.sampled_from(
        [
            "Looks good to me.",
            "It costs 3 < 4 and `code` is fine, **really**.",
            "See [the docs](https://example.com/env) or #12, thanks @alice.",
            "- an item\n- another",
            "> a quote\n> of two lines",
            "# A heading",
            "```\n/env extend 24h\n```",
            "<details>\n\n/env extend 24h\n\n</details>",
            "<!-- /env extend 24h -->",
            "- [ ] /env extend 24h",
            "What does /extend do?",
        ]
    ),
    max_size=4,
).map("\n\n".join)


@given(anything)
def test_any_text_is_commands_or_mistakes_or_silence(body: str) -> None:
    parsed = parse(body)

    assert not (parsed.commands and parsed.mistakes)
    assert len(parsed.commands) <= 5
    last = len(re.split(r"\r\n?|\n", body))
    assert all(1 <= answer.line <= last for answer in parsed.commands + parsed.mistakes)


@given(anything)
def test_line_ends_do_not_matter(body: str) -> None:
    unix = re.sub(r"\r\n?", "\n", body)

    assert parse(body) == parse(unix) == parse(unix.replace("\n", "\r\n")) == parse(unix.replace("\n", "\r"))


@given(anything, st.sampled_from("`~"))
@example("/extend 24h", "`")
@example("\n    ```\n> /env", "`")
def test_fenced_text_never_runs(text: str, mark: str) -> None:
    longest = max((len(run) for run in re.findall(f"{mark}+", text)), default=0)
    fence = mark * max(3, longest + 1)

    assert parse(f"{fence}\n{text}\n{fence}") == Parsed()
    assert parse(f"{fence}\n{text}") == Parsed()


@given(anything)
@example("/extend 24h")
def test_indented_and_quoted_text_never_runs(text: str) -> None:
    lines = re.split(r"\r\n?|\n", text)

    assert parse("\n".join(f"    {line}" for line in lines)) == Parsed()
    assert parse("\n".join(f"> {line}" for line in lines)) == Parsed()


@given(anything.map(lambda text: text.replace("-->", "")))
@example("\n\n/extend 24h")
def test_commented_text_never_runs(text: str) -> None:
    assert parse(f"<!-- {text} -->") == Parsed()


@given(commands, prose, prose)
def test_a_command_among_prose_runs_once(command: str, before: str, after: str) -> None:
    parsed = parse(f"{before}\n\n{command}\n\n{after}")

    assert parsed.mistakes == ()
    assert [run.line for run in parsed.commands] == [f"{before}\n\n".count("\n") + 1]
    assert without_line(parsed) == without_line(parse(command))


@given(commands)
def test_a_command_is_the_same_in_a_list_or_below_a_quote(command: str) -> None:
    alone = without_line(parse(command))

    assert without_line(parse(f"- {command}")) == without_line(parse(f"> a\n{command}")) == alone


@given(commands, anything.map(lambda text: re.sub(r"[\r\n]", " ", text)).filter(lambda text: "@" not in text))
def test_what_follows_a_command_is_understood_or_answered(command: str, more: str) -> None:
    parsed = parse(f"{command} {more}")

    assert parsed.commands or parsed.mistakes


@given(st.lists(commands, min_size=6, max_size=8))
def test_six_commands_are_one_mistake(lines: list[str]) -> None:
    parsed = parse("\n\n".join(lines))

    assert parsed.commands == ()
    assert len(parsed.mistakes) == 1


@given(st.sampled_from(["/env ", "/extend ", "/lock ", "/assign x", "@greenroom "]), anything)
@example("/env ", "@alice")
@example("/lock ", "`/env`")
def test_our_own_mistakes_speak_to_nobody(command: str, rest: str) -> None:
    for mistake in parse(command + rest).mistakes:
        assert_speaks_to_nobody(mistake)


def test_our_own_help_speaks_to_nobody() -> None:
    assert parse(help_text()) == Parsed()
    assert "@" not in outside_code(help_text())


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_no_more_work_than_its_length(name: str) -> None:
    """Counted in calls, which a quadratic pattern multiplies by thousands; bench/commands.py takes the time."""
    assert calls_of(lambda: parse(comment(HOSTILE[name]))) < 300_000


def calls_of(work: Callable[[], object]) -> int:
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


def assert_speaks_to_nobody(mistake: Mistake) -> None:
    assert "\n" not in mistake.sentence
    assert parse(mistake.sentence) == Parsed()
    assert parse(f"- {mistake.sentence}") == Parsed()
    plain = outside_code(mistake.sentence)
    assert "@" not in plain
    assert "<" not in plain
    assert "/" not in plain.replace("+ / :", "")


def outside_code(text: str) -> str:
    """What GitHub shows as text: everything that is not in a code span."""
    inline = MarkdownIt("commonmark").enable("table").parse(text)
    return " ".join(
        child.content for token in inline if token.children for child in token.children if child.type != "code_inline"
    )


def without_line(parsed: Parsed) -> list[dict[str, object]]:
    return [
        {field: getattr(command, field) for field in Command.__slots__ if field != "line"}
        for command in parsed.commands
    ]
