"""What a repository may write into its greenroom.yml, and what it is told when it writes something else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.levels import Level
from bot.policy.file import LONGEST_FILE, MOST_PROBLEMS, InvalidPolicy, parse
from bot.policy.keys import DEFAULTS

HOUR = timedelta(hours=1)


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidPolicy) as invalid:
        parse(text)
    return [str(problem) for problem in invalid.value.problems]


EVERYTHING = """\
mode: manual
branch_for_rules: head
paths: ["src/**", "!src/docs/**"]
domains:
  services/sales/**: sales
per_domain: true
drafts: none
forks: no_secrets
bots: never
labels:
  deploy: please
  "off": nothing
  required: true
  outputs: true
on_merge: transition
on_close: discard
expiry:
  warn: [4h]
  extend_default: 1d12h
  extend_max: 2d
  max_lifetime: 1w
  activity_floor: 4h
pin: {quota: 0, review_after: 3d}
lock: {default: 30m, max: 2h}
quotas: {per_repository: 5, per_author: 1, per_pool_month_budget: 400h}
commands:
  namespace: room
  aliases: [extend]
  mention: false
  permissions:
    assign: triage
    extend: {author: false, teams: [qa]}
surfaces: {checkboxes: false, environment_name: preview}
schedule:
  - {pool: core, cron: 0 7 * * 1-5, timezone: Europe/Berlin, ready: 3}
queue: {fair_share: true}
pools:
  core: {mode: off, drafts: auto}
"""


def test_every_key_is_read() -> None:
    policy = parse(EVERYTHING)

    assert (policy.mode, policy.branch_for_rules, policy.per_domain) == ("manual", "head", True)
    assert (policy.drafts, policy.forks, policy.bots) == ("none", "no_secrets", "never")
    assert policy.paths == ("src/**", "!src/docs/**")
    assert policy.domains == {"services/sales/**": "sales"}
    assert (policy.labels.deploy, policy.labels.off, policy.labels.keep) == ("please", "nothing", "env:keep")
    assert (policy.labels.required, policy.labels.outputs) == (True, True)
    assert (policy.on_merge, policy.on_close) == ("transition", "discard")
    assert policy.expiry.warn == (4 * HOUR,)
    assert (policy.expiry.extend_default, policy.expiry.extend_max) == (36 * HOUR, 48 * HOUR)
    assert (policy.expiry.max_lifetime, policy.expiry.activity_floor) == (168 * HOUR, 4 * HOUR)
    assert (policy.pin.quota, policy.pin.review_after) == (0, 72 * HOUR)
    assert (policy.lock.default, policy.lock.max) == (HOUR / 2, 2 * HOUR)
    assert (policy.quotas.per_repository, policy.quotas.per_author) == (5, 1)
    assert policy.quotas.per_pool_month_budget == 400 * HOUR
    assert (policy.commands.namespace, policy.commands.aliases, policy.commands.mention) == ("room", ("extend",), False)
    assert (policy.surfaces.sticky, policy.surfaces.checkboxes) == (True, False)
    assert (policy.schedule[0].pool, policy.schedule[0].ready, policy.schedule[0].timezone) == (
        "core", 3, "Europe/Berlin"
    )  # fmt: skip
    assert policy.queue.fair_share


def test_a_command_is_for_whom_the_file_says() -> None:
    specs = parse(EVERYTHING).commands.specs
    assert specs["assign"].level is Level.TRIAGE
    assert (specs["extend"].level, specs["extend"].author, specs["extend"].teams) == (Level.TRIAGE, False, ("qa",))
    assert specs["approve"].level is Level.MAINTAIN


def test_a_pool_may_differ() -> None:
    policy = parse(EVERYTHING)
    assert (policy.of_pool("core").mode, policy.of_pool("core").drafts, policy.of_pool("core").bots) == (
        "off", "auto", "never"
    )  # fmt: skip
    assert policy.of_pool("other") == policy.of_pool(None) == policy


@pytest.mark.parametrize("text", ["", "\n# mode: off\n", "---\n", "{}"])
def test_nothing_said_is_the_defaults(text: str) -> None:
    assert parse(text) == DEFAULTS


def test_off_is_a_word_here() -> None:
    assert parse("mode: off").mode == "off"
    assert parse("mode: 'off'").mode == "off"
    assert parse("labels:\n  off: on").labels.off == "on"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\nmode: manul", "line 2: `mode` must be one of `automatic`, `manual`, `off`. Did you mean `manual`?"),
        ("labels:\n  required: yes", "line 2: `labels.required` must be `true` or `false`"),
        ("paths: src/**", "line 1: `paths` must be a list"),
        ("paths: [a, 1]", "line 1: `paths[2]` must be text"),
        ("paths: [a, '']", "line 1: `paths[2]` must not be empty"),
        ("expiry: {extend_max: 24}", "line 1: `expiry.extend_max` is wrong: `24` has no unit: write `24h` for hours"),
        ("expiry:\n  warn:\n  - 30m", "line 3: `expiry.warn[1]` is wrong: `30m` is too short: the least is `1h`."),
        ("expiry: {warn: [2h, 2h]}", "line 1: `expiry.warn` has `2:00:00` twice"),
        ("expiry: {warn: 24h}", "line 1: `expiry.warn` must be a list"),
        ("expiry: {extend_max: true}", "line 1: `expiry.extend_max` must be a duration such as `24h`"),
        ("expiry: {extend_default: 8d}", "line 1: `expiry` has an `extend_default` above its `extend_max`"),
        ("expiry: {extend_max: 3w}", "`expiry` has an `extend_max` or `activity_floor` above its `max_lifetime`"),
        ("lock: {default: 2d}", "line 1: `lock` has a `default` above its `max`"),
        ("lock: {max: 53w}", "line 1: `lock.max` is wrong: `53w` is too long"),
        ("pin: {quota: -1}", "line 1: `pin.quota` must be at least 0"),
        ("pin: {quota: 1001}", "line 1: `pin.quota` must be at most 1000"),
        ("pin: {quota: many}", "line 1: `pin.quota` must be a whole number"),
        ("pin: 3", "line 1: `pin` must have keys and values"),
        ("pools: 3", "line 1: `pools` must have keys and values"),
        ("quotas: {per_author: 0}", "line 1: `quotas.per_author` must be at least 1"),
        ("labels: {deploy: x, off: x}", "line 1: `labels` has `x` twice"),
        ("labels: {deploy: " + 51 * "x" + "}", "line 1: `labels.deploy` is too long: at most 50 characters"),
        ("domains: {a: '?'}", "line 1: `domains.a` has characters that cannot be used here"),
        ("commands: {namespace: Env}", "line 1: `commands.namespace` has characters that cannot be used here"),
        ("commands: {aliases: [extnd]}", "names `extnd`, which is not a command that can stand without the namespace. "
                                         "Did you mean `extend`?"),
        ("commands: {aliases: [help]}", "Known: `assign`, `extend`, `lock`, `pin`, `status`,"),
        ("commands:\n  permissions:\n    asign: write", "line 3: `commands.permissions.asign` names `asign`, which is "
                                                       "not a command. Did you mean `assign`?"),
        ("commands: {permissions: {assign: none}}", "must be one of `read`, `triage`, `write`, `maintain`, `admin`"),
        ("commands: {permissions: {why: {teams: [QA]}}}", "has characters that cannot be used here"),
        ("commands: {permissions: {why: {lvel: read}}}", "Did you mean `level`? Known: `level`, `author`, `teams`"),
        ("schedule: [{pool: core, cron: 0 7 * *, ready: 1}]", "`schedule[1].cron` must be five fields of cron"),
        ("schedule: [{pool: core, cron: 0 7 * * *, ready: 1, timezone: Europe/Berln}]", "you mean `Europe/Berlin`?"),
        ("schedule: [{pool: core, cron: 0 7 * * *}]", "line 1: `schedule[1]` has no `ready`"),
        ("schedule:\n- {pool: core, cron: 0 7 * * *, ready: 1,\n  zone: UTC}", "line 3: `schedule[1].zone` is not a "
                                                                      "key here. Did you mean `timezone`?"),
        ("pools:\n  core:\n    mod: off", "line 3: `pools.core.mod` is not a key here. Did you mean `mode`?"),
        ("mod: off", "line 1: `mod` is not a key here. Did you mean `mode`? Known: `mode`, `branch_for_rules`,"),
        ("mode: off\nmode: off", "line 2: `mode` is there twice"),
        ("mode:", "line 1: `mode` has no value: give one, or remove the key"),
        ("mode: !!python/object:os.system x", "line 1: `mode` has a tag, which cannot be used here"),
        ("? [a]\n: b", "line 1: has a key that is not a word"),
        ("paths: &all [a]\n", "line 1: anchors and aliases cannot be used here: write it out"),
        ("paths: [*all]\n", "line 1: anchors and aliases cannot be used here: write it out"),
        (9 * "[", "line 1: this is nested too deeply"),
        ("- mode", "line 1: must have keys and values"),
        ("mode: off\n\tx: y", "line 2: this is not YAML: "),
        ("mode: off\n---\nmode: off", "line 2: this is not YAML: "),
        ("a\n\x00", "line 2: this has a character that YAML does not allow"),
        ("#" * (LONGEST_FILE + 1), "line 1: the file is larger than 32 KiB"),
        ("paths: [" + 101 * "a," + "]", "line 1: `paths` has too many entries: at most 100"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_line_and_key(text: str, told: str) -> None:
    [problem] = problems(text)
    assert told in problem


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_the_lines() -> None:
    found = problems("mode: on\npin: {quota: x}\nlabels:\n  keep: 1\nother: 2\n")
    assert [problem.partition(":")[0] for problem in found] == ["line 1", "line 2", "line 4", "line 5"]


def test_of_very_many_mistakes_the_first_are_told() -> None:
    found = problems("\n".join(f"key{number}: 1" for number in range(1000)))
    assert len(found) == MOST_PROBLEMS
    assert found[0].startswith("line 1: `key0`")


def test_what_others_wrote_runs_and_mentions_nothing_in_a_message() -> None:
    [problem] = problems("'`@everyone` /env assign': 1")
    assert problem.startswith("line 1: `@everyone /env assign` is not a key here.")


WORDS = st.sampled_from(
    ["mode", "labels", "warn", "commands", "permissions", "assign", "schedule", "pools", "off", "24h", "1", "~", "true"]
)
NODES = st.recursive(
    WORDS,
    lambda nodes: (
        st.lists(nodes, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(WORDS, nodes, max_size=3).map(
            lambda d: "{" + ", ".join(f"{k}: {v}" for k, v in d.items()) + "}"
        )
    ),
    max_leaves=8,
)
FILES = st.dictionaries(WORDS, NODES).map(lambda keys: "\n".join(f"{key}: {value}" for key, value in keys.items()))


def lines_of_problems(text: str) -> list[int]:
    try:
        parse(text)
    except InvalidPolicy as invalid:
        return [problem.line for problem in invalid.problems] or [0]
    return []


@given(st.text(max_size=200) | FILES)
def test_any_text_is_a_policy_or_is_refused_with_lines_that_it_has(text: str) -> None:
    assert all(1 <= line <= len(text.splitlines()) + 1 for line in lines_of_problems(text))
