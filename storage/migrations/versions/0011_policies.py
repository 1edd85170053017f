"""What the gates judge by and write down."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

COLUMNS = {
    "configurations": ["told_commit"],
    "decisions": ["rule", "config_sha"],
    "threads": ["deploy_by", "approved_sha", "approved_by"],
}


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            op.add_column(table, sa.Column(column, sa.String(), nullable=True))
    for column in ("head_seen_at", "approved_at"):
        op.add_column("threads", sa.Column(column, sa.DateTime(timezone=True), nullable=True))
