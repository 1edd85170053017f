"""Assignment rules over REST: which branches and domains lead to which pool (contract 10.1)."""

from __future__ import annotations

from typing import Any

import pytest

from storage.tokens import Role
from tests.bot.api.client import OF_SHOP, Api, Reply, Rest, without
from tests.world import REPO

RULES = "/review/pools/assign"
MATCH = f"{RULES}/match"
RULE = {"repositoryIdentifier": REPO, "poolTag": "core", "branchPattern": "feature/*", "priority": 100}


def make(api: Api, **values: Any) -> Any:
    reply = api.application.post(RULES, {**RULE, **values})
    assert reply.status == 201, reply.text
    return reply.body


def match(who: Rest, branch: str = "feature/cart", **more: Any) -> Any:
    reply = who.post(MATCH, {**OF_SHOP, "branch": branch, **more})
    assert reply.status == 200, reply.text
    return reply.body


def problem(reply: Reply) -> tuple[int, str, str]:
    """Status, code, and the first field that is wrong."""
    status, code, _ = reply.refused()
    return status, code, reply.body["details"]["errors"][0]["field"]


# Making


def test_a_rule_is_answered_whole(api: Api) -> None:
    api.world.pool("core", filled=False)
    reply = api.application.post(RULES, {**RULE, "domainPatterns": ["sales-*"], "description": "Sales"})
    assert reply.status == 201
    assert reply.body["id"].startswith("rpa_")
    assert without(reply.body, "id") == {
        "repositoryIdentifier": REPO,
        "targetType": "pool",
        "poolTag": "core",
        "poolType": "SANDBOX",
        "environmentName": None,
        "branchPattern": "feature/*",
        "domainPattern": None,
        "domainPatterns": ["sales-*"],
        "priority": 100,
        "description": "Sales",
        "isActive": True,
        "createdAt": "2026-03-02T12:00:00Z",
        "updatedAt": "2026-03-02T12:00:00Z",
        "createdBy": "the application",
        "updatedBy": "the application",
        "version": 1,
    }


def test_the_deprecated_domain_pattern_is_appended(api: Api) -> None:
    api.world.pool("core", filled=False)
    rule = make(api, domainPatterns=["sales", "hr"], domainPattern="it")
    assert (rule["domainPatterns"], rule["domainPattern"]) == (["sales", "hr", "it"], None)
    assert make(api, domainPatterns=["it"], domainPattern="it")["domainPatterns"] == ["it"]


@pytest.mark.parametrize("more", [{"branchPattern": ""}, {"domainPatterns": ["a b"]}, {"domainPattern": ""}])
def test_an_invalid_pattern_is_refused(wire: Api, more: dict[str, Any]) -> None:
    wire.world.pool("core", filled=False)
    reply = wire.application.post(RULES, {**RULE, **more})
    assert reply.refused() == (400, "INVALID_PATTERN", "Invalid pattern or request data")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"priority": 1001}, "priority"),
        ({"priority": -1}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"priority": None}, "priority"),
        ({"branchPattern": None}, "branchPattern"),
        ({"branchPattern": 7}, "branchPattern"),
        ({"domainPatterns": "sales"}, "domainPatterns"),
        ({"poolTag": None}, "poolTag"),
        ({"environmentName": "dev"}, "environmentName"),
        ({"poolType": "ORG"}, "poolType"),
        ({"targetType": "planet"}, "targetType"),
        ({"isActive": "yes"}, "isActive"),
        ({"description": "x" * 501}, "description"),
        ({"repositoryIdentifier": "shop"}, "repositoryIdentifier"),
    ],
)
def test_wrong_values_are_refused(wire: Api, more: dict[str, Any], field: str) -> None:
    wire.world.pool("core", filled=False)
    assert problem(wire.application.post(RULES, {**RULE, **more})) == (400, "VALIDATION_FAILED", field)


@pytest.mark.parametrize("more", [{"targetType": "environment"}, {"poolTag": None, "environmentName": "dev"}])
def test_environments_are_no_targets_yet(wire: Api, more: dict[str, Any]) -> None:
    wire.world.pool("core", filled=False)
    reply = wire.application.post(RULES, {**RULE, **more})
    assert reply.refused() == (400, "UNSUPPORTED_TARGET", "targetType environment is not supported yet")


@pytest.mark.parametrize(
    "more", [{"poolTag": "nope"}, {"repositoryIdentifier": "acme/other"}, {"poolType": "SCRATCH_ORG"}]
)
def test_a_rule_to_no_pool_is_refused(wire: Api, more: dict[str, Any]) -> None:
    wire.world.pool("core", filled=False)
    assert wire.application.post(RULES, {**RULE, **more}).refused() == (404, "POOL_NOT_FOUND", "Pool not found")


@pytest.mark.parametrize("patterns", [{}, "", 0, False])
def test_domain_patterns_are_a_list_whatever_the_deprecated_one_is(wire: Api, patterns: Any) -> None:
    reply = wire.application.post(RULES, {**RULE, "domainPatterns": patterns, "domainPattern": "it"})
    assert reply.refused() == (400, "VALIDATION_FAILED", "domainPatterns must be an array")


def test_the_same_rule_again_is_refused(api: Api) -> None:
    api.world.pool("core", filled=False)
    make(api)
    again = api.application.post(RULES, {**RULE, "priority": 5})
    assert again.refused() == (409, "RULE_EXISTS", "Duplicate rule exists")


# Listing


def test_rules_are_listed_in_the_order_of_trial(api: Api) -> None:
    api.world.pool("core", filled=False)
    for branch, priority in (("a*", 1), ("*", 500), ("feature/*", 1), ("b*", 1)):
        api.world.clock.advance(minutes=1)
        make(api, branchPattern=branch, priority=priority)
    reply = api.member.get(RULES)
    assert [rule["branchPattern"] for rule in reply.body] == ["*", "feature/*", "a*", "b*"]
    assert reply.headers["X-Total-Count"] == "4"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"repositoryIdentifier": "ACME/Shop"}, ["core", "sales"]),
        ({"repositoryIdentifier": "acme/other"}, []),
        ({"poolTag": "sales"}, ["sales"]),
        ({"targetType": "pool"}, ["core", "sales"]),
        ({"targetType": "environment"}, []),
        ({"isActive": "false"}, ["sales"]),
        ({"branchPatternSearch": "FEAT"}, ["core"]),
        ({"branchPatternSearch": "%"}, []),
        ({"domainPatternSearch": "ales"}, ["sales"]),
        ({"domainPatternSearch": "nothing"}, []),
    ],
)
def test_rules_are_filtered(api: Api, query: dict[str, str], found: list[str]) -> None:
    for tag in ("core", "sales"):
        api.world.pool(tag, filled=False)
    make(api)
    make(api, poolTag="sales", branchPattern="main", domainPatterns=["hr", "sales-*"], isActive=False, priority=1)
    assert [rule["poolTag"] for rule in api.member.get(RULES, **query).body] == found


def test_a_wrong_filter_is_refused(wire: Api) -> None:
    assert problem(wire.member.get(RULES, targetType="planet")) == (400, "VALIDATION_FAILED", "targetType")


def test_a_token_sees_the_rules_of_its_repositories(api: Api) -> None:
    api.world.pool("core", filled=False)
    rule = make(api)
    stranger = api.token(Role.APPLICATION, "acme/other")
    assert stranger.get(RULES).body == []
    assert stranger.patch(f"{RULES}/{rule['id']}", {"priority": 1}).refused()[:2] == (404, "RULE_NOT_FOUND")
    assert stranger.delete(f"{RULES}/{rule['id']}").refused()[:2] == (404, "RULE_NOT_FOUND")
    assert stranger.post(RULES, {**RULE, "branchPattern": "x"}).refused()[:2] == (404, "POOL_NOT_FOUND")
    assert match(stranger) == {"matched": False, "poolTag": None, "assignment": None, "evaluated": []}


# Changing


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_what_is_given_is_changed(api: Api, method: str) -> None:
    api.world.pool("core", filled=False)
    rule = make(api, domainPatterns=["sales"], description="Sales")
    api.world.clock.advance(hours=1)
    reply = api.owner.send(method, f"{RULES}/{rule['id']}", {"priority": 7, "version": 1})
    assert reply.status == 200
    assert reply.body == {
        **rule,
        "priority": 7,
        "version": 2,
        "updatedAt": "2026-03-02T13:00:00Z",
        "updatedBy": "the owner",
    }


def test_null_clears(api: Api) -> None:
    api.world.pool("core", filled=False)
    rule = make(api, domainPatterns=["sales"], description="Sales")
    reply = api.application.patch(f"{RULES}/{rule['id']}", {"description": None, "domainPatterns": None})
    assert (reply.body["description"], reply.body["domainPatterns"]) == (None, [])
    unset = api.application.patch(f"{RULES}/{rule['id']}", {"branchPattern": None})
    assert problem(unset) == (400, "VALIDATION_FAILED", "branchPattern")


def test_a_change_of_an_older_version_is_refused(api: Api) -> None:
    api.world.pool("core", filled=False)
    rule = make(api)
    api.application.patch(f"{RULES}/{rule['id']}", {"priority": 7})
    reply = api.application.patch(f"{RULES}/{rule['id']}", {"priority": 8, "version": 1})
    assert reply.refused() == (409, "VERSION_CONFLICT", "The record changed (version 2, expected 1)")


def test_a_change_is_refused_as_a_new_rule_would_be(api: Api) -> None:
    api.world.pool("core", filled=False)
    make(api, branchPattern="main")
    path = f"{RULES}/{make(api)['id']}"
    assert api.application.patch(path, {"branchPattern": "main"}).refused()[:2] == (409, "RULE_EXISTS")
    assert api.application.patch(path, {"branchPattern": ""}).refused()[:2] == (400, "INVALID_PATTERN")
    assert api.application.patch(path, {"poolTag": "nope"}).refused()[:2] == (404, "POOL_NOT_FOUND")
    assert api.application.patch(path, {"environmentName": "dev"}).refused()[:2] == (400, "UNSUPPORTED_TARGET")
    assert problem(api.application.patch(path, {"priority": "7"})) == (400, "VALIDATION_FAILED", "priority")
    assert problem(api.application.patch(path, {"version": "1"})) == (400, "VALIDATION_FAILED", "version")


def test_the_repository_cannot_be_changed(api: Api) -> None:
    api.world.pool("core", filled=False)
    path = f"{RULES}/{make(api)['id']}"
    assert api.application.patch(path, {"repositoryIdentifier": "Acme/Shop"}).status == 200
    moved = api.application.patch(path, {"repositoryIdentifier": "acme/other"})
    assert problem(moved) == (400, "VALIDATION_FAILED", "repositoryIdentifier")


def test_a_deleted_rule_is_gone(api: Api) -> None:
    api.world.pool("core", filled=False)
    path = f"{RULES}/{make(api)['id']}"
    reply = api.application.delete(path)
    assert (reply.status, reply.body) == (200, {"message": "Rule deleted successfully"})
    assert api.application.delete(path).refused() == (404, "RULE_NOT_FOUND", "Rule not found")
    assert api.application.patch(path, {}).refused() == (404, "RULE_NOT_FOUND", "Rule not found")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", RULES), ("PATCH", f"{RULES}/rpa_1"), ("DELETE", f"{RULES}/rpa_1")]
)
def test_a_member_changes_no_rule(wire: Api, method: str, path: str) -> None:
    refused = wire.member.send(method, path, {}).refused()
    assert refused == (403, "ROLE_REQUIRED", "Forbidden - Requires role: owner, application")


# Matching


def test_a_match_names_the_rule_and_what_was_tried(api: Api) -> None:
    api.world.pool("core", filled=False)
    first = make(api, branchPattern="release/*", priority=200)
    second = make(api)
    assert match(api.member) == {
        "matched": True,
        "poolTag": "core",
        "assignment": {"poolType": "SANDBOX", "ruleId": second["id"], "source": "rule", "priority": 100},
        "evaluated": [
            {"ruleId": first["id"], "matched": False, "why": "branch feature/cart does not match release/*"},
            {"ruleId": second["id"], "matched": True, "why": "branch feature/cart matches feature/*"},
        ],
    }


def test_the_pools_own_patterns_come_last(api: Api) -> None:
    api.world.pool("core", filled=False, branch_pattern="feature/*")
    assert match(api.member) == {
        "matched": True,
        "poolTag": "core",
        "assignment": {"poolType": "SANDBOX", "ruleId": None, "source": "pool", "priority": None},
        "evaluated": [{"poolTag": "core", "matched": True, "why": "branch feature/cart matches feature/*"}],
    }


def test_no_match_is_an_answer_too(api: Api) -> None:
    api.world.pool("core", filled=False, branch_pattern="main")
    assert match(api.member) == {
        "matched": False,
        "poolTag": None,
        "assignment": None,
        "evaluated": [{"poolTag": "core", "matched": False, "why": "branch feature/cart does not match main"}],
    }


@pytest.mark.parametrize("domains", [{"domain": "sales-eu"}, {"domains": ["hr", "sales-eu"]}])
def test_domains_are_matched(api: Api, domains: dict[str, Any]) -> None:
    api.world.pool("core", filled=False, is_active=True, branch_pattern="nothing")
    make(api, branchPattern="*", domainPatterns=["sales-*"])
    assert match(api.member, **domains)["matched"]
    assert not match(api.member, domain="hr")["matched"]
    assert not match(api.member)["matched"]


def test_a_branch_is_asked_for(wire: Api) -> None:
    assert problem(wire.member.post(MATCH, OF_SHOP)) == (400, "VALIDATION_FAILED", "branch")


# What rules do


def test_an_assignment_without_a_pool_follows_the_rules(api: Api) -> None:
    for tag in ("core", "sales"):
        api.world.pool(tag)
    make(api, poolTag="sales", domainPatterns=["sales-*"])
    reply = api.assign("1", pool=None, branch="feature/cart", domains=["sales-eu"])
    assert reply.body["assignment"]["poolTag"] == "sales"
    named = api.assign("2", pool="core", branch="feature/cart", domains=["sales-eu"])
    assert named.body["assignment"]["poolTag"] == "core"


def test_no_pool_match_tells_why_of_each(api: Api) -> None:
    api.world.pool("core", filled=False, branch_pattern="main")
    rule = make(api, isActive=False)
    reply = api.assign("1", pool=None, branch="feature/cart")
    assert reply.refused() == (404, "NO_POOL_MATCH", "No pool matches branch feature/cart and domains (none)")
    assert reply.body["details"]["evaluated"] == [
        {"ruleId": rule["id"], "matched": False, "why": "the rule is inactive"},
        {"poolTag": "core", "matched": False, "why": "branch feature/cart does not match main"},
    ]


def test_a_pool_tells_whether_rules_lead_to_it(api: Api) -> None:
    api.world.pool("core", filled=False)

    def served() -> list[bool]:
        alone = api.member.get("/pools/configs/core", **OF_SHOP).body
        [listed] = api.member.get("/pools/configs").body
        [status] = api.member.get("/pools/status").body
        return [config["hasAssignmentRules"] for config in (alone, listed, status["config"])]

    assert served() == [False] * 3
    rule = make(api)
    assert served() == [True] * 3
    api.application.patch(f"{RULES}/{rule['id']}", {"isActive": False})
    assert served() == [False] * 3


def test_the_rules_of_a_deleted_pool_are_inactive(api: Api) -> None:
    api.world.pool("core", filled=False)
    make(api)
    api.owner.delete("/pools/configs/core", **OF_SHOP)
    [rule] = api.member.get(RULES).body
    assert (rule["isActive"], rule["version"], rule["updatedBy"]) == (False, 2, "the owner")
    waking = api.application.patch(f"{RULES}/{rule['id']}", {"isActive": True})
    assert waking.refused()[:2] == (404, "POOL_NOT_FOUND")
