"""Decisions: why the bot did or did not act, append-only; the answer of /why."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, Select, not_, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.assignments import NO_DOMAIN, Holder, HolderType
from storage.database import Base

VERDICTS = ("assign", "serve", "approve", "transition")  # operations that decide whether it has one


COMMAND_RULE = "commands."  # begins the rule by which somebody was refused a command


class Reason(StrEnum):
    """Reason codes (bot-behaviour section 7)."""

    OK = "ok"
    REUSED = "reused"
    QUEUED = "queued"
    NOT_INSTALLED = "not_installed"
    CONFIG_INVALID = "config_invalid"
    MODE_OFF = "mode_off"
    MODE_MANUAL = "mode_manual"
    BOT_AUTHOR = "bot_author"
    FORK_NEEDS_APPROVAL = "fork_needs_approval"
    FORK_NEVER = "fork_never"
    APPROVAL_LAPSED = "approval_lapsed"
    DRAFT = "draft"
    LABEL_OFF = "label_off"
    LABEL_MISSING = "label_missing"
    PATH_FILTER = "path_filter"
    NO_POOL_MATCH = "no_pool_match"
    QUOTA_REPOSITORY = "quota_repository"
    QUOTA_AUTHOR = "quota_author"
    BUDGET = "budget"
    POOL_INACTIVE = "pool_inactive"
    PERMISSION = "permission"
    CLOSED = "closed"
    EXPIRED = "expired"
    RECLAIMED = "reclaimed"
    REFUSED = "refused"
    REPAIRED = "repaired"


class Decision(Base):
    __tablename__ = "decisions"
    __table_args__ = (Index("ix_decisions_holder", "repository_id", "holder_type", "holder_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[datetime]
    repository_id: Mapped[str] = mapped_column(ForeignKey("repositories.id"))
    holder_type: Mapped[str]
    holder_id: Mapped[str]
    domain: Mapped[str] = mapped_column(default=NO_DOMAIN)
    actor: Mapped[str]
    trigger: Mapped[str]  # "delivery:GUID", "comment:ID" or "task:ID"
    operation: Mapped[str]
    reason: Mapped[str]
    sentence: Mapped[str]
    rule: Mapped[str | None]  # what decided: "drafts: on_command", or the rule that led to the pool
    config_sha: Mapped[str | None]  # of the policy in force; None: the defaults
    inputs: Mapped[dict[str, Any]] = mapped_column(default=dict)


_NOT_OF_COMMAND = or_(Decision.rule.is_(None), not_(Decision.rule.startswith(COMMAND_RULE)))


def record(
    session: Session,
    holder: Holder,
    reason: Reason,
    sentence: str,
    *,
    operation: str,
    actor: str,
    trigger: str,
    now: datetime,
    rule: str | None = None,
    config_sha: str | None = None,
    inputs: dict[str, Any] | None = None,
) -> None:
    """One row a decision."""
    decision = Decision(
        at=now,
        repository_id=holder.repository_id,
        holder_type=holder.type,
        holder_id=holder.id,
        domain=holder.domain,
        actor=actor,
        trigger=trigger,
        operation=operation,
        reason=reason,
        sentence=sentence,
        rule=rule,
        config_sha=config_sha,
        inputs=inputs or {},
    )
    session.add(decision)
    session.flush()


def last(session: Session, holder: Holder) -> Decision | None:
    """The newest decision on this pull request or issue, in any domain."""
    return session.scalars(_newest_first(holder).limit(1)).first()


def last_verdict(session: Session, holder: Holder) -> Decision | None:
    """The newest on whether it has an environment; that somebody was refused a command is none."""
    found = _newest_first(holder).where(Decision.operation.in_(VERDICTS), _NOT_OF_COMMAND)
    return session.scalars(found.limit(1)).first()


def last_about(session: Session, holder: Holder, login: str) -> Decision | None:
    """The newest but for refusals of what others asked for."""
    return session.scalars(_newest_first(holder).where(or_(_NOT_OF_COMMAND, Decision.actor == login)).limit(1)).first()


def last_repair(session: Session, holder: Holder) -> Decision | None:
    return session.scalars(_newest_first(holder).where(Decision.reason == Reason.REPAIRED).limit(1)).first()


def of_holder(session: Session, holder: Holder, *, before: int | None = None, limit: int) -> Sequence[Decision]:
    """Up to `limit` decisions on this pull request or issue, the newest first; only those older than `before`."""
    found = _newest_first(holder).limit(limit)
    return session.scalars(found if before is None else found.where(Decision.id < before)).all()


def on_assigning(
    session: Session, repository_id: str, numbers: Collection[int], *, since: datetime, limit: int
) -> Sequence[Decision]:
    """Up to `limit` decisions since on whether these pull requests get one, but for refusals of who may not ask."""
    return session.scalars(
        select(Decision)
        .where(
            Decision.repository_id == repository_id,
            Decision.holder_type == HolderType.PR,
            Decision.holder_id.in_([str(number) for number in numbers]),
            Decision.operation == "assign",
            Decision.at >= since,
            _NOT_OF_COMMAND,
        )
        .order_by(Decision.id)
        .limit(limit)
    ).all()


def _newest_first(holder: Holder) -> Select[Decision]:
    return (
        select(Decision)
        .where(
            Decision.repository_id == holder.repository_id,
            Decision.holder_type == holder.type,
            Decision.holder_id == holder.id,
        )
        .order_by(Decision.id.desc())
    )
