"""The head that the last push to a pull request replaced."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("threads", sa.Column("head_before", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("threads", "head_before")
