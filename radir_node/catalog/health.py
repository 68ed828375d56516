"""Counts and lists for the admin page and the metrics, read from the catalogue."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from radir_node.catalog.database import Database
from radir_node.catalog.tables import embedding, instance, model_version, refusal, report, series, study
from radir_node.domain.study import Modality, StudyState

MODALITIES = {Modality.CXR: ("CR", "DX"), Modality.CT: ("CT",)}
"""Modality (0008,0060) of the images that each encoder is for."""


@dataclass(frozen=True)
class HealthCounts:
    """Read-only questions about the whole archive."""

    database: Database

    def coverage(self) -> Mapping[Modality, tuple[int, int, int]]:
        """Return studies received, indexed, and indexed with a report, of each modality."""
        found = {}
        with self.database.begin() as connection:
            for modality, codes in MODALITIES.items():
                has_images = sa.exists().where(series.c.study_id == study.c.id, series.c.modality.in_(codes))
                indexed = sa.and_(study.c.state == StudyState.INDEXED, study.c.modality == modality)
                has_report = sa.exists().where(report.c.study_id == study.c.id)
                row = connection.execute(
                    sa.select(
                        sa.func.count().filter(sa.or_(has_images, study.c.modality == modality)),
                        sa.func.count().filter(indexed),
                        sa.func.count().filter(indexed, has_report),
                    ).select_from(study)
                ).one()
                found[modality] = (row[0], row[1], row[2])
        return found

    def refusals(self, limit: int = 50) -> Sequence[tuple[str, int, dt.datetime]]:
        """Return what was not accepted, or kept without being indexed: (reason, instances, last time)."""
        one = sa.literal(1, sa.BigInteger).label("times")
        kept = sa.select(instance.c.reason, one, instance.c.received_at.label("at")).where(
            instance.c.is_current, instance.c.reason != sa.literal_column("''")
        )
        both = sa.union_all(sa.select(refusal.c.reason, refusal.c.times, refusal.c.at), kept).subquery()
        times, last = sa.cast(sa.func.sum(both.c.times), sa.BigInteger), sa.func.max(both.c.at)
        statement = sa.select(both.c.reason, times, last).group_by(both.c.reason).order_by(last.desc()).limit(limit)
        with self.database.begin() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(statement)]

    def models(self) -> Sequence[Mapping[str, Any]]:
        """Return every model version with the number of studies whose vectors it made."""
        studies = sa.func.count(embedding.c.study_id.distinct())
        statement = (
            sa.select(model_version.c.name, model_version.c.modality, model_version.c.licence, studies.label("studies"))
            .outerjoin(embedding, embedding.c.model_version_id == model_version.c.id)
            .group_by(model_version.c.id)
        )
        with self.database.begin() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def stored_bytes(self) -> int:
        """Return the size of every instance on disk."""
        with self.database.begin() as connection:
            return int(
                connection.execute(sa.select(sa.func.coalesce(sa.func.sum(instance.c.size_bytes), 0))).scalar_one()
            )
