"""The catalogue's tables."""

from importlib.resources import files

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute((files("sql") / "migrations" / "0001_core.up.sql").read_text())


def downgrade() -> None:
    op.execute((files("sql") / "migrations" / "0001_core.down.sql").read_text())
