"""Reports in one file, .jsonl or .csv (.gz): columns id and text, and where there are, split and image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from radir_node.domain.study import Modality
from radir_node.errors import UserError
from radir_node.learning.annotate.source import SourceReport, known_split
from radir_node.learning.annotate.sources.rows import Row, csv_rows, json_rows

_COLUMNS = ("id", "text")


@dataclass(frozen=True)
class ReportFile:
    """A file of reports. Without a column split all of it belongs to whatever split is asked for."""

    file: Path
    modality: Modality
    remarks: Sequence[str] = ()

    @property
    def name(self) -> str:
        return self.file.name

    def reports(self, split: str) -> Iterator[SourceReport]:
        """Yield the rows of a split in the order of the file. Raises UserError."""
        others: set[str] = set()
        found = False
        for where, row in self._rows():
            of = row.get("split", split)
            if of != split:
                others.add(of)
                continue
            found = True
            if not row["id"].strip():
                raise UserError(f"{where}: the id is empty")
            yield SourceReport(row["id"], row.get("image", ""), row["text"], split, where)
        if others and not found:
            known_split(split, sorted(others), str(self.file))

    def _rows(self) -> Iterator[Row]:
        kind = self.file.name.removesuffix(".gz").rpartition(".")[2]
        if kind == "jsonl":
            return json_rows(self.file, _COLUMNS)
        if kind == "csv":
            return csv_rows(self.file, _COLUMNS)
        raise UserError(f"{self.file}: reports are read from .jsonl or .csv, plain or .gz")
