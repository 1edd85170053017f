"""When a ticket's turn is likely to come, and what that is reckoned from."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ENDED = sa.text("status <> 'active'")


def upgrade() -> None:
    with op.batch_alter_table("tickets") as tickets:
        tickets.add_column(sa.Column("estimated_ahead", sa.Integer(), nullable=True))
        for name in ("likely_at", "late_at", "promised_at"):
            tickets.add_column(sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_assignments_ended", "assignments", ["pool_id", "ended_at"], postgresql_where=ENDED, sqlite_where=ENDED
    )
