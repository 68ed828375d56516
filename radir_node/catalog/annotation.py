"""Studies with reports, page by page: what the annotation of the node's own archive walks over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from radir_node.catalog.database import Database
from radir_node.catalog.tables import report, study
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

    def _page(self, modality: Modality, last: int) -> Sequence[int]:
        statement = (
            sa.select(study.c.id)
            .where(
                study.c.id > last,
                study.c.state == StudyState.INDEXED.value,
                study.c.modality == modality.value,
                sa.exists().where(report.c.study_id == study.c.id),
            )
            .order_by(study.c.id)
            .limit(PAGE)
        )
        with self.database.begin() as connection:
            return list(connection.execute(statement).scalars())
