"""The migrations make what the rows are declared to be."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from storage import schema, tables
from storage.database import Database


def test_the_newest_revision_is_what_the_rows_are_declared_to_be(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
    schema.require_head(database)
