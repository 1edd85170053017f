"""Fair shares of a pool, and how many environments are kept ready by time of day."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("tickets", sa.Column("rank", sa.BigInteger(), server_default="0", nullable=False))
    op.drop_index("ix_tickets_queue", "tickets")
    op.create_index("ix_tickets_queue", "tickets", ["pool_id", "state", "priority", "rank", "id"])
    op.add_column("configurations", sa.Column("fair_share", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("configurations", sa.Column("targets", JSON, server_default="[]", nullable=False))
