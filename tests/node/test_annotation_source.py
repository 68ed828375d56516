"""The node's own archive as a source of annotation, over a real catalogue."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from radir_node.catalog import annotation
from radir_node.catalog.annotation import ReportedStudies
from radir_node.domain.embedding import GLOBAL, Encoded
from radir_node.domain.indexing import Outcome
from radir_node.domain.report import ReportText
from radir_node.domain.stored import StoredInstance
from radir_node.domain.study import InstanceHeader, Modality, StudyState
from radir_node.errors import UserError
from radir_node.learning.annotate.build import Order, annotate
from radir_node.node.annotation_source import SPLITS, ArchiveSource, split_of
from radir_node.node.node import Node
from radir_node.reports.parser import parse_report
from radir_node.settings import Settings

REPORT = (
    "INDICATION: Mrs. Canary is 93 years old.\n\nFINDINGS: Right pleural effusion, seen by Dr. Quack on 2024-01-31. "
    "CANARY has no pneumothorax.\n\nIMPRESSION: Effusion. Findings were discussed with the referring physician."
)

Index = Callable[..., None]


@pytest.fixture
def node(database_url: str, tmp_path: Path) -> Iterator[Node]:
    """A node over a catalogue of this test alone."""
    settings = Settings.model_validate(
        {
            "database": {"url": database_url},
            "storage": {"root": tmp_path / "root"},
            "dicom": {"quiet_seconds_radiograph": 0, "quiet_seconds_ct": 0},
        }
    )
    with Node(settings) as opened:
        yield opened


@pytest.fixture
def index(node: Node) -> Index:
    """Index radiograph number n, counted from 1, with a report or without."""
    model = node.models[Modality.CXR]

    def add(number: int, report: str = REPORT, patient: str = "") -> None:
        uid = f"1.{number}"
        header = InstanceHeader(
            f"{uid}.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.1.2.1", uid, f"{uid}.1",
            modality="DX", patient_id=patient or f"MRN{number}", patient_name="CANARY^ANNA",
        )  # fmt: skip
        node.intake.register(StoredInstance(header, f"{uid}.dcm", 1, uid, "AE", dt.datetime.now(dt.UTC)))
        node.completion.settle(number)
        work = node.studies.start(number)
        assert work is not None
        vector = np.eye(512, dtype=np.float32)[number]
        encoded = Encoded(header.sop_instance_uid, dict.fromkeys((GLOBAL, *model.anatomies), vector))
        texts = ((ReportText(f"{uid}.9", report), parse_report(report)),) if report else ()
        assert node.studies.finish(work, Outcome(StudyState.INDEXED, "", Modality.CXR, model, (encoded,), texts))

    return add


@pytest.fixture
def source(node: Node) -> ArchiveSource:
    return ArchiveSource(node.cases, ReportedStudies(node.database), Modality.CXR)


def every(source: ArchiveSource) -> list[tuple[str, str, str]]:
    return [(report.id, report.split, report.text) for split in SPLITS for report in source.reports(split)]


def test_reports_go_out_without_identifiers(node: Node, index: Index, source: ArchiveSource) -> None:
    """Case ids for names; no patient, no physician, no date, no age of 93, no UID, no sentence about people."""
    index(1)

    ((name, _, text),) = every(source)

    case = node.cases.by_uid("1.1")
    assert case is not None
    assert case.case_id == name
    assert "Right pleural effusion" in text
    assert "no pneumothorax" in text
    shown = f"{name} {text}".lower()
    assert [] == [
        word for word in ("canary", "anna", "quack", "2024", "93", "mrn1", "1.1", "discussed") if word in shown
    ]


def test_studies_without_report_and_of_the_other_modality_are_left_out(index: Index, source: ArchiveSource) -> None:
    """What cannot be compared is no study of the annotation."""
    index(1, report="")
    index(2)

    assert 1 == len(every(source))
    assert [] == every(ArchiveSource(source.cases, source.studies, Modality.CT))


def test_pages_give_each_study_once(index: Index, source: ArchiveSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages there are, in the order of arrival."""
    for number in range(1, 6):
        index(number)
    whole = every(source)

    monkeypatch.setattr(annotation, "PAGE", 2)

    assert 5 == len({name for name, _, _ in whole})
    assert whole == every(source)


def test_a_patient_is_in_one_split(index: Index, source: ArchiveSource) -> None:
    """All studies of a patient are for training, or none."""
    for number in range(1, 5):
        index(number, patient="SAME")

    assert 1 == len({split for _, split, _ in every(source)})


def test_splits_have_their_shares_and_never_move() -> None:
    """80, 10 and 10 of a hundred patients; these were written down when the rule was made."""
    parts = [split_of(code) for code in range(4000)]

    assert {name: pytest.approx(share / 100, abs=0.02) for name, share in SPLITS.items()} == {
        name: parts.count(name) / len(parts) for name in SPLITS
    }
    assert ["train", "test", "test", "test", "train"] == [split_of(code) for code in range(5)]


def test_another_split_is_refused(source: ArchiveSource) -> None:
    """The archive has three."""
    with pytest.raises(UserError, match="no split 'dev'; it has train, validation, test"):
        list(source.reports("dev"))


def test_the_archive_is_annotated(index: Index, source: ArchiveSource, tmp_path: Path) -> None:
    """From the catalogue to matrices."""

    class Nobody:
        def stage(self, name: str, total: int | None) -> None: ...

        def advance(self, steps: int) -> None: ...

    for number in range(1, 4):
        index(number, patient="SAME")
    split = every(source)[0][1]

    annotate(source, Order(tmp_path / "out", split), Nobody())

    names = [json.loads(line)["name"] for line in (tmp_path / "out" / f"{split}.jsonl").read_text().splitlines()]
    assert [name for name, _, _ in every(source)] == names
    np.testing.assert_allclose(np.ones((3, 3)), np.load(tmp_path / "out" / f"{split}_ratescore" / "pleura.npy"))
