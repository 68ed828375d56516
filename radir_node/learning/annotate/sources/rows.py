"""Tables as rows of text, plain or gzipped, each row with its place for messages. Used by every source here."""

import csv
import gzip
import json
import zlib
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, cast

from radir_node.errors import UserError

Row = tuple[str, dict[str, str]]
"""Place ("train_reports.csv, row 3"; the header is row 1), and the cells by column."""

_LONGEST_CELL = 10_000_000
_DAMAGED = (EOFError, OSError, zlib.error)
_UNREADABLE = (*_DAMAGED, UnicodeDecodeError)


def csv_rows(table: Path, columns: Collection[str]) -> Iterator[Row]:
    """Yield the rows of a .csv or .csv.gz that has these columns.

    Raises UserError, naming file and row, where it cannot be read, a column is missing or a row has too few cells.
    """
    csv.field_size_limit(_LONGEST_CELL)
    number = 1
    try:
        with _opened(table) as handle:
            reader = csv.DictReader(handle, strict=True)
            missing = sorted(set(columns) - set(reader.fieldnames or ()))
            if missing:
                raise UserError(f"{table}: no column {', '.join(missing)}")
            for number, row in enumerate(reader, 2):
                if any(value is None for value in row.values()) or None in row:
                    raise UserError(f"{table}, row {number}: not as many cells as the header has")
                yield f"{table}, row {number}", row
    except (*_UNREADABLE, csv.Error) as error:
        raise UserError(f"{table}, after row {number}: {_reason(error)}") from None


def json_rows(file: Path, columns: Collection[str]) -> Iterator[Row]:
    """Yield the objects of a .jsonl, blank lines left out. Raises UserError as csv_rows does."""
    number = 0
    try:
        with _opened(file) as handle:
            for number, line in enumerate(handle, 1):
                if line.strip():
                    yield f"{file}, row {number}", _object(line, f"{file}, row {number}", columns)
    except _UNREADABLE as error:
        raise UserError(f"{file}, after row {number}: {_reason(error)}") from None


def plain_or_gzipped(folder: Path, name: str) -> Path | None:
    """Find a table as name or name.gz; None where neither is there."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _opened(file: Path) -> AbstractContextManager[IO[str]]:
    if file.suffix == ".gz":
        return cast(IO[str], gzip.open(file, "rt", encoding="utf-8-sig", newline=""))
    return file.open(encoding="utf-8-sig", newline="")


def _object(line: str, where: str, columns: Collection[str]) -> dict[str, str]:
    """Read one line; the error of the JSON library is not passed on, because it can hold text of the report."""
    try:
        found = json.loads(line)
    except ValueError:
        raise UserError(f"{where}: not JSON") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UserError(f"{where}: not an object whose values are all strings")
    missing = sorted(set(columns) - set(found))
    if missing:
        raise UserError(f"{where}: no {', '.join(missing)}")
    return found


def _reason(error: Exception) -> str:
    """Say what is wrong without quoting the file."""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "the file is damaged or cut off" if isinstance(error, _DAMAGED) else "not a valid CSV table"
