"""Approve: the head of a fork's pull request may have an environment, until the next push."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from storage import audit
from storage.audit import Actor
from storage.threads import Thread


def approve_head(session: Session, thread: Thread, actor: Actor, *, now: datetime) -> None:
    """The present head is approved (bot-behaviour section 3)."""
    thread.approved_sha, thread.approved_by, thread.approved_at = thread.head_sha, actor.name, now
    session.flush()
    audit.record(session, "thread.approved", thread.id, actor, now=now, repository_id=thread.repository_id,
                 holder=str(thread.holder), sha=thread.head_sha)  # fmt: skip


def withdraw_approval(session: Session, thread: Thread, actor: Actor, *, now: datetime) -> None:
    """No head is approved."""
    withdrawn, thread.approved_sha, thread.approved_by, thread.approved_at = thread.approved_sha, None, None, None
    session.flush()
    audit.record(session, "thread.approval_withdrawn", thread.id, actor, now=now, repository_id=thread.repository_id,
                 holder=str(thread.holder), sha=withdrawn)  # fmt: skip
