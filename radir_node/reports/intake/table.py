"""Reads files of many reports, row by row: CSV (RFC 4180) and JSON Lines. For the backfill of a new node.

Never more than one row is in memory. A row that cannot be read costs that row; a file whose rows cannot be told apart
any more ends there, and says so.
"""

import csv
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import BinaryIO

from radir_node.domain.received_report import ReceivedReport
from radir_node.errors import UnreadableReport
from radir_node.reports.intake.fields import LINKS, NAMES, TEXTS, read_fields
from radir_node.reports.intake.json_elements import Element, json_object
from radir_node.reports.intake.source import STANDARD, SourceRules

MAX_ROW_BYTES = 4 << 20
SEPARATOR = "\\"
"""Between several accession numbers, UIDs or identifiers of one cell, as between values in DICOM (PS3.5 6.4)."""

_SEVERAL = frozenset({*LINKS, "identifiers"})
_DELIMITERS = (",", ";", "\t")
_NO_UTF8 = re.compile("[\udc80-\udcff]")
"""How Python writes such bytes."""
_DOUBTFUL = "the rows from here on are not read"
_NO_CSV = "not a valid CSV row: quotes that do not match, or a carriage return alone"

Row = tuple[int, ReceivedReport | UnreadableReport]
"""Number of the row, from 1 and without the header, and what it holds."""


class Format(StrEnum):
    """How the rows are written."""

    CSV = "csv"
    JSON_LINES = "jsonl"


def read_table(file: BinaryIO, written: Format, rules: SourceRules = STANDARD) -> Iterator[Row]:
    """Yield the rows of a file that is open for reading bytes, in UTF-8; empty rows are counted and left out.

    Columns and keys are those of fields.NAMES. Raise UnreadableReport where the header of a CSV file lacks a column or
    has one too many, before the first row.
    """
    lines = _Lines(file)
    if written is Format.JSON_LINES:
        return _json_rows(lines, rules)
    delimiter, columns = _header(lines)
    return _csv_rows(lines, delimiter, columns, rules)


class _Lines:
    """The lines of a file as text; bytes that are no UTF-8 stay recognisable, and a row that never ends is an error."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = MAX_ROW_BYTES

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise UnreadableReport(f"longer than {MAX_ROW_BYTES >> 20} MiB; {_DOUBTFUL}")
        if not line:
            raise StopIteration
        return line.decode("utf-8", "surrogateescape")

    def begin_row(self) -> None:
        self._left = MAX_ROW_BYTES


def _header(lines: _Lines) -> tuple[str, list[str]]:
    """Return the delimiter and the names of the columns."""
    line = next(lines, "").removeprefix("\ufeff")
    delimiter = max(_DELIMITERS, key=line.count)
    csv.field_size_limit(MAX_ROW_BYTES)  # of the whole process; the default is below the longest report
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error as error:
        raise UnreadableReport(f"header: {_NO_CSV}") from error
    columns = [name.strip().lower() for name in cells]
    unknown = [name for name in columns if name not in NAMES]
    twice = {name for name in columns if columns.count(name) > 1}
    faults = [
        f"{len(unknown)} unknown ({_quoted(unknown)})" if unknown else "",
        f"twice: {', '.join(sorted(twice))}" if twice else "",
        f"missing: {' or '.join(LINKS)}" if not set(LINKS) & set(columns) else "",
        f"missing: {' or '.join(TEXTS)}" if not set(TEXTS) & set(columns) else "",
    ]
    said = "; ".join(fault for fault in faults if fault)
    if said:
        raise UnreadableReport(f"columns {said}; known are {', '.join(NAMES)}")
    return delimiter, columns


def _quoted(names: list[str]) -> str:
    """Name unknown columns as far as they look like names of columns: a file without header begins with a report."""
    likely = [name for name in names if name.isascii() and name.replace("_", "").isalpha() and len(name) <= 40]
    return ", ".join(likely[:20]) if len(likely) == len(names) else "is there a header?"


def _csv_rows(lines: _Lines, delimiter: str, columns: list[str], rules: SourceRules) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        lines.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield number, UnreadableReport(f"row {number}: {_NO_CSV}; {_DOUBTFUL}")
            return
        except UnreadableReport as error:
            yield number, UnreadableReport(f"row {number}: {error}")
            return
        if any(cell.strip() for cell in cells):
            yield number, _outcome(number, dict(zip(columns, cells, strict=False)), len(cells) - len(columns), rules)


def _json_rows(lines: _Lines, rules: SourceRules) -> Iterator[Row]:
    number = 0
    while True:
        number += 1
        lines.begin_row()
        try:
            line = next(lines)
        except StopIteration:
            return
        except UnreadableReport as error:
            yield number, UnreadableReport(f"row {number}: {error}")
            return
        if said := line.strip("\ufeff \t\r\n"):
            yield number, _json_outcome(number, said, rules)


def _json_outcome(number: int, line: str, rules: SourceRules) -> ReceivedReport | UnreadableReport:
    try:
        if _is_foreign(line):
            raise UnreadableReport(f"row {number}: not in UTF-8, or with NUL characters")
        return read_fields(json_object(line, f"row {number}"), rules)
    except UnreadableReport as error:
        return _placed(number, error)


def _outcome(number: int, cells: dict[str, str], surplus: int, rules: SourceRules) -> ReceivedReport | UnreadableReport:
    try:
        if surplus:
            raise UnreadableReport(f"row {number}: {abs(surplus)} cells too {'many' if surplus > 0 else 'few'}")
        foreign = next((name for name, cell in cells.items() if _is_foreign(cell)), None)
        if foreign is not None:
            raise UnreadableReport(f"row {number}.{foreign}: not in UTF-8, or with NUL characters")
        fields = {name: cell.split(SEPARATOR) if name in _SEVERAL else cell for name, cell in cells.items()}
        return read_fields(Element(f"row {number}", fields), rules)
    except UnreadableReport as error:
        return _placed(number, error)


def _placed(number: int, error: UnreadableReport) -> UnreadableReport:
    said = str(error)
    return error if said.startswith("row ") else UnreadableReport(f"row {number}: {said}")


def _is_foreign(text: str) -> bool:
    """Tell whether a text holds NULs, or bytes that were no UTF-8."""
    return "\0" in text or _NO_UTF8.search(text) is not None
