"""Files and commits of the simulated GitHub: those of the default branch, and what pull requests change."""

import base64
import hashlib

from flask import Blueprint, Response, g, jsonify, request

from demo import github_payloads as payloads
from demo.github_api import Refused, allow, find_thread, paged
from demo.github_state import PullRequest, Repository


def add_to(repository_api: Blueprint) -> None:
    """The repository's endpoints know these, too."""
    repository_api.get("/contents/<path:path>")(show_file)
    repository_api.get("/commits/<path:ref>")(show_commit)
    repository_api.get("/pulls/<int:number>/files")(list_changed_files)


def show_file(path: str) -> payloads.Json:
    allow("read", "contents")
    text = files_at(g.repository, request.args.get("ref")).get(path)
    if text is None:
        raise Refused(404, "Not Found")
    raw = text.encode()
    return {
        "type": "file",
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": blob(raw),
        "size": len(raw),
        "encoding": "base64",
        "content": base64.encodebytes(raw).decode(),
    }


def show_commit(ref: str) -> payloads.Json:
    allow("read", "contents")
    repository: Repository = g.repository
    if ref not in ("HEAD", repository.default_branch, repository.head_sha):
        raise Refused(422, f"No commit found for SHA: {ref}")
    return {"sha": repository.head_sha, "files": []}


def list_changed_files(number: int) -> Response:
    pull = find_thread(number, "read")
    if not isinstance(pull, PullRequest):
        raise Refused(404, "Not Found")
    files = [
        {"sha": blob(pull.files[name].encode()), "filename": name, "status": "modified"} for name in sorted(pull.files)
    ]
    return jsonify(list(paged(files)))


def files_at(repository: Repository, ref: str | None) -> dict[str, str]:
    """Those of the default branch, with those of the pull request that has this commit at its head."""
    for thread in list(repository.threads.values()):
        if isinstance(thread, PullRequest) and thread.head_sha == ref:
            return {**repository.files, **thread.files}
    return repository.files


def blob(raw: bytes) -> str:
    """What git calls this content."""
    return hashlib.sha1(b"blob %d\0%b" % (len(raw), raw)).hexdigest()
