"""Locks as queues: whose each ticket is, why it ended, and a row a resource whose fence outlives its tickets.

Nothing has ever written a row into `locks` before this revision, so that it is made anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ACQUIRED = sa.text("status = 'acquired'")
LIVE = sa.text("status IN ('queued', 'acquired')")


def upgrade() -> None:
    op.drop_table("locks")
    op.create_table(
        "lock_queues",
        sa.Column("repository_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("joined", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_lock_queues_repository_id"),
        sa.PrimaryKeyConstraint("repository_id", "resource", name="pk_lock_queues"),
    )
    op.create_table(
        "locks",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("ticket", sa.String(), nullable=False),
        sa.Column("repository_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=True),
        sa.Column("sole_key", sa.String(), nullable=True),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("requester_id", sa.String(), nullable=True),
        sa.Column("holder_type", sa.String(), nullable=True),
        sa.Column("holder_id", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("lease_seconds", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acquired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_locks_repository_id"),
        sa.PrimaryKeyConstraint("number", name="pk_locks"),
        sa.UniqueConstraint("id", name="uq_locks_id"),
        sa.UniqueConstraint("ticket", name="uq_locks_ticket"),
    )
    op.create_index("ix_locks_queue", "locks", ["repository_id", "resource", "status", "number"])
    op.create_index("ix_locks_thread", "locks", ["repository_id", "holder_type", "holder_id", "status"])
    op.create_index("ix_locks_released", "locks", ["status", "released_at"])
    _create_partial_index("ix_locks_leases", ["expires_at"], ACQUIRED)
    _create_partial_index("uq_locks_holder", ["repository_id", "resource"], ACQUIRED, unique=True)
    _create_partial_index("uq_locks_sole", ["repository_id", "resource", "sole_key"], LIVE, unique=True)


def _create_partial_index(name: str, columns: list[str], where: sa.TextClause, *, unique: bool = False) -> None:
    op.create_index(name, "locks", columns, unique=unique, postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    op.drop_table("locks")
    op.drop_table("lock_queues")
    op.create_table(
        "locks",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("ticket", sa.String(), nullable=False),
        sa.Column("repository_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=True),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("lease_seconds", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acquired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_locks_repository_id"),
        sa.PrimaryKeyConstraint("number", name="pk_locks"),
        sa.UniqueConstraint("ticket", name="uq_locks_ticket"),
    )
    op.create_index("ix_locks_queue", "locks", ["repository_id", "resource", "status", "number"])
    _create_partial_index("uq_locks_holder", ["repository_id", "resource"], ACQUIRED, unique=True)
