"""Vectors as rows, and the log of their changes: what radir_node.index is built from and follows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects.postgresql import insert

from radir_node.catalog.database import Database
from radir_node.catalog.tables import embedding, index_snapshot, model_version, study
from radir_node.domain.embedding import ModelVersion
from radir_node.domain.index_rows import Changes, PartitionKey, VectorRow

XMIN: sa.ColumnClause[str] = sa.literal_column("pg_snapshot_xmin(pg_current_snapshot())::text")


def model_key(connection: sa.Connection, version: ModelVersion) -> int:
    """Return the row id of a model version; make the row on first use."""
    values = {
        "name": version.id,
        "modality": version.modality,
        "sha256": version.sha256,
        "preprocessing": version.preprocessing,
        "licence": version.licence,
    }
    connection.execute(insert(model_version).values(values).on_conflict_do_nothing())
    return int(connection.execute(sa.select(model_version.c.id).where(model_version.c.name == version.id)).scalar_one())


@dataclass(frozen=True)
class Vectors:
    """The truth behind the index."""

    database: Database

    def watermark(self) -> str:
        """Return the transaction id below which every change is visible to a read that starts now."""
        with self.database.begin() as connection:
            return str(connection.execute(sa.select(XMIN)).scalar_one())

    def system_identifier(self) -> str:
        """Return the identity of this Postgres cluster; watermarks of another one mean nothing here."""
        with self.database.begin() as connection:
            return str(connection.execute(sa.text("select system_identifier from pg_control_system()")).scalar_one())

    def rows(self, ids: Sequence[int] | None = None) -> Iterator[VectorRow]:
        """Yield vectors in id order, all or those named; a reopened study keeps its vectors until it has new ones."""
        statement = (
            sa.select(
                embedding.c.id,
                model_version.c.name.label("model"),
                embedding.c.anatomy,
                embedding.c.study_id,
                study.c.patient_code,
                study.c.patient_sex,
                study.c.patient_age_years,
                study.c.study_date,
                embedding.c.vec,
            )
            .join(study, study.c.id == embedding.c.study_id)
            .join(model_version, model_version.c.id == embedding.c.model_version_id)
            .order_by(embedding.c.id)
        )
        if ids is not None:
            # One array: a list of parameters ends at 65535, and there may be more changes than that to catch up with.
            statement = statement.where(embedding.c.id == sa.any_(sa.literal(list(ids), sa.ARRAY(sa.BigInteger))))
        with self.database.begin() as connection:
            for row in connection.execution_options(yield_per=2000).execute(statement):
                key = PartitionKey(row.model, row.anatomy)
                yield VectorRow(
                    row.id,
                    key,
                    row.study_id,
                    row.patient_code,
                    row.patient_sex,
                    row.patient_age_years,
                    row.study_date,
                    row.vec,
                )

    def changes_since(self, watermark: str) -> Changes:
        """Return the embedding ids touched at or after `watermark`, and the watermark to ask from next time.

        Both come from one statement (one snapshot): a change is seen in exactly one call, whatever the commit order.
        """
        statement = sa.text(
            "with edge as (select pg_snapshot_xmin(pg_current_snapshot()) as xmin)"
            " select edge.xmin::text as xmin, c.embedding_id from edge left join index_change c"
            " on c.tx >= cast(:watermark as xid8) and c.tx < edge.xmin order by c.seq"
        )
        with self.database.begin() as connection:
            found = connection.execute(statement, {"watermark": watermark}).all()
        touched = dict.fromkeys(int(row.embedding_id) for row in found if row.embedding_id is not None)
        return Changes(tuple(touched), str(found[0].xmin))

    def of_study(self, study_id: int, model: str, anatomy: str) -> NDArray[np.float32]:
        """Return the study's vectors in one partition, float32 [units, 512]; [0, 512] when there is none."""
        statement = (
            sa.select(embedding.c.vec)
            .join(model_version, model_version.c.id == embedding.c.model_version_id)
            .where(embedding.c.study_id == study_id, model_version.c.name == model, embedding.c.anatomy == anatomy)
            .order_by(embedding.c.unit_uid)
        )
        with self.database.begin() as connection:
            found = list(connection.execute(statement).scalars())
        return np.stack(found).astype(np.float32) if found else np.empty((0, 512), np.float32)

    def ids(self) -> set[int]:
        """Return the id of every vector that should be searchable."""
        with self.database.begin() as connection:
            return set(connection.execute(sa.select(embedding.c.id)).scalars())

    def active_snapshot(self) -> Mapping[str, Any] | None:
        """Return the row of the snapshot in force."""
        active = sa.select(index_snapshot).where(index_snapshot.c.state == "active")
        with self.database.begin() as connection:
            row = connection.execute(active).mappings().one_or_none()
            return dict(row) if row else None

    def activate(self, snapshot_id: str, watermark: str, row_count: int, manifest_sha256: str) -> None:
        """Make a finished snapshot the one in force; the one before it is retired."""
        values = {
            "id": snapshot_id,
            "state": "active",
            "watermark": sa.cast(watermark, index_snapshot.c.watermark.type),
            "row_count": row_count,
            "manifest_sha256": manifest_sha256,
        }
        with self.database.begin() as connection:
            connection.execute(
                sa.update(index_snapshot).values(state="retired").where(index_snapshot.c.state == "active")
            )
            connection.execute(sa.insert(index_snapshot).values(values))

    def quarantine(self, snapshot_id: str) -> None:
        """A damaged snapshot is never loaded again."""
        self._update(snapshot_id, state="quarantined")

    def verified(self, snapshot_id: str, probe_recall: float | None) -> None:
        """Record a successful check of files and ids."""
        self._update(snapshot_id, verified_at=sa.func.now(), probe_recall=probe_recall)

    def _update(self, snapshot_id: str, **values: object) -> None:
        with self.database.begin() as connection:
            connection.execute(sa.update(index_snapshot).where(index_snapshot.c.id == snapshot_id).values(**values))
