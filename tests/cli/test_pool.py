"""greenroom pool, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.terminal import Terminal


def test_a_pool_is_made_filled_and_looked_at(terminal: Terminal) -> None:
    made = terminal.type("pool create core --provider mock --max 2")
    assert (made.code, made.out) == (0, f"Made the pool core of {terminal.repo}\n")
    assert made.err == "Its environments are made by: greenroom pool provision core\n"

    provisioned = terminal.type("pool provision core")
    assert provisioned.out == "Provisioning 1 new instances for pool core\n"

    shown = terminal.type("pool status core")
    assert shown.out.splitlines()[0] == f"core of {terminal.repo} is active"
    assert "total         1, of 2 at most" in shown.out


def test_pools_are_listed_in_columns(terminal: Terminal) -> None:
    terminal.type("pool create core --provider mock --min 0 --max 2")
    terminal.type(f"pool create edge --provider mock --min 0 --inactive --repo {terminal.repo}-2")
    listed = terminal.type("pool list", GREENROOM_REPOSITORY=None)
    assert listed.lines == [
        ["REPOSITORY", "POOL", "PROVIDER", "STATUS", "FREE", "ASSIGNED", "MAKING", "EXPIRED", "ERROR", "TOTAL",
         "WAITING"],
        [terminal.repo, "core", "mock", "active", "0", "0", "0", "0", "0", "0/2", "0"],
        [f"{terminal.repo}-2", "edge", "mock", "inactive", "0", "0", "0", "0", "0", "0/5", "0"],
    ]  # fmt: skip
    assert [line[0] for line in terminal.type("pool list").lines[1:]] == [terminal.repo]


def test_no_pools_are_no_output(terminal: Terminal) -> None:
    listed = terminal.type("pool list")
    assert (listed.code, listed.out, listed.err) == (0, "", "There are no pools.\n")


def test_json_is_the_apis_answer_alone(terminal: Terminal) -> None:
    made = terminal.type("pool create core --provider mock --json").json
    assert (made["poolTag"], made["minAvailableInstances"], made["maxTotalInstances"]) == ("core", 1, 5)
    assert terminal.type("pool provision core --json").json["details"]["instancesToBeCreated"] == 1
    assert terminal.type("pool replenish core --json").json["steps"]["quotaMaintenance"]["success"]
    assert [status["poolTag"] for status in terminal.type("pool list --json").json] == ["core"]
    assert terminal.type("pool status core --json").json["config"]["poolTag"] == "core"
    assert len(terminal.type("pool instances core --json").json) == 1


def test_a_pool_is_made_of_a_file_and_an_option_wins(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "pool.json"
    file.write_text(json.dumps({"poolTag": "core", "name": "The core", "provider": "mock", "maxTotalInstances": 7}))
    assert (
        terminal.type(f"pool create --file {file} --min 2 --branch 'feature/*' --domain sales --domain till").code == 0
    )
    config = terminal.type("pool status core --json").json["config"]
    assert (config["name"], config["minAvailableInstances"], config["maxTotalInstances"]) == ("The core", 2, 7)
    assert (config["branchPattern"], config["domainPatterns"]) == ("feature/*", ["sales", "till"])


def test_every_required_field_can_be_an_option(terminal: Terminal) -> None:
    terminal.type(
        "pool create core --name Core --provider local --min 1 --max 3 --days 7 --strategy NOTIFY_ONLY --active"
    )
    config = terminal.type("pool status core --json").json["config"]
    assert config["name"] == "Core"
    assert config["provider"] == "local"
    assert config["daysToKeepUnassignedAvailable"] == 7
    assert config["refreshOrDeleteStrategy"] == "NOTIFY_ONLY"


def test_a_file_that_is_no_pool_is_said(terminal: Terminal) -> None:
    broken = terminal.type("pool create core --file -", stdin="{")
    assert (broken.code, broken.out) == (2, "")
    assert broken.err.startswith("Error: <stdin> is not JSON: ")
    assert terminal.type("pool create --file -", stdin="[]").err.startswith("Error: <stdin> must be a JSON object")
    assert terminal.type("pool create --provider mock").err == (
        "Error: How is the pool to be called? Say greenroom pool create POOL\n"
    )


def test_all_that_is_wrong_with_a_pool_is_said_at_once(terminal: Terminal) -> None:
    refused = terminal.type("pool create Core --provider mock --min 501")
    assert (refused.code, refused.out) == (1, "")
    assert "poolTag must" in refused.err
    assert "minAvailableInstances must be between 0 and 500" in refused.err


def test_a_pool_that_exists_is_not_made_again(terminal: Terminal) -> None:
    terminal.type("pool create core --provider mock")
    refused = terminal.type("pool create core --provider mock")
    assert (refused.code, refused.err) == (1, f"Error: Pool core already exists in {terminal.repo}\n")


def test_an_unknown_pool_is_said_with_what_would_help(terminal: Terminal) -> None:
    refused = terminal.type("pool status nope")
    assert refused.code == 1
    assert refused.err == "Error: Pool not found\ngreenroom pool list shows the pools; is --repo right?\n"


def test_a_replenishing_that_failed_is_not_a_success(terminal: Terminal) -> None:
    pool = {"poolTag": "core", "provider": "mock", "additionalConfig": {"mock": {"listingFailureRate": 1}}}
    terminal.type("pool create --file -", stdin=json.dumps(pool))
    failed = terminal.type("pool replenish core")
    assert failed.code == 1
    assert failed.out.startswith("State reconciliation failed: ")
    assert failed.err.startswith("Error: A step failed\n")
    assert terminal.type("pool replenish core --json").json["steps"]["reconciliation"]["success"] is False


def test_instances_are_listed_without_their_credentials(terminal: Terminal) -> None:
    terminal.pool()
    terminal.type("env assign pr 1 --pool core")
    columns, row = terminal.type("pool instances core").lines
    assert columns == ["ENVIRONMENT", "STATUS", "EXPIRES", "CREATED", "ADDRESS", "ERROR"]
    assert row[1] == "ASSIGNED"
    assert "force://" not in " ".join(row)
