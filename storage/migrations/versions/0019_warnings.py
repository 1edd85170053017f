"""When the end of an assignment was set, so that there is a warning of it; and notices that somebody edited."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("assignments", sa.Column("end_set_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("notices", sa.Column("stale", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_notices_comment_id", "notices", ["comment_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_notices_comment_id", "notices")
    op.drop_column("notices", "stale")
    op.drop_column("assignments", "end_set_at")
