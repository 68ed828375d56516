"""The Alembic environment and migrations of the catalogue; read by radir_node.catalog.migrate."""
