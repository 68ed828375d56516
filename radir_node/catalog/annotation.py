"""Studies with reports, page by page: what the annotation of the node's own archive walks over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from radir_node.catalog.database import Database
from radir_node.catalog.tables import report, report_tag, study
from radir_node.domain.report import Status
from radir_node.domain.study import Modality, StudyState

PAGE = 500
"""Studies that are in memory at a time. No transaction is open between two pages."""


@dataclass(frozen=True)
class ReportedStudies:
    """Indexed studies that have a report."""

    database: Database

    def pages(self, modality: Modality) -> Iterator[Sequence[int]]:
        """Yield the catalogue numbers of all such studies of a modality, ascending, PAGE at a time."""
        last = 0
        while page := self._page(modality, last):
            yield page
            last = page[-1]

    def rare(self, modality: Modality, fewest: int) -> frozenset[tuple[str, str]]:
        """List what fewer patients than that have: finding and anatomy key, as they stand in tags that deny nothing."""
        statement = (
            sa.select(report_tag.c.finding, report_tag.c.anatomy)
            .join(report, report.c.id == report_tag.c.report_id)
            .join(study, study.c.id == report.c.study_id)
            .where(*_indexed(modality), report_tag.c.status != Status.ABSENT.value)
            .group_by(report_tag.c.finding, report_tag.c.anatomy)
            .having(sa.func.count(study.c.patient_code.distinct()) < fewest)
        )
        with self.database.begin() as connection:
            return frozenset((row.finding, row.anatomy) for row in connection.execute(statement))

    def _page(self, modality: Modality, last: int) -> Sequence[int]:
        statement = (
            sa.select(study.c.id)
            .where(
                study.c.id > last,
                *_indexed(modality),
                sa.exists().where(report.c.study_id == study.c.id),
            )
            .order_by(study.c.id)
            .limit(PAGE)
        )
        with self.database.begin() as connection:
            return list(connection.execute(statement).scalars())


def _indexed(modality: Modality) -> tuple[sa.ColumnElement[bool], ...]:
    return study.c.state == StudyState.INDEXED.value, study.c.modality == modality.value
