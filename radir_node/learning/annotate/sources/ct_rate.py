"""CT-RATE by its tables of reports: train_reports.csv and validation_reports.csv.

Columns VolumeName, Findings_EN, Impressions_EN. A scan has several reconstructions ("valid_692_a_1.nii.gz", "..._2")
with one report; as in the published annotation the first one stands for the scan (method spec 4.4).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from radir_node.domain.study import Modality
from radir_node.errors import UserError
from radir_node.learning.annotate.source import SourceReport, known_split
from radir_node.learning.annotate.sources.rows import csv_rows, plain_or_gzipped

_COLUMNS = ("VolumeName", "Findings_EN", "Impressions_EN")
_TABLES = {"train": "train_reports.csv", "validation": "validation_reports.csv"}
_SUFFIX = ".nii.gz"
_PARTS = 4


@dataclass(frozen=True)
class CtRate:
    """A folder with the tables of CT-RATE."""

    folder: Path
    name: str = "CT-RATE"
    modality: Modality = Modality.CT
    remarks: Sequence[str] = ("One volume stands for each scan: its first reconstruction.",)

    def reports(self, split: str) -> Iterator[SourceReport]:
        """Yield the scans of a split in the order of its table. Raises UserError."""
        tables = {name: plain_or_gzipped(self.folder, table) for name, table in _TABLES.items()}
        known_split(split, [name for name, table in tables.items() if table], str(self.folder))
        seen: set[str] = set()
        table = tables[split]
        for where, row in csv_rows(table, _COLUMNS) if table else ():
            volume = row["VolumeName"]
            parts = volume.removesuffix(_SUFFIX).split("_")
            if len(parts) != _PARTS or not volume.endswith(_SUFFIX):
                raise UserError(f"{where}: VolumeName is not like valid_692_a_1{_SUFFIX}")
            group, patient, scan, _ = parts
            if f"{patient}_{scan}" not in seen:
                seen.add(f"{patient}_{scan}")
                image = f"{group}/{group}_{patient}/{group}_{patient}_{scan}/{volume}"
                yield SourceReport(volume, image, _text(row), split, where)


def _text(row: dict[str, str]) -> str:
    return f"FINDINGS:\n{row['Findings_EN']}\n\nIMPRESSION:\n{row['Impressions_EN']}"
