"""What was worked of a pull request, and when it was compared with GitHub."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    with op.batch_alter_table("threads") as threads:
        threads.add_column(sa.Column("worked", JSON, nullable=True))
        threads.add_column(sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True))
        threads.add_column(sa.Column("repaired_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("repositories") as repositories:
        repositories.add_column(sa.Column("installed_at", sa.DateTime(timezone=True), nullable=True))
        repositories.add_column(sa.Column("reconciled_at", sa.DateTime(timezone=True), nullable=True))
