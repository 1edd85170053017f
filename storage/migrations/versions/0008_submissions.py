"""The tasks that callers submit, and how long a worker may keep one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("tasks", sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "submissions",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("repository", sa.String(), nullable=True),
        sa.Column("repository_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("submitted_by", sa.String(), nullable=False),
        sa.Column("submitter_id", sa.String(), nullable=True),
        sa.Column("submitter_role", sa.String(), nullable=False),
        sa.Column("sees", JSON, nullable=True),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("lock_seconds", sa.Double(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("backoff_seconds", sa.Double(), nullable=False),
        sa.Column("backoff_doubles", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("result", JSON, nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("gives_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("ticket_is_own", sa.Boolean(), nullable=False),
        sa.Column("first_place", sa.Integer(), nullable=True),
        sa.Column("parent_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("recurrence", JSON, nullable=True),
        sa.Column("executions", sa.Integer(), nullable=False),
        sa.Column("last_execution_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_submissions_repository_id"),
        sa.PrimaryKeyConstraint("number", name="pk_submissions"),
        sa.UniqueConstraint("id", name="uq_submissions_id"),
    )
    op.create_index("ix_submissions_finished", "submissions", ["finished_at"], unique=False)
    op.create_index("ix_submissions_parent", "submissions", ["parent_id", "number"], unique=False)
    op.create_index("ix_submissions_repository", "submissions", ["repository", "number"], unique=False)
    op.create_index("ix_submissions_repository_id", "submissions", ["repository_id"], unique=False)
    op.create_index("ix_submissions_status", "submissions", ["status", "number"], unique=False)
    op.create_index(
        "ix_submissions_ticket",
        "submissions",
        ["ticket_id"],
        unique=False,
        postgresql_where=sa.text("ticket_id IS NOT NULL"),
        sqlite_where=sa.text("ticket_id IS NOT NULL"),
    )
