"""Study completion, queries over the whole archive, storage commitment, deliveries."""

from importlib.resources import files

import sqlalchemy as sa
from alembic import op

from radir_node.domain.person_name import folded

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute((files("sql") / "migrations" / "0003_dicom_services.up.sql").read_text())
    connection = op.get_bind()
    names = connection.execute(sa.text("select distinct patient_name from study where patient_name <> ''")).scalars()
    keys = [{"name": name, "key": folded(name)} for name in names]
    if keys:  # Postgres has no function that folds as the query does
        connection.execute(sa.text("update study set patient_name_key = :key where patient_name = :name"), keys)


def downgrade() -> None:
    op.execute((files("sql") / "migrations" / "0003_dicom_services.down.sql").read_text())
