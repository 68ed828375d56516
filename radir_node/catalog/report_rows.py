"""Rows of the reports that stand, with their tags: written by indexing, by linking and when the parser changes.

Functions inside the transactions of their callers.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from radir_node.catalog.tables import report, report_tag
from radir_node.domain.report import ParsedReport, Tag

DICOM = ""
"""Source of the reports that are objects inside their study. No channel has it, whatever its sources are called."""


@dataclass(frozen=True, slots=True)
class StandingReport:
    """A report as one study has it now."""

    study_id: int
    source: str
    report_key: str
    """With study and source the identity of the report."""
    title: str
    text: str
    declared_language: str = ""
    identifiers: tuple[str, ...] = ()


def write_report(connection: sa.Connection, stands: StandingReport, parsed: ParsedReport) -> None:
    """Let a report of a study be this text with these tags, whatever it was before."""
    key = ("study_id", "source", "report_key")
    values = asdict(stands) | {"identifiers": list(stands.identifiers)} | _read(parsed)
    changed = {name: value for name, value in values.items() if name not in key}
    written = insert(report).values(values).on_conflict_do_update(index_elements=key, set_=changed)
    write_tags(connection, connection.execute(written.returning(report.c.id)).scalar_one(), parsed.tags)


def read_again(connection: sa.Connection, report_id: int, parsed: ParsedReport) -> None:
    """Replace what was read from a report whose text stays."""
    connection.execute(sa.update(report).where(report.c.id == report_id).values(**_read(parsed)))
    write_tags(connection, report_id, parsed.tags)


def write_tags(connection: sa.Connection, report_id: int, tags: Iterable[Tag]) -> None:
    """Let the tags of a report be these."""
    connection.execute(sa.delete(report_tag).where(report_tag.c.report_id == report_id))
    rows = [{**_tag_values(tag), "report_id": report_id} for tag in tags]
    if rows:
        connection.execute(sa.insert(report_tag), rows)


def _read(parsed: ParsedReport) -> dict[str, Any]:
    return {"parser_version": parsed.parser_version, "language": parsed.language, "parsed_at": sa.func.now()}


def _tag_values(tag: Tag) -> dict[str, Any]:
    return {
        "finding": tag.finding,
        "anatomy": tag.anatomy,
        "status": tag.status,
        "span_start": tag.start,
        "span_end": tag.end,
        "sentence_start": tag.sentence_start,
        "sentence_end": tag.sentence_end,
        "rule": tag.rule,
        "change": tag.change,
    }
