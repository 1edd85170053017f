"""How GitHub limits each installation, and when its members last changed."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    with op.batch_alter_table("installations") as installations:
        installations.add_column(sa.Column("pauses", sa.Integer(), nullable=False, server_default="0"))
        installations.add_column(sa.Column("next_write_at", sa.DateTime(timezone=True), nullable=True))
        installations.add_column(sa.Column("writers_until", sa.DateTime(timezone=True), nullable=True))
        installations.add_column(sa.Column("members_changed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "rates",
        sa.Column("installation_id", sa.BigInteger(), nullable=False),
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.Column("reset_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("swept", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("installation_id", "resource", name="pk_rates"),
    )
