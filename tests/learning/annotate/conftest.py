"""Small synthetic data sets in the layouts of the real ones. No real report is among them."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

REPORTS = {
    "a": "FINDINGS: Small right pleural effusion. The heart is enlarged.\n\nIMPRESSION: Cardiomegaly.",
    "b": "FINDINGS: Moderate right pleural effusion. The heart is enlarged.",
    "c": "FINDINGS: No pleural effusion or pneumothorax. The heart is normal in size.",
    "d": "FINDINGS: Consolidation in the left lower lobe. No pneumothorax.",
    "e": "INDICATION: Cough.\n\nFINDINGS: Consolidation in the right lower lobe, suspicious for pneumonia.",
    "f": "FINDINGS: Bilateral pleural effusions.",
}


class Silent:
    """A watcher that only remembers."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.steps: list[int] = []

    def stage(self, name: str, total: int | None) -> None:
        self.stages.append((name, total))
        self.steps.append(0)

    def advance(self, steps: int) -> None:
        self.steps[-1] += steps


@pytest.fixture
def watcher() -> Silent:
    return Silent()


@pytest.fixture
def write_csv() -> Callable[..., Path]:
    """Write a table: path, columns, rows."""

    def write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle).writerows([columns, *rows])
        return path

    return write


@pytest.fixture
def report_file(tmp_path: Path) -> Path:
    """Six reports as a .jsonl."""
    file = tmp_path / "reports.jsonl"
    lines = (json.dumps({"id": name, "text": text}) + "\n" for name, text in REPORTS.items())
    file.write_text("".join(lines), encoding="utf-8")
    return file


@pytest.fixture
def mimic(tmp_path: Path, write_csv: Callable[..., Path]) -> Path:
    """Three studies of MIMIC-CXR's layout, two of them for training."""
    folder = tmp_path / "mimic"
    rows = [
        ("dicom1", "51143872", "14789176", "train"),
        ("dicom2", "51143872", "14789176", "train"),
        ("dicom3", "50000001", "10000001", "train"),
        ("dicom4", "50000002", "10000002", "test"),
    ]
    write_csv(folder / "mimic-cxr-2.0.0-split.csv", ("dicom_id", "study_id", "subject_id", "split"), rows)
    for (_, study, subject, _), text in zip(rows[1:], REPORTS.values(), strict=False):
        report = folder / "files" / f"p{subject[:2]}" / f"p{subject}" / f"s{study}.txt"
        report.parent.mkdir(parents=True)
        report.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def ct_rate(tmp_path: Path, write_csv: Callable[..., Path]) -> Path:
    """Tables of CT-RATE's layout: two scans for training, one with two reconstructions, and one for validation."""
    folder = tmp_path / "ct_rate"
    columns = ("VolumeName", "ClinicalInformation_EN", "Technique_EN", "Findings_EN", "Impressions_EN")
    texts = ("Trachea and both main bronchi are open.\nNo pleural effusion.", "Nodule in the right upper lobe.")
    train = [(f"train_{name}.nii.gz", "Cough.", "CT.", *texts) for name in ("1_a_1", "1_a_2", "2_b_1")]
    write_csv(folder / "train_reports.csv", columns, train)
    write_csv(folder / "validation_reports.csv", columns, [("valid_692_a_1.nii.gz", "", "", *texts)])
    return folder
