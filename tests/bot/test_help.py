"""The help that is made from the table of commands."""

from dataclasses import replace

from bot.commands import COMMANDS
from bot.help import help_text
from bot.levels import Level


def test_has_a_row_for_every_command() -> None:
    text = help_text()

    assert all(f"| `/env {spec.usage}` | {spec.who} |" in text for spec in COMMANDS.values())
    assert "| `/env extend [duration] [reason]` | the author, triage or above |" in text
    assert "| `/env lock [env=name] [duration] reason` | write or above |" in text
    assert "| `/env unlock [env=name] [--force]` | who has set it, maintain or above |" in text
    assert "| `/env pin [duration] reason` | write or above (maintain beyond the policy) |" in text
    assert "| `/env status` | anyone |" in text


def test_names_the_short_forms_and_what_works_on_a_closed_pull_request() -> None:
    text = help_text()

    assert "Without `/env` too: `/extend`, `/assign`, " in text
    assert "On a closed pull request only `status`, `why`, " in text


def test_shows_the_commands_of_the_installation_alone() -> None:
    text = help_text({verb: COMMANDS[verb] for verb in ("assign", "transition")}, namespace="stage", aliases=())

    assert "`/stage assign [pool] [domain=x] [for=48h]`" in text
    assert "extend" not in text
    assert "Without" not in text
    assert "closed" not in text


def test_shows_the_policy_in_force() -> None:
    stricter = dict(COMMANDS) | {"extend": replace(COMMANDS["extend"], level=Level.WRITE, author=False)}

    assert "| `/env extend [duration] [reason]` | write or above | Keeps" in help_text(stricter)
