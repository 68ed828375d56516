import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from radir_node.catalog.database import Database
from radir_node.catalog.migrate import ensure_secret, upgrade
from radir_node.catalog.tables import metadata
from radir_node.errors import InvalidSetting


def _ours(object_: object, name: str | None, type_: str, reflected: bool, compare_to: object) -> bool:
    return not (type_ == "table" and reflected and (name or "").startswith(("procrastinate_", "alembic_")))


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(database: Database) -> None:
    """Nothing in tables.py differs from what sql/ creates."""
    with database.begin() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": _ours, "compare_type": True})

        differences = compare_metadata(context, metadata)

    assert differences == []


def test_migrating_twice_changes_nothing(database: Database) -> None:
    """Every service migrates at its start; all but the first find nothing to do."""
    upgrade(database)
    upgrade(database)


def test_a_secret_is_made_once(database: Database) -> None:
    """Pseudonyms stay stable over restarts."""
    first = ensure_secret(database, "pseudonyms")

    second = ensure_secret(database, "pseudonyms")

    assert first == second
    assert len(first) == 32


def test_a_database_of_a_newer_node_is_one_clear_line(database: Database) -> None:
    """An older node refuses it and changes nothing."""
    with database.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")

    with pytest.raises(InvalidSetting, match="cannot be migrated") as caught:
        upgrade(database)

    assert "\n" not in str(caught.value)
