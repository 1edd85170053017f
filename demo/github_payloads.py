"""How the simulated GitHub tells things in JSON: the shape and the size of GitHub's own answers and payloads."""

from datetime import datetime
from typing import Any

from demo.github_state import (
    Account,
    App,
    Attempt,
    CheckRun,
    Comment,
    Deployment,
    DeploymentStatus,
    Installation,
    PullRequest,
    Reaction,
    Repository,
    Review,
    Thread,
)

Json = dict[str, Any]

WEB = "https://github.example"
API = "https://api.github.example"

ACCOUNT_LINKS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
REPOSITORY_LINKS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")


def stamp(time: datetime | None) -> str | None:
    """A time as GitHub writes it, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if time else None


def account(account: Account) -> Json:
    url = f"{API}/users/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": f"{account.type[0]}_{account.id}",
        "avatar_url": f"{WEB}/avatars/u/{account.id}?v=4",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{WEB}/{account.login}",
        **{name: url + path for name, path in ACCOUNT_LINKS.items()},
        "type": account.type,
        "user_view_type": "public",
        "site_admin": False,
    }


def organization(account: Account) -> Json:
    url = f"{API}/orgs/{account.login}"
    links = ("repos", "events", "hooks", "issues", "members{/member}", "public_members{/member}")
    return {
        "login": account.login,
        "id": account.id,
        "node_id": f"O_{account.id}",
        "url": url,
        **{f"{link.partition('{')[0]}_url": f"{url}/{link}" for link in links},
        "avatar_url": f"{WEB}/avatars/u/{account.id}?v=4",
        "description": None,
    }


def repository_in_short(repository: Repository) -> Json:
    """As events about installations tell it."""
    return {
        "id": repository.id,
        "node_id": f"R_{repository.id}",
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.private,
    }


def repository(repository: Repository) -> Json:
    url = f"{API}/repos/{repository.full_name}"
    web = f"{WEB}/{repository.full_name}"
    open_threads = sum(thread.state == "open" for thread in list(repository.threads.values()))
    return {
        **repository_in_short(repository),
        "owner": account(repository.owner),
        "html_url": web,
        "description": None,
        "fork": repository.fork,
        "url": url,
        **{name: url + path for name, path in REPOSITORY_LINKS.items()},
        "created_at": stamp(repository.created_at),
        "updated_at": stamp(repository.created_at),
        "pushed_at": stamp(repository.created_at),
        "git_url": f"git://github.example/{repository.full_name}.git",
        "ssh_url": f"git@github.example:{repository.full_name}.git",
        "clone_url": f"{web}.git",
        "svn_url": web,
        "homepage": None,
        "size": 0,
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": None,
        **{f"has_{part}": True for part in ("issues", "projects", "downloads", "wiki", "pages", "discussions")},
        "forks_count": 0,
        "mirror_url": None,
        "archived": False,
        "disabled": False,
        "open_issues_count": open_threads,
        "license": None,
        "allow_forking": True,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": [],
        "visibility": "private" if repository.private else "public",
        "forks": 0,
        "open_issues": open_threads,
        "watchers": 0,
        "default_branch": repository.default_branch,
        "custom_properties": {},
    }


def label(repository: Repository, name: str) -> Json:
    return {
        "id": sum(name.encode()),
        "node_id": f"LA_{sum(name.encode())}",
        "url": f"{API}/repos/{repository.full_name}/labels/{name}",
        "name": name,
        "color": "ededed",
        "default": False,
        "description": None,
    }


def _thread(thread: Thread) -> Json:
    """What issues and pull requests have in common."""
    return {
        "id": thread.id,
        "number": thread.number,
        "state": thread.state,
        "locked": thread.locked,
        "title": thread.title,
        "user": account(thread.author),
        "body": thread.body or None,
        "labels": [label(thread.repository, name) for name in thread.labels],
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "author_association": "CONTRIBUTOR",
        "active_lock_reason": None,
        "created_at": stamp(thread.created_at),
        "updated_at": stamp(thread.updated_at),
        "closed_at": stamp(thread.closed_at),
    }


def web_address(thread: Thread) -> str:
    kind = "pull" if isinstance(thread, PullRequest) else "issues"
    return f"{WEB}/{thread.repository.full_name}/{kind}/{thread.number}"


def issue(thread: Thread) -> Json:
    """An issue; of a pull request, what the calls and events for issues tell about it."""
    url = f"{API}/repos/{thread.repository.full_name}/issues/{thread.number}"
    told: Json = {
        **_thread(thread),
        "node_id": f"I_{thread.id}",
        "url": url,
        "repository_url": f"{API}/repos/{thread.repository.full_name}",
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": web_address(thread),
        "timeline_url": f"{url}/timeline",
        "comments": len(thread.comments),
        "reactions": {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(REACTIONS, 0)},
        "state_reason": "completed" if thread.closed_at else None,
        "performed_via_github_app": None,
    }
    if isinstance(thread, PullRequest):
        web = web_address(thread)
        told["draft"] = thread.draft
        told["pull_request"] = {
            "url": f"{API}/repos/{thread.repository.full_name}/pulls/{thread.number}",
            "html_url": web,
            "diff_url": f"{web}.diff",
            "patch_url": f"{web}.patch",
            "merged_at": stamp(thread.merged_at),
        }
    return told


def pull_request_in_list(pull: PullRequest) -> Json:
    """As lists of pull requests tell it, which leave much out, `merged` for one."""
    url = f"{API}/repos/{pull.repository.full_name}/pulls/{pull.number}"
    issue_url = f"{API}/repos/{pull.repository.full_name}/issues/{pull.number}"
    web = web_address(pull)
    links = {
        "self": url,
        "html": web,
        "issue": issue_url,
        "comments": f"{issue_url}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{API}/repos/{pull.repository.full_name}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{API}/repos/{pull.repository.full_name}/statuses/{pull.head_sha}",
    }
    return {
        **_thread(pull),
        "node_id": f"PR_{pull.id}",
        "url": url,
        "html_url": web,
        "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch",
        "issue_url": issue_url,
        **{f"{name}_url": links[name] for name in list(links)[3:]},
        "merged_at": stamp(pull.merged_at),
        "merge_commit_sha": None,
        "requested_reviewers": [],
        "requested_teams": [],
        "draft": pull.draft,
        "head": _side(pull.head_ref, pull.head_sha, pull.head_repository),
        "base": _side(pull.base_ref, pull.repository.head_sha, pull.repository),
        "_links": {name: {"href": address} for name, address in links.items()},
        "auto_merge": None,
    }


def _side(ref: str, sha: str, side: Repository | None) -> Json:
    return {
        "label": f"{side.owner.login}:{ref}" if side else ref,
        "ref": ref,
        "sha": sha,
        "user": account(side.owner) if side else None,
        "repo": repository(side) if side else None,
    }


def pull_request(pull: PullRequest) -> Json:
    return {
        **pull_request_in_list(pull),
        "merged": pull.merged_at is not None,
        "mergeable": None,
        "rebaseable": None,
        "mergeable_state": "unknown",
        "merged_by": account(pull.author) if pull.merged_at else None,
        "comments": len(pull.comments),
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": 1,
        "additions": 1,
        "deletions": 0,
        "changed_files": 1,
    }


def comment(comment: Comment, our_app: App) -> Json:
    thread = comment.thread
    url = f"{API}/repos/{thread.repository.full_name}/issues/comments/{comment.id}"
    counts = {content: sum(r.content == content for r in comment.reactions) for content in REACTIONS}
    return {
        "url": url,
        "html_url": f"{web_address(thread)}#issuecomment-{comment.id}",
        "issue_url": f"{API}/repos/{thread.repository.full_name}/issues/{thread.number}",
        "id": comment.id,
        "node_id": f"IC_{comment.id}",
        "user": account(comment.author),
        "created_at": stamp(comment.created_at),
        "updated_at": stamp(comment.updated_at),
        "author_association": "NONE",
        "body": comment.body,
        "reactions": {"url": f"{url}/reactions", "total_count": sum(counts.values()), **counts},
        "performed_via_github_app": app(our_app) if comment.author is our_app.bot else None,
    }


def reaction(reaction: Reaction) -> Json:
    return {
        "id": reaction.id,
        "node_id": f"REA_{reaction.id}",
        "user": account(reaction.author),
        "content": reaction.content,
        "created_at": stamp(reaction.created_at),
    }


def review(pull: PullRequest, review: Review) -> Json:
    web = f"{web_address(pull)}#pullrequestreview-{review.id}"
    url = f"{API}/repos/{pull.repository.full_name}/pulls/{pull.number}"
    return {
        "id": review.id,
        "node_id": f"PRR_{review.id}",
        "user": account(review.author),
        "body": review.body or None,
        "commit_id": pull.head_sha,
        "submitted_at": stamp(review.submitted_at),
        "state": review.state,
        "html_url": web,
        "pull_request_url": url,
        "author_association": "CONTRIBUTOR",
        "_links": {"html": {"href": web}, "pull_request": {"href": url}},
    }


def deployment(repository: Repository, deployment: Deployment, our_app: App) -> Json:
    url = f"{API}/repos/{repository.full_name}/deployments/{deployment.id}"
    return {
        "url": url,
        "id": deployment.id,
        "node_id": f"DE_{deployment.id}",
        "sha": deployment.sha,
        **deployment.asked,
        "original_environment": deployment.asked["environment"],
        "creator": account(our_app.bot),
        "created_at": stamp(deployment.created_at),
        "updated_at": stamp(deployment.created_at),
        "statuses_url": f"{url}/statuses",
        "repository_url": f"{API}/repos/{repository.full_name}",
        "performed_via_github_app": app(our_app),
    }


def deployment_status(repository: Repository, deployment: Deployment, status: DeploymentStatus, our_app: App) -> Json:
    url = f"{API}/repos/{repository.full_name}/deployments/{deployment.id}"
    return {
        "url": f"{url}/statuses/{status.id}",
        "id": status.id,
        "node_id": f"DES_{status.id}",
        "state": status.state,
        "creator": account(our_app.bot),
        "description": status.description,
        "environment": deployment.asked["environment"],
        "environment_url": status.environment_url,
        "log_url": "",
        "target_url": "",
        "created_at": stamp(status.created_at),
        "updated_at": stamp(status.created_at),
        "deployment_url": url,
        "repository_url": f"{API}/repos/{repository.full_name}",
        "performed_via_github_app": app(our_app),
    }


def check_run(run: CheckRun, our_app: App) -> Json:
    full_name = run.repository.full_name
    url = f"{API}/repos/{full_name}/check-runs/{run.id}"
    pulls = [pull for pull in list(run.repository.threads.values()) if isinstance(pull, PullRequest)]
    output = run.shown.get("output", {})
    return {
        "id": run.id,
        "name": run.shown["name"],
        "node_id": f"CR_{run.id}",
        "head_sha": run.head_sha,
        "external_id": run.shown.get("external_id", ""),
        "url": url,
        "html_url": f"{WEB}/{full_name}/runs/{run.id}",
        "details_url": run.shown.get("details_url", f"{WEB}/apps/{our_app.slug}"),
        "status": run.shown.get("status", "queued"),
        "conclusion": run.shown.get("conclusion"),
        "started_at": stamp(run.created_at),
        "completed_at": stamp(run.created_at) if run.shown.get("conclusion") else None,
        "output": {
            **{name: output.get(name) for name in ("title", "summary", "text")},
            "annotations_count": 0,
            "annotations_url": f"{url}/annotations",
        },
        "check_suite": {"id": suite_of(run.head_sha)},
        "app": app(our_app),
        # GitHub names no pull request of a fork here.
        "pull_requests": [
            {"id": pull.id, "number": pull.number, "url": f"{API}/repos/{full_name}/pulls/{pull.number}"}
            for pull in pulls
            if pull.head_sha == run.head_sha and pull.head_repository is run.repository
        ],
    }


def check_suite(repository: Repository, sha: str, our_app: App) -> Json:
    return {
        "id": suite_of(sha),
        "node_id": f"CS_{suite_of(sha)}",
        "head_branch": None,
        "head_sha": sha,
        "status": "queued",
        "conclusion": None,
        "url": f"{API}/repos/{repository.full_name}/check-suites/{suite_of(sha)}",
        "before": None,
        "after": sha,
        "pull_requests": [],
        "app": app(our_app),
    }


def suite_of(sha: str) -> int:
    return int(sha[:8], 16)


def app(app: App) -> Json:
    return {
        "id": int(app.id),
        "client_id": f"Iv23li{app.id:0>14}",
        "slug": app.slug,
        "node_id": f"A_{app.id}",
        "owner": account(app.owner),
        "name": app.slug.capitalize(),
        "description": None,
        "external_url": f"{WEB}/apps/{app.slug}",
        "html_url": f"{WEB}/apps/{app.slug}",
        "created_at": "2024-01-01T00:00:00Z",
        "updated_at": "2024-01-01T00:00:00Z",
        "permissions": app.permissions,
        "events": list(app.events),
    }


def installation(installation: Installation, app: App) -> Json:
    url = f"{API}/app/installations/{installation.id}"
    return {
        "id": installation.id,
        "account": account(installation.account),
        "repository_selection": "selected",
        "access_tokens_url": f"{url}/access_tokens",
        "repositories_url": f"{API}/installation/repositories",
        "html_url": f"{WEB}/settings/installations/{installation.id}",
        "app_id": int(app.id),
        "app_slug": app.slug,
        "target_id": installation.account.id,
        "target_type": installation.account.type,
        "permissions": installation.permissions,
        "events": list(app.events),
        "created_at": stamp(installation.created_at),
        "updated_at": stamp(installation.created_at),
        "single_file_name": None,
        "suspended_by": None,
        "suspended_at": stamp(installation.suspended_at),
    }


def attempt(attempt: Attempt) -> Json:
    payload = attempt.payload
    return {
        "id": attempt.id,
        "guid": attempt.guid,
        "delivered_at": stamp(attempt.delivered_at),
        "redelivery": attempt.redelivery,
        "duration": 0.03,
        "status": "OK" if 200 <= attempt.status < 300 else f"Invalid HTTP Response: {attempt.status}",
        "status_code": attempt.status,
        "event": attempt.headers["X-GitHub-Event"],
        "action": payload.get("action"),
        "installation_id": payload.get("installation", {}).get("id"),
        "repository_id": payload.get("repository", {}).get("id"),
        "throttled_at": None,
    }
