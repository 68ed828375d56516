from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from radir_node.catalog.database import Database
from radir_node.catalog.migrate import ensure_secret, upgrade
from radir_node.catalog.tables import metadata


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
