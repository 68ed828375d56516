"""Real files of every kind are read, or have a reason; real studies come out as they should."""

import csv
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dicom_services.objects.header import read_header
from dicom_services.objects.part10 import open_dataset
from dicom_services.objects.preview import preview
from dicom_services.objects.report_text import READERS
from dicom_services.objects.study import prepare_study, reports_of
from radir_node.domain.study import InstanceHeader, Modality
from radir_node.errors import NotIndexable

Stored = list[tuple[Path, InstanceHeader]]

SECONDS_PER_FILE = 20
MEGABYTES = 4096


def dicom_files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in {".csv", ".md"})


def studies(folder: Path) -> dict[str, Stored]:
    """Group the files that have a header by study."""
    found: dict[str, Stored] = defaultdict(list)
    for path in dicom_files(folder):
        try:
            header = read_header(path)
        except NotIndexable:
            continue
        found[header.study_instance_uid].append((path, header))
    return found


@pytest.mark.parametrize("folder", ["dicom_zoo_small", "dicom_chest_misc", "dicom_sr"])
@pytest.mark.filterwarnings("ignore")
def test_everything_is_accounted_for(shared_data: Path, folder: str) -> None:
    """Each instance of a study is searched, is a report, or has one line of reason without UIDs."""
    unaccounted: list[str] = []
    reasons: list[str] = []
    for instances in studies(shared_data / folder).values():
        prepared = prepare_study(instances)
        reports, others = reports_of(instances)
        answered = {*prepared.not_indexable, *others, *(report.source_sop_instance_uid for report in reports)}
        answered |= {image.sop_instance_uid for image in prepared.radiographs}
        searched = {volume.series_instance_uid for volume in prepared.volumes}
        reasons += [*prepared.not_indexable.values(), *others.values()]
        unaccounted += [
            path.name
            for path, header in instances
            if header.sop_instance_uid not in answered and header.series_instance_uid not in searched
        ]

    assert [] == unaccounted
    assert [] == [reason for reason in reasons if not reason or "\n" in reason or re.search(r"\d+(\.\d+){3}", reason)]


@pytest.mark.filterwarnings("ignore")
def test_frontal_radiographs(shared_data: Path) -> None:
    """Every study of the radiograph sample yields exactly its frontal images and its report."""
    folder = shared_data / "openi_dicom_sample"
    found, expected, silent = {}, {}, []
    for uid, instances in studies(folder).items():
        images = [(path, header) for path, header in instances if header.sop_class_uid not in READERS]
        expected[uid] = {header.sop_instance_uid for _, header in images if header.series_description == "Frontal"}
        prepared = prepare_study(instances)
        found[uid] = {image.sop_instance_uid for image in prepared.radiographs}
        reports, _ = reports_of(instances)
        silent += [uid for report in reports if len(report.text) < 20] + [uid] * (len(reports) != 1)

    assert len(expected) > 40
    assert expected == found
    assert [] == silent


@pytest.mark.filterwarnings("ignore")
def test_radiographs_of_many_encodings(shared_data: Path) -> None:
    """The known frontal radiographs come out with dark lungs on either side of a bright spine."""
    names = ["dwv__gdcm-CR-MONO1", "orthanc-tests__Monochrome1-Jpeg", "pydicom-data__RG1_J2KI", "torchxrayvision__1.2"]
    for name in names:
        (path,) = (shared_data / "dicom_chest_misc").glob(f"{name}*")
        prepared = prepare_study([(path, read_header(path))])
        (image,) = prepared.radiographs
        rows, columns = image.pixels.shape
        band = image.pixels[int(rows * 0.3) : int(rows * 0.5)].mean(axis=0)
        spine = band[int(columns * 0.45) : int(columns * 0.55)].mean()
        lungs = [band[int(columns * at) : int(columns * (at + 0.12))].mean() for at in (0.2, 0.68)]
        assert max(lungs) < spine, name


def ct_series(shared_data: Path, subject: str) -> Stored:
    """Read the headers of one series; one of them has GUIDs for UIDs and gets valid ones here."""
    stored: Stored = []
    donor = read_header(next(dicom_files(shared_data / "covid_ct_md" / "normal001")))
    for number, path in enumerate(dicom_files(shared_data / "covid_ct_md" / subject)):
        try:
            stored.append((path, read_header(path)))
        except NotIndexable:
            stored.append((path, replace(donor, sop_instance_uid=f"1.2.3.{number}", series_instance_uid="1.2.3")))
    return stored


@pytest.mark.parametrize("subject", ["P001", "cap001", "normal001", "normal002"])
@pytest.mark.filterwarnings("ignore")
def test_ct_volumes(shared_data: Path, subject: str) -> None:
    """Real chest CT has its slices in the published order, true spacing, and plausible densities left and right."""
    stored = ct_series(shared_data, subject)
    with (shared_data / "covid_ct_md" / "slices.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["subject"] == subject]
    downwards = [Path(row["file"]).name for row in sorted(rows, key=lambda row: int(row["order_sup_to_inf"]))]

    prepared = prepare_study(stored)

    assert prepared.modality is Modality.CT
    (volume,) = prepared.volumes
    assert (len(rows), 512, 512) == volume.hu.shape
    assert abs(volume.spacing_mm[0] - 8) < 0.01
    files = {path.name: path for path, _ in stored}
    for place in (0, len(rows) // 3, len(rows) - 1):
        dataset = open_dataset(files[downwards[len(rows) - 1 - place]])
        assert np.array_equal(dataset.pixel_array.astype(int) - 1024, np.maximum(volume.hu[place].astype(int), -1024))
    lung = (volume.hu > -950) & (volume.hu < -600)
    lung[:, 400:] = False
    assert -900 < np.median(volume.hu[lung]) < -780
    shown = preview(prepared)
    assert shown is not None
    assert 512 == shown.pixels.shape[0]


def test_malformed_files(shared_data: Path, repository: Path) -> None:
    """Files made to break parsers end in a reason each, within time and memory, and none ends the process."""
    folder = shared_data / "dicom_fuzz"
    script = Path(__file__).with_name("read_corpus.py")

    done = subprocess.run(
        [sys.executable, str(script), str(folder), str(SECONDS_PER_FILE), str(MEGABYTES)],
        cwd=repository, env={"PYTHONPATH": str(repository)}, capture_output=True, text=True, check=False, timeout=250,
    )  # fmt: skip

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert 0 == done.returncode, f"after {lines[-1:]}: {done.stderr[-2000:]}"
    assert [path.name for path in dicom_files(folder)] == [line["file"] for line in lines]
    assert all(line["study"] and line["frames"] for line in lines)
