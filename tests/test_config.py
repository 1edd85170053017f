"""`greenroom config`: the file is checked on anybody's machine, and its schema is what the types say."""

from __future__ import annotations

import json
from pathlib import Path

import yaml  # type: ignore[import-untyped]
from click.testing import CliRunner
from flask import Flask
from jsonschema import Draft202012Validator

from app import main
from bot.policy.file import parse
from bot.policy.keys import DEFAULTS, Policy
from bot.policy.schema import PUBLISHED, blueprint, schema_text
from tests.bot.policy.test_file import EVERYTHING

ROOT = Path(__file__).parents[1]


def test_a_good_file_is_fine(tmp_path: Path) -> None:
    file = tmp_path / "greenroom.yml"
    file.write_text(EVERYTHING)
    result = CliRunner().invoke(main, ["config", "check", str(file)])
    assert (result.exit_code, result.output) == (0, f"{file} is fine\n")


def test_a_bad_one_is_told_by_line_and_key() -> None:
    result = CliRunner().invoke(main, ["config", "check", "-"], input="mode: manul\n- a\n")
    assert result.exit_code == 1
    assert "-:2: this is not YAML" in result.output
    result = CliRunner().invoke(main, ["config", "check", "-"], input=b"pin: {quota: x}\nl\xff: 1\n")
    assert result.exit_code == 1
    assert result.output.splitlines()[0] == "-:1: pin.quota must be a whole number"


def test_the_schema_in_the_repository_is_the_one_that_is_printed_and_served() -> None:
    assert CliRunner().invoke(main, ["config", "schema"]).output == schema_text()
    assert (ROOT / "greenroom.schema.json").read_text() == schema_text()
    app = Flask("test")
    app.register_blueprint(blueprint())
    assert app.test_client().get(PUBLISHED).get_data(as_text=True) == schema_text()


def test_the_schema_takes_what_is_taken_and_refuses_what_is_refused() -> None:
    schema = json.loads(schema_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert list(validator.iter_errors(yaml.safe_load(EVERYTHING.replace("mode: off", "mode: 'off'")))) == []
    for wrong in ({"mod": "off"}, {"mode": "on"}, {"expiry": {"extend_max": 24}}, {"pools": {"core": {"mode": 1}}}):
        assert not validator.is_valid(wrong)


def test_readme_shows_every_key_with_its_default() -> None:
    readme = (ROOT / "README.md").read_text()
    [example] = [part.partition("```")[0] for part in readme.split("```yaml\n")[1:] if "branch_for_rules" in part]
    assert parse(example) == DEFAULTS
    assert set(yaml.safe_load(example)) == set(Policy.model_fields)
