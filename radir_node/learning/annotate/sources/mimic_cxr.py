"""MIMIC-CXR in the layout of its release: files/pXX/pXXXXXXXX/sXXXXXXXX.txt and the table of its splits.

    FOLDER/mimic-cxr-2.0.0-split.csv[.gz]       dicom_id, study_id, subject_id, split (train, validate, test)
    FOLDER/mimic-cxr-2.0.0-metadata.csv[.gz]    optional: dicom_id, ViewPosition
    FOLDER/files/p14/p14789176/s51143872.txt    the report

Ids are study-level, "/p14/p14789176/s51143872"; the image is the study's frontal one where the metadata tell, else its
first (method spec 4.4).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from radir_node.domain.study import Modality
from radir_node.errors import UserError
from radir_node.learning.annotate.source import SourceReport, known_split
from radir_node.learning.annotate.sources.rows import csv_rows, plain_or_gzipped

SPLIT_TABLE = "mimic-cxr-2.0.0-split.csv"
METADATA_TABLE = "mimic-cxr-2.0.0-metadata.csv"
_COLUMNS = ("dicom_id", "study_id", "subject_id", "split")
_FRONTAL = {"PA": 0, "AP": 1}
_OTHER_VIEW = 2


@dataclass(slots=True)
class _Study:
    subject: str
    split: str
    where: str
    images: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class MimicCxr:
    """A folder of MIMIC-CXR."""

    folder: Path
    name: str = "MIMIC-CXR"
    modality: Modality = Modality.CXR
    remarks: Sequence[str] = ()

    def reports(self, split: str) -> Iterator[SourceReport]:
        """Yield the studies of a split in the order of its table. Raises UserError."""
        studies = self._studies()
        known_split(split, sorted({study.split for study in studies.values()}), str(self.folder))
        views = self._views()
        for number, study in studies.items():
            if study.split == split:
                path = f"p{study.subject[:2]}/p{study.subject}/s{number}"
                image = min(study.images, key=lambda dicom_id: views.get(dicom_id, _OTHER_VIEW))
                text = self._text(f"files/{path}.txt", study.where)
                yield SourceReport(f"/{path}", f"files/{path}/{image}.jpg", text, split, study.where)

    def _studies(self) -> dict[str, _Study]:
        table = plain_or_gzipped(self.folder, SPLIT_TABLE)
        if table is None:
            raise UserError(f"{self.folder} holds no {SPLIT_TABLE}, plain or .gz")
        studies: dict[str, _Study] = {}
        for where, row in csv_rows(table, _COLUMNS):
            if not (row["study_id"].isdecimal() and row["subject_id"].isdecimal()):
                raise UserError(f"{where}: study_id and subject_id must be numbers")
            study = studies.setdefault(row["study_id"], _Study(row["subject_id"], row["split"], where))
            if (study.subject, study.split) != (row["subject_id"], row["split"]):
                raise UserError(f"{where}: another subject or split than at the study's first image")
            study.images.append(row["dicom_id"])
        return studies

    def _views(self) -> dict[str, int]:
        table = plain_or_gzipped(self.folder, METADATA_TABLE)
        rows = csv_rows(table, ("dicom_id", "ViewPosition")) if table else ()
        return {row["dicom_id"]: _FRONTAL.get(row["ViewPosition"], _OTHER_VIEW) for _, row in rows}

    def _text(self, file: str, where: str) -> str:
        try:
            return (self.folder / file).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise UserError(f"{where}: report {file}: {error.strerror}") from None
