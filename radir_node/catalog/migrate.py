"""Bring the catalogue's schema to the newest revision; called by every verb that starts a service."""

import secrets
from importlib.resources import files

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.dialects.postgresql import insert

from radir_node.catalog.database import Database
from radir_node.catalog.tables import node_secret
from radir_node.errors import InvalidSetting

MIGRATION_LOCK = 7241
"""Advisory lock: processes that start together migrate one after the other."""


def upgrade(database: Database) -> None:
    """Run every pending migration. Raises DatabaseDown, or InvalidSetting when this database cannot be migrated."""
    config = Config()
    config.set_main_option("script_location", str(files("sql")))
    try:
        with database.begin() as connection, database.begin() as work:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            config.attributes["connection"] = work
            command.upgrade(config, "head")
    except (CommandError, sa.exc.ProgrammingError) as error:  # a newer node's schema, or no right to make tables
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise InvalidSetting(f"the catalogue at {database.where} cannot be migrated: {reason}") from error


def ensure_secret(database: Database, name: str) -> bytes:
    """Return the node's 32-byte secret of that name; make it on first use."""
    with database.begin() as connection:
        fresh = insert(node_secret).values(name=name, value=secrets.token_bytes(32))
        connection.execute(fresh.on_conflict_do_nothing())
        value = connection.execute(sa.select(node_secret.c.value).where(node_secret.c.name == name)).scalar_one()
    return bytes(value)
