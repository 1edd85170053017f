"""The schema's version: what this code needs, what a database has, and the way from one to the other."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text

from storage.database import Database

HEAD = "0020"
MIGRATIONS = Path(__file__).parent / "migrations"


class WrongSchema(Exception):
    """The database is not at HEAD; `greenroom db upgrade` brings it there, unless it is newer than this code."""


def version(database: Database) -> str | None:
    """The revision that the database is at, or None for an empty one."""
    with database.reading() as session:
        if not inspect(session.connection()).has_table("alembic_version"):
            return None
        found: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
        return found


def require_head(database: Database) -> None:
    """Returns if the database fits this code; raises WrongSchema else."""
    found = version(database)
    if found != HEAD:
        raise WrongSchema(f"the database is at revision {found or 'none'}, this is {HEAD}: run `greenroom db upgrade`")


def upgrade(database: Database) -> bool:
    """The database is at HEAD; says whether there was something to do. One process does it at a time."""
    if version(database) == HEAD:
        return False
    from alembic import command  # takes 0.6 s to import, which a database at HEAD need not wait for
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(7103110)"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True
