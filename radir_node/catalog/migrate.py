"""Bring the catalogue's schema to the newest revision; called by every verb that starts a service."""

import secrets
from importlib.resources import files

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.dialects.postgresql import insert

from radir_node.catalog.database import Database
from radir_node.catalog.tables import node_secret

MIGRATION_LOCK = 7241
"""Advisory lock: processes that start together migrate one after the other."""


def upgrade(database: Database) -> None:
    """Run every pending migration. Raises DatabaseDown."""
    with database.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        with database.begin() as work:
            config = Config(attributes={"connection": work})
            config.set_main_option("script_location", str(files("sql")))
            command.upgrade(config, "head")


def ensure_secret(database: Database, name: str) -> bytes:
    """Return the node's 32-byte secret of that name; make it on first use."""
    with database.begin() as connection:
        fresh = insert(node_secret).values(name=name, value=secrets.token_bytes(32))
        connection.execute(fresh.on_conflict_do_nothing())
        value = connection.execute(sa.select(node_secret.c.value).where(node_secret.c.name == name)).scalar_one()
    return bytes(value)
