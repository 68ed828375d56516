"""Indexing over the real catalogue, with a reader and an encoder that note what they are asked for."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from radir_node.catalog.completion import CompletionTracker
from radir_node.catalog.database import Database
from radir_node.catalog.intake import Intake
from radir_node.catalog.jobs import job_app
from radir_node.catalog.report_linking import ReportLinking
from radir_node.catalog.studies import Studies
from radir_node.catalog.transitions import QuietTimes
from radir_node.catalog.vectors import Vectors
from radir_node.domain.embedding import GLOBAL, Encoded, ModelVersion
from radir_node.domain.report import ReportText
from radir_node.domain.stored import StoredInstance
from radir_node.domain.study import CtVolume, InstanceHeader, Modality, PreparedStudy, Radiograph
from radir_node.ingest.index_study import Indexer, Instances

NO_QUIET_TIME = QuietTimes(0, 0)


class Reader:
    """Takes every instance of modality DX for a frontal radiograph."""

    def prepare(self, instances: Instances) -> PreparedStudy:
        found = [
            Radiograph(header.sop_instance_uid, header.series_instance_uid, np.zeros((8, 8), np.float32))
            for _, header in instances
            if header.modality == "DX"
        ]
        return PreparedStudy(Modality.CXR if found else None, radiographs=tuple(found))

    def reports(self, instances: Instances) -> tuple[Sequence[ReportText], Mapping[str, str]]:
        return (), {}

    def save_preview(self, prepared: PreparedStudy, study_id: int) -> None:
        """Nobody looks at it here."""


@dataclass
class Encoder:
    """Gives every image the same vector, and lists the images."""

    version: ModelVersion = field(default_factory=lambda: ModelVersion("tiny", Modality.CXR, "0" * 64, "p1", ()))
    encoded: list[str] = field(default_factory=list)

    def encode(self, image: Radiograph) -> Encoded:
        self.encoded.append(image.sop_instance_uid)
        return Encoded(image.sop_instance_uid, {GLOBAL: np.eye(512, dtype=np.float32)[0]})

    def close(self) -> None:
        """There is nothing to release."""


class NoVolumes(Encoder):
    """These studies hold none."""

    def encode(self, image: Radiograph | CtVolume) -> Encoded:
        raise AssertionError("no volume was read")


@dataclass
class Bench:
    """Sends instances to one study and indexes it."""

    database: Database
    root: Path
    encoder: Encoder = field(default_factory=Encoder)

    def __post_init__(self) -> None:
        app = job_app(self.database.url)
        self.intake = Intake(self.database, app, b"k" * 32, NO_QUIET_TIME)
        self.completion = CompletionTracker(self.database, app, NO_QUIET_TIME)
        self.studies = Studies(self.database, app)
        self.linking = ReportLinking(self.database, app)

    def send(self, series: str, number: int, modality: str = "DX") -> None:
        uid = f"{series}.{number}"
        header = InstanceHeader(uid, "1.2", "1.2.840.10008.1.2.1", "1.2", series, modality=modality)
        self.intake.register(StoredInstance(header, "x.dcm", 1, uid, "AE", dt.datetime.now(dt.UTC)))

    def index(self) -> list[str]:
        """Return what was encoded."""
        self.encoder.encoded.clear()
        self.completion.settle(1)
        Indexer(self.studies, self.linking, Reader(), self.encoder, NoVolumes(), self.root).index(1)
        return list(self.encoder.encoded)


@pytest.fixture
def bench(database: Database, tmp_path: Path) -> Bench:
    return Bench(database, tmp_path)


def test_of_a_late_instance_only_its_own_series_is_encoded(bench: Bench) -> None:
    """The others keep their vectors, which were made from the same files by the same model."""
    bench.send("1.2.1", 1)
    bench.send("1.2.2", 1)
    first = bench.index()
    bench.send("1.2.2", 2)

    second = bench.index()

    assert ["1.2.1.1", "1.2.2.1"] == sorted(first)
    assert ["1.2.2.1", "1.2.2.2"] == sorted(second)
    assert 3 == len(list(Vectors(bench.database).rows()))


def test_a_late_report_encodes_nothing(bench: Bench) -> None:
    """The study is indexed again for its text; its images are as they were."""
    bench.send("1.2.1", 1)
    bench.index()
    bench.send("1.2.9", 1, "SR")

    assert [] == bench.index()
    assert {"indexed": 1} == bench.studies.counts()["studies"]


def test_another_model_encodes_everything(bench: Bench) -> None:
    """Vectors of one model say nothing about those of another."""
    bench.send("1.2.1", 1)
    bench.index()
    bench.encoder = Encoder(ModelVersion("tiny", Modality.CXR, "1" * 64, "p1", ()))
    bench.send("1.2.2", 1)

    assert ["1.2.1.1", "1.2.2.1"] == sorted(bench.index())
