"""Alembic environment: runs on the connection that radir_node.catalog.migrate hands over."""

from alembic import context

from radir_node.catalog.tables import metadata

connection = context.config.attributes["connection"]

context.configure(
    connection=connection,
    target_metadata=metadata,
    transaction_per_migration=True,
    include_name=lambda name, type_, parents: type_ != "schema" or name is None,
)
with context.begin_transaction():
    context.run_migrations()
