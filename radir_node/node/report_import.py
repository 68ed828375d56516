"""Bulk files of reports into the inbox, some hundred rows to a transaction. Called by `radir reports import`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from radir_node.domain.received_report import Channel, ReceivedReport, Submission
from radir_node.errors import UnreadableReport, UserError
from radir_node.node.node import Node
from radir_node.node.report_sources import rules
from radir_node.reports.intake.table import Format, read_table

ROWS_AT_ONCE = 200
NOBODY = Channel.BULK.value
"""Source of reports that are no configured source's."""
_FORMATS = {".csv": Format.CSV, ".tsv": Format.CSV, ".jsonl": Format.JSON_LINES, ".ndjson": Format.JSON_LINES}

_IDENTITY = (
    "report_key",
    "status",
    "text",
    "title",
    "language",
    "accession_numbers",
    "study_instance_uids",
    "patient_id",
    "issuer_of_patient_id",
    "effective_at",
)
"""A field that is added some day must not make another report of a row that was imported before."""


@dataclass(frozen=True, slots=True)
class Progress:
    """After each batch."""

    position: int
    """Bytes of the file that were read."""
    accepted: int
    refused: tuple[str, ...]
    """One line for each row of the batch that cannot be read, with its number; never a word of it."""


def import_reports(node: Node, file: Path, source: str) -> Iterator[Progress]:
    """Make every readable row durable and yield the progress; the same file again changes nothing.

    Raises UserError for a file that cannot be opened or whose columns are wrong, DatabaseDown: import it again then.
    """
    if source not in (NOBODY, *node.settings.reports.sources):
        known = ", ".join(sorted(node.settings.reports.sources)) or "none"
        raise UserError(f"--source: {source!r} is no name of [reports.sources]; known: {known}")
    written = _FORMATS.get(file.suffix.lower())
    if written is None:
        raise UserError(f"{file}: the name must end with {', '.join(_FORMATS)}")
    try:
        with file.open("rb") as stream:
            rows = read_table(stream, written, rules(source, node.settings.reports))
            while batch := list(islice(rows, ROWS_AT_ONCE)):
                reports = [report for _, report in batch if isinstance(report, ReceivedReport)]
                node.report_inbox.accept([_submission(report, source) for report in reports])
                refused = tuple(str(fault) for _, fault in batch if isinstance(fault, UnreadableReport))
                yield Progress(stream.tell(), len(reports), refused)
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from error
    except UnreadableReport as error:
        raise UserError(f"{file}: {error}") from error


def _submission(report: ReceivedReport, source: str) -> Submission:
    """A row is kept, and known again, by what it says."""
    said = {name: getattr(report, name) for name in _IDENTITY}
    return Submission(Channel.BULK, source, json.dumps(said, default=str, sort_keys=True).encode(), report)
