"""Dedicated environments, what is installed in them and what was released to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
OF_DEDICATED = sa.text("subject_type = 'dedicated'")


def upgrade() -> None:
    op.create_table(
        "dedicated_environments",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("repository_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("salesforce_username", sa.String(), nullable=False),
        sa.Column("username_key", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("dev_hub_username", sa.String(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("orchestration_order", sa.Integer(), nullable=True),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("updated_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_dedicated_environments_repository_id"),
        sa.PrimaryKeyConstraint("id", name="pk_dedicated_environments"),
    )
    op.create_index("uq_dedicated_environments_name", "dedicated_environments", ["repository_id", "name"], unique=True)
    op.create_index(
        "uq_dedicated_environments_username", "dedicated_environments", ["account", "username_key"], unique=True
    )
    op.create_index(
        "uq_dedicated_environments_default",
        "dedicated_environments",
        ["repository_id", "category"],
        unique=True,
        postgresql_where=sa.text("is_default"),
        sqlite_where=sa.text("is_default"),
    )
    op.create_table(
        "artifacts",
        sa.Column("dedicated_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("items", JSON, nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["dedicated_id"], ["dedicated_environments.id"], name="fk_artifacts_dedicated_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dedicated_id", name="pk_artifacts"),
    )
    op.create_table(
        "releases",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("dedicated_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("recorded_by", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["dedicated_id"], ["dedicated_environments.id"], name="fk_releases_dedicated_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_releases"),
    )
    op.create_index("ix_releases_published", "releases", ["dedicated_id", "published_at"], unique=False)
    op.create_index(
        "ix_audit_dedicated",
        "audit",
        ["repository_id", "id"],
        unique=False,
        postgresql_where=OF_DEDICATED,
        sqlite_where=OF_DEDICATED,
    )


def downgrade() -> None:
    op.drop_index("ix_audit_dedicated", "audit")
    for table in ("releases", "artifacts", "dedicated_environments"):
        op.drop_table(table)
