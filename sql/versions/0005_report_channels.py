"""Reports by HL7, FHIR, REST and bulk files: every version, and what became of it."""

from importlib.resources import files

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute((files("sql") / "migrations" / "0005_report_channels.up.sql").read_text())


def downgrade() -> None:
    op.execute((files("sql") / "migrations" / "0005_report_channels.down.sql").read_text())
