"""The Alembic revisions; each runs its text in sql/migrations."""
