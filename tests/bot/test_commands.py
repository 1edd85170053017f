"""What a comment makes Greenroom do."""

from datetime import timedelta

import pytest

from bot.arguments import Target
from bot.commands import ALIASES, COMMANDS, Command, Parsed, parse
from bot.levels import Level

EXTEND = Command(1, "extend", duration=timedelta(hours=24))
REPLY_HEADER = "On Mon, 6 Jan 2025 at 10:00, Alice <alice@example.com> wrote:"


def extend(line: int) -> Command:
    return Command(line, "extend", duration=timedelta(hours=24))


@pytest.mark.parametrize(
    ("body", "commands"),
    [
        ("/extend 24h", [EXTEND]),
        ("/EXTEND 24h", [EXTEND]),
        ("/Env Extend 24h", [EXTEND]),
        ("@greenroom extend 24h", [EXTEND]),
        ("@Greenroom Extend 24h", [EXTEND]),
        ("/env extend 1d12h need it", [Command(1, "extend", duration=timedelta(hours=36), reason="need it")]),
        ("- /extend 24h", [EXTEND]),
        ("1. /extend 24h", [EXTEND]),
        ("* a\n  - /extend 24h", [extend(2)]),
        ("- a\n  /extend 24h", [extend(2)]),
        (" /extend 24h", [EXTEND]),
        ("   /extend 24h", [EXTEND]),
        ("/extend 24h  \t ", [EXTEND]),
        ("Thanks!\r\n\r\n/extend 24h\r\n", [extend(3)]),
        ("Thanks!\r/extend 24h", [extend(2)]),
        ("/extend\t24h", [EXTEND]),
        ("/extend\u00a024h", [EXTEND]),
        ("\u00a0\n/extend 24h", [extend(2)]),
        ("/env\u2003extend\u202f24h", [EXTEND]),
        ("<!-- x -->\n/extend 24h", [extend(2)]),
        ("<!-- x --> /extend 24h", [EXTEND]),
        ("<!-- x\ny --> /extend 24h", [extend(2)]),
        ("/extend 24h\n<!-- x -->", [EXTEND]),
        ("/extend 24h <!-- x -->", [EXTEND]),
        ("/extend <!-- x --> 24h", [EXTEND]),
        ("/extend 24h <!-- x\ny -->", [EXTEND]),
        ("> is it still there?\n\n/extend 24h", [extend(3)]),
        ("> is it still there?\n/extend 24h", [extend(2)]),
        ("> - is it still there?\n/extend 24h", [extend(2)]),
        ("> > nested\n> outer\n/extend 24h", [extend(3)]),
        ("> <details>\n\n/extend 24h", [extend(3)]),
        (f"/extend 24h\n\n{REPLY_HEADER}\n> hello", [EXTEND]),
        (f"> {REPLY_HEADER}\n\n/extend 24h", [extend(3)]),
        ("On Monday we ship, so:\n/extend 24h", [extend(2)]),
        ("/extend 24h\n/status", [EXTEND, Command(2, "status")]),
        ("/extend 24h\n\nthanks\n\n/status", [EXTEND, Command(5, "status")]),
        ("text\n```\n/assign\n```\n/extend 24h", [extend(5)]),
        ("<details>\n\n/assign\n\n</details>\n\n/extend 24h", [extend(7)]),
        ("a `code` and a ` tick\n/extend 24h", [extend(2)]),
        ("a [link](https://example.com) and a [bracket\n/extend 24h", [extend(2)]),
        ("a \\` tick\n/extend 24h\nand \\` another", [extend(2)]),
        ("1 < 2 <!-- never closed\n/extend 24h", [extend(2)]),
        ("a `[` b\n/extend 24h\n]", [extend(2)]),
        ("a <!--> b\n/extend 24h\nc -->", [extend(2)]),
        ("</details>\n\n/extend 24h", [extend(3)]),
        ("/deploy\n/extend 24h", [extend(2)]),
        ("/extend 24h\n/loc\u212a 2h a reason", [EXTEND]),
        ("/env", [Command(1, "help")]),
        ("\n".join(["/status"] * 5), [Command(line, "status") for line in range(1, 6)]),
    ],
)
def test_runs(body: str, commands: list[Command]) -> None:
    assert parse(body) == Parsed(commands=tuple(commands))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "Looks good to me",
        "```\n/extend 24h\n```",
        "~~~\n/extend 24h\n~~~",
        "```\n/extend 24h",
        "- ```\n  /extend 24h\n  ```",
        "````\n```\n/extend 24h\n```\n````",
        "```\n\u00a0```\n/extend 24h\n```",
        "    /extend 24h",
        "\t/extend 24h",
        "some text\n    /extend 24h",
        "some text, `/extend 24h`, in code",
        "some `text\n/extend 24h\nin code` on three lines",
        "``a ` b\n/extend 24h\nc`` d",
        "`/extend 24h` <!-- and more -->",
        "> /extend 24h",
        ">/extend 24h",
        "> > /extend 24h",
        "> a\n> /extend 24h",
        "- > a\n  > /extend 24h",
        "> ```\n> /extend 24h",
        "# /extend 24h",
        "/extend 24h\n===",
        "/extend 24h\n---",
        "[/extend 24h](https://example.com)",
        "![/extend 24h](https://example.com)",
        "a [link\n/extend 24h\n](https://example.com)",
        "an ![image\n/extend 24h](https://example.com)",
        "a [link `]`\n/extend 24h\n](https://example.com)",
        "a [link](\n/extend\n)",
        "a [link](x 'title\n/extend 24h\n')",
        "[x]:\n/extend",
        "- [ ] /extend 24h",
        "- [x] /extend 24h",
        "- [ ]\n  /extend 24h",
        "- [ ] a task\n  /extend 24h",
        "<!-- /extend 24h -->",
        "<!--\n/extend 24h\n-->",
        "<!--\n\n/extend 24h",
        "text <!--\n/extend 24h\n-->",
        "text <!--\n--> /extend 24h",
        "<div> <!--\n\n/extend 24h",
        "<details>\n/extend 24h\n</details>",
        "<details><summary>x</summary>\n\n/extend 24h\n\n</details>",
        "<DETAILS open>\n\n- /extend 24h\n\n</DETAILS>",
        "<details>\n\n<details>\n\n</details>\n\n/extend 24h\n\n</details>",
        "<details>\n\n/extend 24h",
        "</details>\n\n<details>\n\n/extend 24h",
        "text <details>\n/extend 24h",
        "<blockquote>\n\n/extend 24h\n\n</blockquote>",
        "text <code>\n/extend 24h\n</code>",
        "<p>\n/extend 24h\n</p>",
        "text <img alt='\n/extend 24h\n'>",
        "**/extend 24h**",
        "\\/extend 24h",
        "please /extend 24h",
        "| /extend 24h |",
        "/extend24h",
        "/extend, please",
        "/extension 24h",
        "/deploy",
        "/release",
        "/envy",
        "//extend 24h",
        "extend 24h",
        "@greenroom",
        "@greenroom  \nis it you?",
        "@greenroom-bot extend 24h",
        "thanks @greenroom extend 24h",
        "/assign @alice",
        "/assign @alice @bob",
        "\u2044extend 24h",
        "\u2215extend 24h",
        "\uff0fextend 24h",
        "/e\u0445tend 24h",
        "/loc\u212a 2h a reason",
        "/un\u017fpin",
        "/\u200bextend 24h",
        f"{REPLY_HEADER}\n\n/extend 24h",
        f"Fine.\n\n{REPLY_HEADER}\n/extend 24h",
        "On Mon, 6 Jan 2025 at 10:00, Alice <alice@example.com>\nwrote:\n\n/extend 24h",
        "`/deploy`",
        "`/assign @alice`",
        "`some text`",
    ],
)
def test_is_silent(body: str) -> None:
    assert parse(body) == Parsed()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("/extend 24", "`24` has no unit: write `24h`"),
        ("/extend 24 h", "`24` has no unit: write `24h`"),
        ("/extend -5h", "`-5h` is not a time to come"),
        ("/extend +5h", "`+5h` is not a time to come"),
        ("/extend 30m", "`30m` is too short: the least is `1h`"),
        ("/extend 9999w", "`9999w` is too long: the most is `52w`"),
        (f"/extend {'9' * 60_000}h", "is too long"),
        ("/extend 24H", "`24H` is not a duration: write `24h`"),
        ("/extend 024h", "`024h` is not a duration"),
        ("/extend 1.5h", "`1.5h` is not a duration"),
        ("/extend tomorrow", "`tomorrow` is not a duration"),
        ("/extend `24h`", "Write `24h` without backticks"),
        ("/extend for=", "The duration is missing"),
        ("/extend 24h 24h=1", "`24h=1` does not belong here"),
        ("/extend 24h 48h", "The duration is given twice"),
        ("/extend for=24h 48h", "The duration is given twice"),
        ("/extend 24h for=48h", "The duration is given twice"),
        ("/extend 24h need it for=48h", "`for=48h` must stand before the reason"),
        ("/extend for=1h for=2h", "The duration is given twice"),
        ("/assign for=1h for=2h", "The duration is given twice"),
        ("/assign core_dev pool=core_test", "The pool is given twice"),
        ("/assign pool=core_test core_dev", "The pool is given twice"),
        ("/assign core_dev core_test", "`core_test` does not belong here"),
        ("/assign domian=x", "Did you mean `domain=`?"),
        ("/assign for=30m", "`30m` is too short"),
        ("/assign --domain", "The domain is missing"),
        ("/env assign @alice", "`@alice` cannot be the pool"),
        ('/extend 24h reason="need it', "A quote is not closed"),
        ('/extend "24h', "A quote is not closed"),
        ("/extend 24h reason=\u201cneed it", "A quote is not closed"),
        ("/unassign discard", "Did you mean `--discard`?"),
        ("/unassign -discard", "Did you mean `--discard`?"),
        ("/unassign --discord", "Did you mean `--discard`?"),
        ("/unassign --discard=yes", "Write `--discard` alone"),
        ("/unassign --discard --discard", "The discard is given twice"),
        ("/lock", "The reason is missing. Write `/env lock [env=name] [duration] reason`."),
        ("/lock 2h", "The reason is missing"),
        ("/lock 2h --", "The reason is missing"),
        ('/lock 2h ""', "The reason is missing"),
        ("/lock 2 hours", "`2` has no unit"),
        ("/lock reason=hotfix now", "The reason is given twice"),
        (f"/lock {'x' * 501}", "The reason is too long: at most 500 characters"),
        (f"/lock {'x ' * 20_000}", "The reason is too long"),
        ("/lock info please", "`please` does not belong here"),
        ("/pin 2w", "The reason is missing"),
        ("/pin", "The reason is missing"),
        ("/unpin now", "`now` does not belong here"),
        ("/unlock force", "Did you mean `--force`?"),
        ("/transition", "The target is missing"),
        ("/transition 456", "`456` is not a target: write `#456`"),
        ("/transition #0", "`#0` is not a target"),
        ("/transition pr:x", "`pr:x` is not a target"),
        ("/transition user:alice", "`user:alice` is not a target"),
        ("/transition team:x", "`team:x` is not a target"),
        ("/transition #456 #457", "`#457` does not belong here"),
        ("/env approve it", "`it` does not belong here"),
        ("/env approve cancel cancel", "`cancel` does not belong here"),
        ("/why all=yes", "`all=yes` does not belong here"),
        ("/why all all", "`all` does not belong here. Write `/env why [all]`."),
        ("/status please", "`please` does not belong here. Write `/env status`."),
        ("/env frobnicate", "`/env frobnicate` is not a command"),
        ("/env loc\u212a 2h a reason", "is not a command"),
        ("/env redploy", "Did you mean `redeploy`?"),
        ("/env `status`", "Write `status` without backticks"),
        ("@greenroom frobnicate", "is not a command. I know `approve`, `assign`"),
        ("`/extend`", "remove the backticks around `/extend`"),
        ("\n\n ``/extend 24`` \n", "remove the backticks around `/extend 24`"),
        ("`@greenroom extend 24h`", "remove the backticks around `@greenroom extend 24h`"),
        ("/status\n" * 6, "The comment has 6 commands, and one comment runs at most 5"),
        ("/env x\n\n" * 1_000, "The comment has 1000 commands"),
    ],
)
def test_answers_with_one_mistake(body: str, sentence: str) -> None:
    parsed = parse(body)

    assert parsed.commands == ()
    assert len(parsed.mistakes) == 1
    assert sentence in parsed.mistakes[0].sentence


def test_runs_nothing_when_one_of_two_commands_is_wrong() -> None:
    parsed = parse("/extend 24h\n\n/extend 24")

    assert parsed.commands == ()
    assert [mistake.line for mistake in parsed.mistakes] == [3]


def test_answers_every_mistake_by_its_line() -> None:
    parsed = parse("/extend 24\n/status\n/env x\ntext\n/lock")

    assert [mistake.line for mistake in parsed.mistakes] == [1, 3, 5]


def test_says_the_line_of_a_command_in_backticks() -> None:
    assert [mistake.line for mistake in parse("\r\n\r\n`/extend`").mistakes] == [3]


def test_names_the_sixth_command_as_the_one_too_many() -> None:
    assert [mistake.line for mistake in parse("text\n" + "/status\n" * 7).mistakes] == [7]


@pytest.mark.parametrize(
    ("body", "command"),
    [
        ("/extend", Command(1, "extend")),
        ("/extend 90m", Command(1, "extend", duration=timedelta(minutes=90))),
        ("/extend 60m", Command(1, "extend", duration=timedelta(hours=1))),
        ("/extend 52w", Command(1, "extend", duration=timedelta(weeks=52))),
        ("/extend 2d", Command(1, "extend", duration=timedelta(days=2))),
        ("/extend 1w2d3h4m", Command(1, "extend", duration=timedelta(weeks=1, days=2, hours=3, minutes=4))),
        ("/extend for=24h", EXTEND),
        ("/extend --for=24h", EXTEND),
        ("/extend FOR=24h", EXTEND),
        ('/extend "24h"', EXTEND),
        ("/extend for=24h 2 more days", Command(1, "extend", duration=timedelta(hours=24), reason="2 more days")),
        ("/extend 24h \u2014 QA is slow", Command(1, "extend", duration=timedelta(hours=24), reason="QA is slow")),
        ("/extend 24h `x` <b>", Command(1, "extend", duration=timedelta(hours=24), reason="`x` <b>")),
        (
            "/extend 24h reason=\u201cneed it\u201d",
            Command(1, "extend", duration=timedelta(hours=24), reason="need it"),
        ),
        ("/extend reason=why", Command(1, "extend", reason="why")),
        ("/assign", Command(1, "assign")),
        ("/assign Core_Dev", Command(1, "assign", pool="Core_Dev")),
        ("/assign pool=core_dev", Command(1, "assign", pool="core_dev")),
        (
            "/assign domain=sales for=48h core_dev",
            Command(1, "assign", pool="core_dev", domain="sales", duration=timedelta(hours=48)),
        ),
        ('/assign domain="sales cloud"', Command(1, "assign", domain="sales cloud")),
        ("/unassign", Command(1, "unassign")),
        ("/env release", Command(1, "unassign")),
        ("/unassign dev1 --discard", Command(1, "unassign", environment="dev1", discard=True)),
        ("/unassign \u2014discard env=dev1", Command(1, "unassign", environment="dev1", discard=True)),
        ("/lock deploying", Command(1, "lock", reason="deploying")),
        ("/lock 30m hotfix", Command(1, "lock", duration=timedelta(minutes=30), reason="hotfix")),
        ("/lock hotfix 2h", Command(1, "lock", reason="hotfix 2h")),
        ('/lock "24h of tests"', Command(1, "lock", reason="24h of tests")),
        ("/lock don\u2019t touch", Command(1, "lock", reason="don't touch")),
        ('/lock reason="a=b"', Command(1, "lock", reason="a=b")),
        (
            "/lock env=staging 2h the release",
            Command(1, "lock", environment="staging", duration=timedelta(hours=2), reason="the release"),
        ),
        ("/lock info", Command(1, "lock-info")),
        ("/env Lock Info env=staging", Command(1, "lock-info", environment="staging")),
        ("/unlock", Command(1, "unlock")),
        ("/unlock env=staging --force", Command(1, "unlock", environment="staging", force=True)),
        ("/pin 2w demo", Command(1, "pin", duration=timedelta(weeks=2), reason="demo")),
        ("/pin demo", Command(1, "pin", reason="demo")),
        ("/unpin", Command(1, "unpin")),
        ("/transition #456", Command(1, "transition", target=Target(None, "456"))),
        ("/transition pr:12 domain=sales", Command(1, "transition", target=Target("pr", "12"), domain="sales")),
        ("/transition issue:4", Command(1, "transition", target=Target("issue", "4"))),
        ("/transition user:a.b+c@example.com", Command(1, "transition", target=Target("user", "a.b+c@example.com"))),
        ("/transition custom:x", Command(1, "transition", target=Target("custom", "x"))),
        ("/status", Command(1, "status")),
        ("/why", Command(1, "why")),
        ("/why all", Command(1, "why", all=True)),
        ("/env queue", Command(1, "queue")),
        ("/env redeploy", Command(1, "redeploy")),
        ("/env refresh", Command(1, "refresh")),
        ("/env approve", Command(1, "approve")),
        ("/env approve cancel", Command(1, "approve", cancel=True)),
        ("/env help", Command(1, "help")),
        ("/env ping", Command(1, "ping")),
        ("/env version", Command(1, "version")),
    ],
)
def test_reads_arguments_into_values(body: str, command: Command) -> None:
    assert parse(body) == Parsed(commands=(command,))


@pytest.mark.parametrize(("verb", "example"), [(v, e) for v, spec in COMMANDS.items() for e in spec.examples])
def test_examples_of_the_table_run(verb: str, example: str) -> None:
    assert [command.verb for command in parse(f"/env {example}").commands] == [verb]


def test_ten_commands_need_no_namespace() -> None:
    assert len(ALIASES) == 10
    for name in ALIASES:
        assert parse(f"/{name}") != Parsed()


def test_other_commands_need_the_namespace() -> None:
    for spec in COMMANDS.values():
        if spec.words.split()[0] not in ALIASES:
            assert parse(f"/{spec.words}") == Parsed()
            assert parse(f"/env {spec.words}").commands


def test_namespace_and_mention_can_be_changed() -> None:
    assert parse("/stage extend 24h", namespace="stage").commands == (EXTEND,)
    assert parse("/env extend 24h", namespace="stage") == Parsed()
    assert parse("@stager extend 24h", mention="stager").commands == (EXTEND,)
    assert parse("@greenroom extend 24h", mention=None) == Parsed()
    assert "Write `/stage status`" in parse("/status x", namespace="stage").mistakes[0].sentence


def test_aliases_can_be_changed() -> None:
    assert parse("/ping", aliases={"ping"}).commands == (Command(1, "ping"),)
    assert parse("/extend 24h", aliases={"ping"}) == Parsed()
    assert parse("/ ping", aliases=()) == Parsed()


def test_reads_only_the_commands_of_the_installation() -> None:
    some = {verb: COMMANDS[verb] for verb in ("extend", "help")}

    assert parse("/extend 24h", commands=some).commands == (EXTEND,)
    assert parse("/lock hotfix", commands=some) == Parsed()
    assert parse("/env lock hotfix", commands=some).mistakes[0].sentence.endswith("I know `extend`, `help`.")


def test_a_mistake_repeats_user_text_in_short_code_only() -> None:
    sentence = parse("/env `@alice`<!--\u202e\u200b" + "x" * 100).mistakes[0].sentence

    assert "`@alice<!-- " in sentence
    assert "x" * 41 not in sentence


WHO = {
    "extend": (Level.TRIAGE, True),
    "assign": (Level.WRITE, False),
    "unassign": (Level.WRITE, True),
    "transition": (Level.MAINTAIN, False),
    "status": (Level.READ, False),
    "why": (Level.READ, False),
    "queue": (Level.READ, False),
    "redeploy": (Level.TRIAGE, True),
    "refresh": (Level.TRIAGE, False),
    "pin": (Level.WRITE, False),
    "unpin": (Level.MAINTAIN, False),
    "lock": (Level.WRITE, False),
    "lock-info": (Level.READ, False),
    "unlock": (Level.MAINTAIN, False),
    "approve": (Level.MAINTAIN, False),
    "help": (Level.READ, False),
    "ping": (Level.READ, False),
    "version": (Level.READ, False),
}


def test_who_may_by_default() -> None:
    assert {verb: (spec.level, spec.author) for verb, spec in COMMANDS.items()} == WHO
    assert [verb for verb, spec in COMMANDS.items() if spec.holder] == ["unpin", "unlock"]


def test_what_works_on_a_closed_pull_request() -> None:
    closed = {verb for verb, spec in COMMANDS.items() if spec.closed}

    assert closed == {"help", "ping", "version", "status", "why", "queue", "refresh", "unpin", "lock-info", "unlock"}


def test_what_never_guesses_the_environment() -> None:
    assert [verb for verb, spec in COMMANDS.items() if spec.destructive] == ["unassign", "transition"]
