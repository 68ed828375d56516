"""The archive that queries run over, and the files that are sent. Nobody's data: every value is counted up."""

import datetime as dt
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from radir_node.domain.person_name import folded

CT, DX = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.1.1"
ROOT = "2.25.7"
FIRST_DAY = dt.date(2001, 1, 1)
STUDIES_PER_DAY = 100

KEYWORDS = (
    "PatientID",
    "PatientName",
    "StudyInstanceUID",
    "StudyDate",
    "AccessionNumber",
    "StudyDescription",
    "SeriesInstanceUID",
    "Modality",
    "SOPInstanceUID",
    "InstanceNumber",
)
"""Keys that a benchmark query may hold."""

Row = Mapping[str, str]
"""One instance, by keyword."""


def rows(studies: int, images_of_the_first: int = 1) -> Iterator[Row]:
    """Yield the instances of an archive: one per study, 100 studies a day, but many in the first study."""
    for study in range(studies):
        for image in range(images_of_the_first if study == 0 else 1):
            yield row(study, image)


def row(study: int, image: int = 0) -> Row:
    return {
        "PatientID": f"P{study // 2:07d}",
        "PatientName": f"SYNTHETIC^P{study // 2:07d}",
        "StudyInstanceUID": f"{ROOT}.1.{study}",
        "StudyDate": day_of(study),
        "AccessionNumber": f"A{study:07d}",
        "StudyDescription": "CT CHEST",
        "SeriesInstanceUID": f"{ROOT}.2.{study}",
        "Modality": "CT",
        "SOPInstanceUID": f"{ROOT}.3.{study}.{image}",
        "InstanceNumber": str(image + 1),
    }


def day_of(study: int) -> str:
    return f"{FIRST_DAY + dt.timedelta(study // STUDIES_PER_DAY):%Y%m%d}"


def fill_catalogue(database_url: str, studies: int, images_of_the_first: int) -> None:
    """COPY the archive into the node's tables: the rows that receiving it would have made, without its files."""
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        columns = (
            "study_instance_uid, case_id, state, modality, patient_code, patient_id, patient_name, study_date, "
            "accession_number, study_description, patient_name_key, number_of_instances"
        )
        with cursor.copy(f"copy study ({columns}) from stdin") as copy:
            for study in range(studies):
                r = row(study)
                who = (r["PatientID"], r["PatientName"])
                what = (r["StudyDate"], r["AccessionNumber"], r["StudyDescription"], folded(r["PatientName"]))
                held = images_of_the_first if study == 0 else 1
                copy.write_row(
                    (r["StudyInstanceUID"], f"BENCH-{study}", "indexed", "CT", study // 2, *who, *what, held)
                )
        cursor.execute(
            "insert into series (study_id, series_instance_uid, modality, series_number, number_of_instances) "
            "select id, %s || substring(study_instance_uid from %s), 'CT', 1, number_of_instances from study "
            "where case_id like 'BENCH-%%' "
            "order by id",
            (f"{ROOT}.2.", len(f"{ROOT}.1.") + 1),
        )
        cursor.execute(
            "insert into instance (series_id, sop_instance_uid, sop_class_uid, transfer_syntax_uid, instance_number, "
            "rows, columns, path, size_bytes, sha256) "
            "select s.id, %(root)s || '.3.' || substring(s.series_instance_uid from %(from)s) || '.' || n, %(class)s, "
            "%(syntax)s, n + 1, 512, 512, 'instances/none', 0, md5(s.id::text || '.' || n) from series s, "
            "generate_series(0, case when s.series_instance_uid = %(first)s then %(images)s - 1 else 0 end) n "
            "where s.series_instance_uid like %(all)s order by s.id, n",
            {
                "root": ROOT,
                "from": len(f"{ROOT}.2.") + 1,
                "class": CT,
                "syntax": str(ExplicitVRLittleEndian),
                "first": f"{ROOT}.2.0",
                "images": images_of_the_first,
                "all": f"{ROOT}.2.%",
            },
        )
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")


def write_archive(folder: Path, studies: int, images_of_the_first: int) -> None:
    """Write the archive as small files, for a server that is filled by C-STORE."""
    folder.mkdir(parents=True)
    for number, r in enumerate(rows(studies, images_of_the_first)):
        ds = _dataset(CT, 8)
        for keyword, value in r.items():
            setattr(ds, keyword, value)
        ds.save_as(folder / f"{number:06d}.dcm", enforce_file_format=True)


def _dataset(sop_class_uid: str, side: int) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = sop_class_uid
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = "1", 1, 1
    ds.Modality = "CT" if sop_class_uid == CT else "DX"
    ds.Rows = ds.Columns = side
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.PixelData = np.random.default_rng(side).integers(0, 4095, (side, side), dtype=np.uint16).tobytes()
    return ds


@dataclass
class Files:
    """Objects of one size, in one folder per association. renew() makes them objects that no one has seen before."""

    count: int
    side: int
    sop_class_uid: str
    folders: list[Path]
    generation: int = 0

    @property
    def bytes(self) -> int:
        """Size of the objects of one association."""
        return sum(path.stat().st_size for path in self.folders[0].iterdir())

    def write(self) -> "Files":
        for number, folder in enumerate(self.folders):
            folder.mkdir(parents=True)
            ds = _dataset(self.sop_class_uid, self.side)
            ds.PatientID, ds.PatientName, ds.AccessionNumber = f"B{self.side}", "SYNTHETIC^BENCH", f"B{self.side}"
            ds.StudyDate, ds.StudyDescription = "20260101", "BENCHMARK"
            for index in range(self.count):
                ds.StudyInstanceUID = self._uid(1, number)
                ds.SeriesInstanceUID = self._uid(2, number)
                ds.SOPInstanceUID = self._uid(3, number, index)
                ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
                buffer = io.BytesIO()
                ds.save_as(buffer, enforce_file_format=True)
                (folder / f"{index:04d}.dcm").write_bytes(buffer.getvalue())
        return self

    def _uid(self, kind: int, folder: int, index: int = 0) -> str:
        """UIDs of one kind have one length, whatever is counted in them."""
        return f"{ROOT}.{kind}{self.side:04d}.{len(self.folders)}{self.generation:06d}.1{folder:02d}{index:05d}"

    def renew(self) -> None:
        """Overwrite the UIDs in place: the same bytes again would be a resend, which a receiver may cut short."""
        before = [[self._uid(kind, number) for kind in (1, 2)] for number in range(len(self.folders))]
        self.generation += 1
        for number, folder in enumerate(self.folders):
            for index in range(self.count):
                old = Files(self.count, self.side, self.sop_class_uid, self.folders, self.generation - 1)
                pairs = [
                    *zip(before[number], (self._uid(kind, number) for kind in (1, 2)), strict=True),
                    (old._uid(3, number, index), self._uid(3, number, index)),
                ]
                _overwrite(folder / f"{index:04d}.dcm", pairs)


def _overwrite(path: Path, pairs: list[tuple[str, str]]) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        head = os.pread(descriptor, 4096, 0)
        for old, new in pairs:
            head = head.replace(old.encode(), new.encode())
        os.pwrite(descriptor, head, 0)
    finally:
        os.close(descriptor)
