"""Each repository's policy."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "configurations",
        sa.Column("repository_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("sha", sa.String(), nullable=True),
        sa.Column("problems", JSON, nullable=False),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("text_sha", sa.String(), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_configurations_repository_id"),
        sa.PrimaryKeyConstraint("repository_id", name="pk_configurations"),
    )
