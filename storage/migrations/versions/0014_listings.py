"""When each pool's provider was last asked for its complete list, and answered."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("pools", sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True))
