"""Commits that are to be in an environment once more."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "redeployments",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("thread_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("assignment_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("environment_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["thread_id"], ["threads.id"], name="fk_redeployments_thread_id"),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignments.id"], name="fk_redeployments_assignment_id"),
        sa.ForeignKeyConstraint(["environment_id"], ["environments.id"], name="fk_redeployments_environment_id"),
        sa.PrimaryKeyConstraint("id", name="pk_redeployments"),
    )
    op.create_index("ix_redeployments_assignment", "redeployments", ["assignment_id", "created_at"], unique=False)
    op.create_index(
        "uq_redeployments_environment",
        "redeployments",
        ["environment_id"],
        unique=True,
        postgresql_where=sa.text("finished_at IS NULL"),
        sqlite_where=sa.text("finished_at IS NULL"),
    )
