"""Rows of what indexing a study yielded, and which of it still holds when the study is indexed again.

Functions inside the transactions of studies.py.
"""

from collections.abc import Mapping

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from radir_node.catalog.report_rows import DICOM, StandingReport, write_report
from radir_node.catalog.tables import embedding, index_change, instance, measure, report, series
from radir_node.catalog.vectors import model_key
from radir_node.domain.indexing import Outcome

_CONTENT = """
    select series_id, md5(string_agg(sop_instance_uid || ' ' || sha256, ',' order by sop_instance_uid)) as content
    from instance where is_current and series_id in (select id from series where study_id = :study) group by series_id
"""
_UNCHANGED = sa.text(f"""
    with unchanged as (
        select series.id, series.series_instance_uid from series join ({_CONTENT}) as now on now.series_id = series.id
        where series.indexed_content = now.content
    )
    select distinct embedding.unit_uid, model_version.name from embedding
    join model_version on model_version.id = embedding.model_version_id
    where embedding.study_id = :study and (
        embedding.unit_uid in (select series_instance_uid from unchanged)
        or embedding.unit_uid in (
            select sop_instance_uid from instance join unchanged on unchanged.id = series_id where is_current
        )
    )
""")
_MARK_INDEXED = sa.text(f"""
    update series set indexed_content = now.content from ({_CONTENT}) as now where series.id = now.series_id
""")


def unchanged_units(connection: sa.Connection, study_id: int) -> Mapping[str, str]:
    """Return unit -> model id of the vectors whose series holds exactly the instances that they were made from."""
    found = connection.execute(_UNCHANGED, {"study": study_id})
    return {row.unit_uid: row.name for row in found}


def write_outcome(connection: sa.Connection, study_id: int, outcome: Outcome) -> None:
    """Make reports, vectors, measures and reasons of the study those of the outcome."""
    _write_reports(connection, study_id, outcome)
    _write_vectors(connection, study_id, outcome)
    _write_measures(connection, study_id, outcome)
    _write_reasons(connection, study_id, outcome.not_indexable)
    connection.execute(_MARK_INDEXED, {"study": study_id})


def _write_reports(connection: sa.Connection, study_id: int, outcome: Outcome) -> None:
    """Reports that came through other channels stay as they are."""
    connection.execute(sa.delete(report).where(report.c.study_id == study_id, report.c.source == DICOM))
    for text, parsed in outcome.reports:
        stands = StandingReport(study_id, DICOM, text.source_sop_instance_uid, text.title, text.text)
        write_report(connection, stands, parsed)


def _write_vectors(connection: sa.Connection, study_id: int, outcome: Outcome) -> None:
    """Make the study's vectors those of the outcome and tell the index what changed.

    An equal vector keeps its row: a study that is indexed again unchanged (its own report came back from the PACS, say)
    leaves the index as it is, hence the report, hence nothing to push.
    """
    wanted = _wanted(connection, outcome)
    gone = []
    changed = sa.and_(embedding.c.study_id == study_id, embedding.c.unit_uid.not_in(outcome.kept))
    for row in connection.execute(sa.select(embedding).where(changed)):
        key = (row.model_version_id, row.unit_uid, row.anatomy)
        if key in wanted and np.array_equal(wanted[key], row.vec):
            del wanted[key]
        else:
            gone.append(row.id)
    connection.execute(sa.delete(embedding).where(embedding.c.id.in_(gone)))
    names = ("model_version_id", "unit_uid", "anatomy")
    rows = [{**dict(zip(names, key, strict=True)), "study_id": study_id, "vec": vec} for key, vec in wanted.items()]
    made = connection.execute(sa.insert(embedding).returning(embedding.c.id), rows).scalars() if rows else ()
    changes = [{"op": "delete", "embedding_id": key} for key in gone]
    changes += [{"op": "upsert", "embedding_id": key} for key in made]
    if changes:
        connection.execute(sa.insert(index_change), changes)


def _wanted(connection: sa.Connection, outcome: Outcome) -> dict[tuple[int, str, str], NDArray[np.float16]]:
    if outcome.model is None:
        return {}
    version = model_key(connection, outcome.model)
    return {
        (version, item.unit_uid, anatomy): vector.astype(np.float16)
        for item in outcome.encoded
        for anatomy, vector in item.vectors.items()
    }


def _write_measures(connection: sa.Connection, study_id: int, outcome: Outcome) -> None:
    changed = sa.and_(measure.c.study_id == study_id, measure.c.unit_uid.not_in(outcome.kept))
    connection.execute(sa.delete(measure).where(changed))
    rows = [
        {"study_id": study_id, "unit_uid": item.unit_uid, "name": name, "value": value}
        for item in outcome.encoded
        for name, value in item.features.items()
    ]
    if rows:
        connection.execute(sa.insert(measure), rows)


def _write_reasons(connection: sa.Connection, study_id: int, reasons: Mapping[str, str]) -> None:
    of_study = sa.select(series.c.id).where(series.c.study_id == study_id).scalar_subquery()
    connection.execute(sa.update(instance).where(instance.c.series_id.in_(of_study)).values(reason=""))
    by_reason: dict[str, list[str]] = {}
    for uid, reason in reasons.items():
        by_reason.setdefault(reason, []).append(uid)
    for reason, uids in by_reason.items():
        connection.execute(
            sa.update(instance)
            .where(instance.c.series_id.in_(of_study), instance.c.sop_instance_uid.in_(uids))
            .values(reason=reason)
        )
