"""Since when nobody has used what is held."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("assignments", sa.Column("active_at", sa.DateTime(timezone=True), nullable=True))
