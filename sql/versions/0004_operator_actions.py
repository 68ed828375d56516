"""Who forced, reopened, tested and retried what."""

from importlib.resources import files

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute((files("sql") / "migrations" / "0004_operator_actions.up.sql").read_text())


def downgrade() -> None:
    op.execute((files("sql") / "migrations" / "0004_operator_actions.down.sql").read_text())
