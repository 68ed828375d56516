"""The job queue in its own schema, as its library (procrastinate, pinned to one minor version) defines it."""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    connection = op.get_bind()
    connection.exec_driver_sql("create schema jobs")
    connection.exec_driver_sql("set local search_path to jobs, public")
    # Through a driver cursor without parameters: the text holds % signs and several statements.
    connection.connection.driver_connection.execute(SchemaManager.get_schema())
    connection.exec_driver_sql("set local search_path to public, jobs")


def downgrade() -> None:
    op.execute("drop schema jobs cascade")
