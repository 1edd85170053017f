"""Which process fetches an installation's token, for the others to wait."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("installations", sa.Column("fetching_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("installations", "fetching_until")
