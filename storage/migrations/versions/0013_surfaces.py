"""What a thread shows on GitHub, a row for each instead of two columns for the comment alone; and notices."""

from datetime import UTC, datetime
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "surfaces",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("thread_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("external_id", sa.BigInteger(), nullable=True),
        sa.Column("digest", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=True),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refusal", sa.String(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["thread_id"], ["threads.id"], name="fk_surfaces_thread_id"),
        sa.PrimaryKeyConstraint("id", name="pk_surfaces"),
        sa.UniqueConstraint("thread_id", "kind", "key", name="uq_surfaces_thread_id_kind_key"),
    )
    op.create_index("ix_surfaces_external", "surfaces", ["kind", "external_id"], unique=False)
    op.create_index(
        "ix_surfaces_ended",
        "surfaces",
        ["ended_at"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NOT NULL"),
        sqlite_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("thread_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("told", sa.String(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("comment_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["thread_id"], ["threads.id"], name="fk_notices_thread_id"),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.UniqueConstraint("thread_id", "kind", "key", name="uq_notices_thread_id_kind_key"),
    )
    op.create_index("ix_tickets_assignment_id", "tickets", ["assignment_id"], unique=False)
    _move_comments()
    # Not in batches: those make the table anew, which its foreign keys do not allow.
    op.drop_column("threads", "comment_id")
    op.drop_column("threads", "comment_digest")
    op.add_column("threads", sa.Column("locked", sa.Boolean(), server_default=sa.false(), nullable=False))


def _move_comments() -> None:
    """The comments that are there stay the threads' own, so that none gets a second one."""
    ids = (sa.column("id", sa.Uuid(as_uuid=False)), sa.column("thread_id", sa.Uuid(as_uuid=False)))
    created = sa.column("created_at", sa.DateTime(timezone=True))
    surfaces = sa.table("surfaces", *ids, *map(sa.column, ("kind", "key", "external_id")), created)
    threads = sa.table("threads", sa.column("id", sa.Uuid(as_uuid=False)), sa.column("comment_id", sa.BigInteger()))
    found = op.get_bind().execute(
        sa.select(threads.c.id, threads.c.comment_id).where(threads.c.comment_id.is_not(None))
    )
    rows = [
        {
            "id": str(uuid4()), "thread_id": row.id, "kind": "comment", "key": "", "external_id": row.comment_id,
            "created_at": datetime.now(UTC),
        }
        for row in found
    ]  # fmt: skip
    op.bulk_insert(surfaces, rows)


def downgrade() -> None:
    op.drop_column("threads", "locked")
    op.add_column("threads", sa.Column("comment_digest", sa.String(), nullable=True))
    op.add_column("threads", sa.Column("comment_id", sa.BigInteger(), nullable=True))
    op.drop_index("ix_tickets_assignment_id", "tickets")
    op.drop_table("notices")
    op.drop_table("surfaces")
