"""The SQL folder: schema.sql, and every migration in both directions."""

from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from radir_node.catalog.database import Database, open_database
from radir_node.catalog.migrate import upgrade
from radir_node.catalog.schema import dump

TABLES = sa.text(
    "select table_schema, table_name from information_schema.tables where table_schema in ('public', 'jobs')"
)


@pytest.fixture
def empty(database_url: str, database: Database) -> Iterator[Database]:
    """A database with nothing in it."""
    with database.begin() as connection:
        connection.exec_driver_sql(
            "drop schema public cascade; drop schema if exists jobs cascade; create schema public"
        )
    opened = open_database(database_url, Path())
    yield opened
    opened.close()


@pytest.fixture
def downgrade(database: Database) -> Callable[[], None]:
    """Take every migration back."""

    def to_base() -> None:
        with database.begin() as connection:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(files("sql")))
            command.downgrade(config, "base")

    return to_base


def test_schema_sql_is_the_sum_of_the_migrations(database_url: str, repository: Path) -> None:
    """Who changes a migration runs `python -m radir_node.catalog.schema`."""
    expected = (repository / "sql" / "schema.sql").read_text()

    actual = dump(database_url)

    assert expected == actual


def test_schema_sql_alone_makes_the_same_tables(empty: Database, database_url: str, repository: Path) -> None:
    """The file is valid SQL and complete: loaded into an empty database it is what a dump gives again."""
    schema = (repository / "sql" / "schema.sql").read_text()

    with empty.begin() as connection:
        connection.exec_driver_sql(schema)

    assert schema == dump(database_url)


def test_every_migration_can_be_taken_back_and_made_again(
    database: Database, database_url: str, downgrade: Callable[[], None]
) -> None:
    """Down to nothing but Alembic's own table, then up to exactly the same schema, job queue included."""
    before = dump(database_url)
    with database.begin() as connection:
        tables = set(connection.execute(TABLES))

    downgrade()
    with database.begin() as connection:
        left = [tuple(row) for row in connection.execute(TABLES)]
    upgrade(database)
    with database.begin() as connection:
        made = set(connection.execute(TABLES))

    assert [("public", "alembic_version")] == left
    assert before == dump(database_url)
    assert tables == made
