"""Every table of the first release."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def keep_bodies_cheaply() -> None:
    """Webhooks are stored with lz4 or as they are: PostgreSQL's own compression costs it four times the insert."""
    methods = op.get_bind().scalar(sa.text("SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'"))
    lz4 = "lz4" in (methods or ())
    op.execute(f"ALTER TABLE deliveries ALTER body SET {'COMPRESSION lz4' if lz4 else 'STORAGE EXTERNAL'}")


def upgrade() -> None:
    op.create_table(
        "apps",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("api_url", sa.String(), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("webhook_secret", sa.LargeBinary(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=True),
        sa.Column("client_secret", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_apps"),
    )
    op.create_table(
        "audit",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("request", sa.String(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject_type", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("repository_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("details", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_subject", "audit", ["subject_type", "subject_id", "id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("guid", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=True),
        sa.Column("serial_key", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_by", sa.String(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_deliveries"),
        sa.UniqueConstraint("guid", name="uq_deliveries_guid"),
    )
    if op.get_bind().dialect.name == "postgresql":
        keep_bodies_cheaply()
    op.create_index("ix_deliveries_due", "deliveries", ["state", "number"], unique=False)
    op.create_index("ix_deliveries_serial", "deliveries", ["serial_key", "state", "number"], unique=False)
    op.create_index(
        "uq_deliveries_serial",
        "deliveries",
        ["serial_key"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
        sqlite_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "installations",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("permissions", JSON, nullable=True),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.Column("token_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_installations"),
    )
    op.create_table(
        "leaders",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leaders"),
    )
    op.create_table(
        "orgs",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("username_key", sa.String(), nullable=False),
        sa.Column("alias", sa.String(), nullable=True),
        sa.Column("login_url", sa.String(), nullable=False),
        sa.Column("instance_url", sa.String(), nullable=True),
        sa.Column("credentials", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_orgs"),
        sa.UniqueConstraint("alias", name="uq_orgs_alias"),
        sa.UniqueConstraint("username_key", name="uq_orgs_username_key"),
    )
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("last_run_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_schedules"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("repositories", JSON, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("github_id", sa.BigInteger(), nullable=False),
        sa.Column("login", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("logged_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("logged_out_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("github_id", name="uq_users_github_id"),
    )
    op.create_table(
        "repositories",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("full_name", sa.String(), nullable=False),
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("github_id", sa.BigInteger(), nullable=True),
        sa.Column("installation_id", sa.BigInteger(), nullable=True),
        sa.Column("default_branch", sa.String(), nullable=True),
        sa.Column("private", sa.Boolean(), nullable=True),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["installation_id"], ["installations.id"], name="fk_repositories_installation_id"),
        sa.PrimaryKeyConstraint("id", name="pk_repositories"),
        sa.UniqueConstraint("github_id", name="uq_repositories_github_id"),
        sa.UniqueConstraint("name_key", name="uq_repositories_name_key"),
    )
    op.create_index("ix_repositories_installation_id", "repositories", ["installation_id"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("serial_key", sa.String(), nullable=True),
        sa.Column("once_key", sa.String(), nullable=True),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.String(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("result", JSON, nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("submitted_by", sa.String(), nullable=True),
        sa.Column("parent_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("delivery_guid", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_guid"], ["deliveries.guid"], name="fk_tasks_delivery_guid", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_tasks"),
        sa.UniqueConstraint("id", name="uq_tasks_id"),
    )
    op.create_index("ix_tasks_due", "tasks", ["queue", "state", "run_at"], unique=False)
    op.create_index("ix_tasks_finished", "tasks", ["state", "finished_at"], unique=False)
    op.create_index("ix_tasks_parent_id", "tasks", ["parent_id"], unique=False)
    op.create_index("ix_tasks_serial", "tasks", ["serial_key", "state", "number"], unique=False)
    op.create_index(
        "uq_tasks_once",
        "tasks",
        ["kind", "once_key"],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
        sqlite_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "uq_tasks_serial",
        "tasks",
        ["serial_key"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
        sqlite_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("repository_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("holder_type", sa.String(), nullable=False),
        sa.Column("holder_id", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("sentence", sa.String(), nullable=False),
        sa.Column("inputs", JSON, nullable=False),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_decisions_repository_id"),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index(
        "ix_decisions_holder", "decisions", ["repository_id", "holder_type", "holder_id", "id"], unique=False
    )
    op.create_table(
        "locks",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("ticket", sa.String(), nullable=False),
        sa.Column("repository_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=True),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("lease_seconds", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acquired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_locks_repository_id"),
        sa.PrimaryKeyConstraint("number", name="pk_locks"),
        sa.UniqueConstraint("ticket", name="uq_locks_ticket"),
    )
    op.create_index("ix_locks_queue", "locks", ["repository_id", "resource", "status", "number"], unique=False)
    op.create_index(
        "uq_locks_holder",
        "locks",
        ["repository_id", "resource"],
        unique=True,
        postgresql_where=sa.text("status = 'acquired'"),
        sqlite_where=sa.text("status = 'acquired'"),
    )
    op.create_table(
        "pools",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("repository_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("dev_hub_username", sa.String(), nullable=True),
        sa.Column("branch_pattern", sa.String(), nullable=True),
        sa.Column("domain_patterns", JSON, nullable=False),
        sa.Column("min_available", sa.Integer(), nullable=False),
        sa.Column("max_total", sa.Integer(), nullable=False),
        sa.Column("days_to_keep_available", sa.Integer(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("sandbox_definition", JSON, nullable=False),
        sa.Column("default_expiration_hours", sa.Double(), nullable=False),
        sa.Column("extended_expiration_hours", sa.Double(), nullable=True),
        sa.Column("average_creation_minutes", sa.Double(), nullable=True),
        sa.Column("return_on_unassign", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("additional_config", JSON, nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("legacy", JSON, nullable=False),
        sa.Column("last_monitored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_provisioned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("monitor_run_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("monitor_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provision_run_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("provision_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_pools_repository_id"),
        sa.PrimaryKeyConstraint("id", name="pk_pools"),
    )
    op.create_index("ix_pools_repository_id", "pools", ["repository_id"], unique=False)
    op.create_index(
        "uq_pools_tag",
        "pools",
        ["repository_id", "tag"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
        sqlite_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "rules",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("repository_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("pool_tag", sa.String(), nullable=False),
        sa.Column("branch_pattern", sa.String(), nullable=False),
        sa.Column("domain_patterns", JSON, nullable=False),
        sa.Column("domain_key", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("updated_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_rules_repository_id"),
        sa.PrimaryKeyConstraint("id", name="pk_rules"),
    )
    op.create_index(
        "uq_rules_same", "rules", ["repository_id", "pool_tag", "branch_pattern", "domain_key"], unique=True
    )
    op.create_table(
        "threads",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("repository_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("author_is_bot", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("draft", sa.Boolean(), nullable=False),
        sa.Column("base_ref", sa.String(), nullable=True),
        sa.Column("head_ref", sa.String(), nullable=True),
        sa.Column("head_sha", sa.String(), nullable=True),
        sa.Column("head_repository", sa.String(), nullable=True),
        sa.Column("labels", JSON, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("comment_id", sa.BigInteger(), nullable=True),
        sa.Column("comment_digest", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_threads_repository_id"),
        sa.PrimaryKeyConstraint("id", name="pk_threads"),
        sa.UniqueConstraint("repository_id", "number", name="uq_threads_repository_id_number"),
    )
    op.create_table(
        "answers",
        sa.Column("comment_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("thread_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("reacts", sa.Boolean(), nullable=False),
        sa.Column("reaction", sa.String(), nullable=False),
        sa.Column("seen_reaction_id", sa.BigInteger(), nullable=True),
        sa.Column("sentence", sa.String(), nullable=True),
        sa.Column("reply_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["thread_id"], ["threads.id"], name="fk_answers_thread_id"),
        sa.PrimaryKeyConstraint("comment_id", name="pk_answers"),
    )
    op.create_table(
        "environments",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("pool_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("flagged", sa.Boolean(), nullable=False),
        sa.Column("tombstone", sa.Boolean(), nullable=False),
        sa.Column("instance_url", sa.String(), nullable=True),
        sa.Column("login_url", sa.String(), nullable=True),
        sa.Column("org_id", sa.String(), nullable=True),
        sa.Column("credentials", sa.LargeBinary(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("deletion_eligible_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_holder_type", sa.String(), nullable=True),
        sa.Column("last_holder_id", sa.String(), nullable=True),
        sa.Column("last_holder_domain", sa.String(), nullable=True),
        sa.Column("reattach_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["pool_id"], ["pools.id"], name="fk_environments_pool_id"),
        sa.PrimaryKeyConstraint("id", name="pk_environments"),
    )
    op.create_index("ix_environments_state", "environments", ["pool_id", "state", "available_at"], unique=False)
    op.create_index(
        "ix_environments_given_up",
        "environments",
        ["pool_id", "last_holder_id"],
        unique=False,
        postgresql_where=sa.text("reattach_until IS NOT NULL"),
        sqlite_where=sa.text("reattach_until IS NOT NULL"),
    )
    op.create_index("uq_environments_name", "environments", ["name"], unique=True)
    op.create_table(
        "tickets",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("pool_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("repository_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("holder_type", sa.String(), nullable=False),
        sa.Column("holder_id", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("hours", sa.Double(), nullable=True),
        sa.Column("is_immortal", sa.Boolean(), nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gives_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(), nullable=True),
        sa.Column("assignment_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.ForeignKeyConstraint(["pool_id"], ["pools.id"], name="fk_tickets_pool_id"),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_tickets_repository_id"),
        sa.PrimaryKeyConstraint("id", name="pk_tickets"),
    )
    op.create_index("ix_tickets_queue", "tickets", ["pool_id", "state", "priority", "id"], unique=False)
    op.create_index(
        "uq_tickets_holder",
        "tickets",
        ["repository_id", "holder_type", "holder_id", "domain"],
        unique=True,
        postgresql_where=sa.text("state IN ('waiting', 'paused')"),
        sqlite_where=sa.text("state IN ('waiting', 'paused')"),
    )
    op.create_table(
        "assignments",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("repository_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("holder_type", sa.String(), nullable=False),
        sa.Column("holder_id", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("pool_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("environment_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("pool_assignment_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("taken_by", sa.String(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("assigned_by", sa.String(), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("used_by", sa.String(), nullable=True),
        sa.Column("acquired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("in_use_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(), nullable=True),
        sa.Column("transitioned_from", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["environment_id"], ["environments.id"], name="fk_assignments_environment_id"),
        sa.ForeignKeyConstraint(["pool_id"], ["pools.id"], name="fk_assignments_pool_id"),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_assignments_repository_id"),
        sa.PrimaryKeyConstraint("id", name="pk_assignments"),
    )
    op.create_index(
        "ix_assignments_due",
        "assignments",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'active'"),
        sqlite_where=sa.text("status = 'active'"),
    )
    op.create_index("ix_assignments_environment_id", "assignments", ["environment_id"], unique=False)
    op.create_index(
        "ix_assignments_history",
        "assignments",
        ["repository_id", "holder_type", "holder_id", "assigned_at"],
        unique=False,
    )
    op.create_index("ix_assignments_pool_id", "assignments", ["pool_id"], unique=False)
    op.create_index(
        "ix_assignments_transitioned",
        "assignments",
        ["repository_id", "transitioned_from"],
        unique=False,
        postgresql_where=sa.text("transitioned_from IS NOT NULL"),
        sqlite_where=sa.text("transitioned_from IS NOT NULL"),
    )
    op.create_index(
        "uq_assignments_environment",
        "assignments",
        ["environment_id"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
        sqlite_where=sa.text("status = 'active'"),
    )
    op.create_index(
        "uq_assignments_holder",
        "assignments",
        ["repository_id", "holder_type", "holder_id", "domain"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
        sqlite_where=sa.text("status = 'active'"),
    )
    op.create_index(
        "uq_assignments_pool_assignment",
        "assignments",
        ["repository_id", "pool_assignment_id"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
        sqlite_where=sa.text("status = 'active'"),
    )


def downgrade() -> None:
    for table in (
        "assignments",
        "tickets",
        "environments",
        "answers",
        "threads",
        "rules",
        "pools",
        "locks",
        "decisions",
        "tasks",
        "repositories",
        "users",
        "tokens",
        "schedules",
        "orgs",
        "leaders",
        "installations",
        "deliveries",
        "audit",
        "apps",
    ):
        op.drop_table(table)
