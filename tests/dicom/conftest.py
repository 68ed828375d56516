"""A DICOM server over an archive in memory, real DICOM objects, and the independent tools that talk to it."""

import datetime as dt
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from dicom_services.objects.stored_object import describe
from dicom_services.scp.ports import (
    FindRequest,
    Level,
    Refusal,
    Registered,
    RetrieveRequest,
    StoredInstance,
    StoredObject,
    VirtualSeries,
)
from dicom_services.scp.server import DicomServer, Ports, start_server
from radir_node.domain.commitment import (
    CommitmentReport,
    CommitmentRequest,
    DueReport,
    FailedReference,
    FailureReason,
)
from radir_node.domain.procedure_step import ProcedureStep
from radir_node.domain.study import Evidence, InstanceHeader
from radir_node.errors import DatabaseDown, UnknownStudy
from radir_node.settings import VERBS, Dicom, Peer


@dataclass
class MemoryArchive:
    """The server's three ports over a dict: what the catalogue does in Postgres, without its queue."""

    root: Path
    policy: Registered = Registered.REPLACED
    down: bool = False
    stored: dict[str, StoredInstance] = field(default_factory=dict)
    history: list[StoredInstance] = field(default_factory=list)
    """Everything that was handed over, in order."""
    registered: list[Registered] = field(default_factory=list)
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    reports: dict[str, tuple[VirtualSeries, Path]] = field(default_factory=dict)
    """Study Instance UID -> its virtual series and the file that render() returns."""
    made_before: dict[str, Path] = field(default_factory=dict)
    """SOP Instance UID -> report that was handed out."""
    asked_at_once: list[int] = field(default_factory=list)
    """Number of studies in each question for virtual series."""
    rendered: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def register_all(self, batch: Sequence[StoredInstance]) -> list[Registered]:
        self._check()
        return [self._register(stored) for stored in batch]

    def _register(self, stored: StoredInstance) -> Registered:
        with self.lock:
            before = self.stored.get(stored.header.sop_instance_uid)
            outcome = self._outcome(before, stored)
            if outcome in (Registered.NEW, Registered.REPLACED):
                self.stored[stored.header.sop_instance_uid] = stored
            self.history.append(stored)
            self.registered.append(outcome)
            return outcome

    def refuse_all(self, batch: Sequence[Refusal]) -> None:
        self._check()
        self.refused += [(item.reason, item.calling_ae_title, item.sop_class_uid) for item in batch]

    def find(self, request: FindRequest) -> Iterator[Mapping[str, object]]:
        self._check()
        rows: dict[str, Mapping[str, object]] = {}
        for stored in self.stored.values():
            unique, row = self._row(request.level, stored.header)
            rows.setdefault(unique, row)
        yield from rows.values()

    def instances(self, request: RetrieveRequest) -> list[StoredObject]:
        self._check()
        return [
            self._object(s)
            for s in self.stored.values()
            if (not request.patient_id or s.header.patient_id == request.patient_id)
            and (not request.study_instance_uids or s.header.study_instance_uid in request.study_instance_uids)
            and (not request.series_instance_uids or s.header.series_instance_uid in request.series_instance_uids)
            and (not request.sop_instance_uids or s.header.sop_instance_uid in request.sop_instance_uids)
        ]

    def series_of_many(self, study_instance_uids: Collection[str]) -> dict[str, VirtualSeries]:
        self._check()
        self.asked_at_once.append(len(study_instance_uids))
        return {uid: self.reports[uid][0] for uid in study_instance_uids if uid in self.reports}

    def render(self, study_instance_uid: str) -> Path:
        if study_instance_uid not in self.reports:
            raise UnknownStudy("the study is not indexed")
        self.rendered[study_instance_uid] += 1
        return self.reports[study_instance_uid][1]

    def issued(self, sop_instance_uid: str) -> StoredObject | None:
        self._check()
        path = self.made_before.get(sop_instance_uid)
        return describe(path) if path else None

    def _check(self) -> None:
        if self.down:
            raise DatabaseDown("no connection")

    def _outcome(self, before: StoredInstance | None, stored: StoredInstance) -> Registered:
        if before is None:
            return Registered.NEW
        return Registered.SAME if before.sha256 == stored.sha256 else self.policy

    def _row(self, level: Level, header: InstanceHeader) -> tuple[str, Mapping[str, object]]:
        peers = [s.header for s in self.stored.values()]
        study = [h for h in peers if h.study_instance_uid == header.study_instance_uid]
        patient: dict[str, object] = {
            "PatientID": header.patient_id,
            "PatientName": header.patient_name,
            "PatientSex": header.patient_sex,
            "PatientBirthDate": header.patient_birth_date,
        }
        if level is Level.PATIENT:
            return header.patient_id, patient
        of_study = patient | {
            "StudyInstanceUID": header.study_instance_uid,
            "StudyDate": header.study_date,
            "AccessionNumber": header.accession_number,
            "StudyDescription": header.study_description,
            "ProcedureCodeSequence": header.procedure_code_sequence,
            "ModalitiesInStudy": sorted({h.modality for h in study}),
            "SOPClassesInStudy": sorted({h.sop_class_uid for h in study}),
            "NumberOfStudyRelatedSeries": len({h.series_instance_uid for h in study}),
            "NumberOfStudyRelatedInstances": len(study),
        }
        if level is Level.STUDY:
            return header.study_instance_uid, of_study
        of_series = of_study | {
            "SeriesInstanceUID": header.series_instance_uid,
            "Modality": header.modality,
            "SeriesDescription": header.series_description,
            "SeriesNumber": header.series_number,
        }
        if level is Level.SERIES:
            return header.series_instance_uid, of_series
        of_image = {
            "SOPInstanceUID": header.sop_instance_uid,
            "SOPClassUID": header.sop_class_uid,
            "InstanceNumber": header.instance_number,
        }
        return header.sop_instance_uid, of_series | of_image

    def _object(self, stored: StoredInstance) -> StoredObject:
        h = stored.header
        return StoredObject(
            self.root / stored.path,
            h.sop_class_uid,
            h.sop_instance_uid,
            h.transfer_syntax_uid,
            h.study_instance_uid,
            h.series_instance_uid,
        )


@dataclass
class MemoryPromises:
    """The ports of commitment, procedure steps and completion over lists: each report is due until it is delivered."""

    archive: MemoryArchive
    requested: list[CommitmentRequest] = field(default_factory=list)
    owed: list[DueReport] = field(default_factory=list)
    held_for_delivery: set[int] = field(default_factory=set)
    delivered_reports: list[CommitmentReport] = field(default_factory=list)
    postponed_reasons: list[str] = field(default_factory=list)
    asked_of_peers: set[str] = field(default_factory=set)
    """Transaction UIDs of requests that the node has sent."""
    confirmed: list[tuple[str, CommitmentReport]] = field(default_factory=list)
    steps: dict[str, ProcedureStep] = field(default_factory=dict)
    announced: list[tuple[str, set[str], Evidence]] = field(default_factory=list)
    down: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, request: CommitmentRequest) -> None:
        self._check()
        with self.lock:
            self.requested.append(request)
            report = CommitmentReport(request.transaction_uid, (), ())
            self.owed.append(DueReport(len(self.requested), request.calling_ae_title, report, 0))

    def hasten(self, calling_ae_title: str) -> None:
        self._check()

    def take(self, calling_ae_title: str) -> DueReport | None:
        self._check()
        with self.lock:
            for due in self.owed:
                if due.calling_ae_title == calling_ae_title and due.id not in self.held_for_delivery:
                    self.held_for_delivery.add(due.id)
                    return replace(due, report=self._judged(self.requested[due.id - 1]))
        return None

    def delivered(self, due: DueReport) -> None:
        with self.lock:
            self.owed = [other for other in self.owed if other.id != due.id]
            self.delivered_reports.append(due.report)

    def postponed(self, due: DueReport, reason: str) -> None:
        with self.lock:
            self.held_for_delivery.discard(due.id)
            self.postponed_reasons.append(reason)

    def confirm(self, calling_ae_title: str, report: CommitmentReport) -> bool:
        self._check()
        self.confirmed.append((calling_ae_title, report))
        return report.transaction_uid in self.asked_of_peers

    def create(self, step: ProcedureStep) -> bool:
        self._check()
        with self.lock:
            return self.steps.setdefault(step.sop_instance_uid, step) is step

    def change(self, sop_instance_uid: str, change: Callable[[ProcedureStep], ProcedureStep]) -> ProcedureStep | None:
        self._check()
        with self.lock:
            if sop_instance_uid not in self.steps:
                return None
            self.steps[sop_instance_uid] = change(self.steps[sop_instance_uid])
            return self.steps[sop_instance_uid]

    def announce_complete(self, study: str, uids: Collection[str] | None, evidence: Evidence) -> bool:
        self._check()
        self.announced.append((study, set(uids or ()), evidence))
        return False

    def _check(self) -> None:
        if self.down:
            raise DatabaseDown("no connection")

    def _judged(self, request: CommitmentRequest) -> CommitmentReport:
        committed, failed = [], []
        for reference in request.references:
            stored = self.archive.stored.get(reference.sop_instance_uid)
            if stored is None:
                failed.append(FailedReference(reference, FailureReason.NO_SUCH_OBJECT_INSTANCE))
            elif stored.header.sop_class_uid != reference.sop_class_uid:
                failed.append(FailedReference(reference, FailureReason.CLASS_INSTANCE_CONFLICT))
            else:
                committed.append(reference)
        return CommitmentReport(request.transaction_uid, tuple(committed), tuple(failed))


@dataclass
class Node:
    """One running server and what it stores into."""

    server: DicomServer
    held: MemoryArchive
    promises: MemoryPromises
    root: Path

    @property
    def archive(self) -> MemoryArchive:
        """The archive, with everything in it that was acknowledged before."""
        deadline = time.monotonic() + 30
        while not self.server.flush() and not self.held.down and time.monotonic() < deadline:
            continue
        return self.held

    @property
    def peer(self) -> Peer:
        host, port = self.server.address
        return Peer(ae_title="RADIR", host=host, port=port)


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Start nodes with settings of the dicom section; all are stopped at the end."""
    nodes: list[Node] = []

    def start(min_free_mb: int = 0, **settings: object) -> Node:
        root = tmp_path / f"node{len(nodes)}"
        archive = MemoryArchive(root)
        config = Dicom.model_validate({"port": 0, "unknown_callers": VERBS} | settings)
        promises = MemoryPromises(archive)
        ports = Ports(archive, archive, archive, promises, promises, promises)
        server = start_server(config, root, ports, min_free_mb=min_free_mb)
        nodes.append(Node(server, archive, promises, root))
        return nodes[-1]

    yield start
    for node in nodes:
        node.server.stop()


@pytest.fixture
def node(start_node: Callable[..., Node]) -> Node:
    return start_node()


def new_dataset(**attributes: object) -> Dataset:
    """A small CT slice that decodes; attributes override by keyword."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.PatientID, ds.PatientName, ds.PatientSex = "PID-1", "Doe^Jane", "F"
    ds.PatientBirthDate, ds.StudyDate, ds.StudyTime = "19600102", "20240305", "101500"
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "1", "ACC-1", ""
    ds.StudyDescription, ds.SeriesDescription, ds.Modality = "CT chest", "Axial 1.0", "CT"
    ds.SeriesNumber, ds.InstanceNumber = 2, 1
    ds.Rows = ds.Columns = 32
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.PixelData = np.arange(32 * 32, dtype="<u2").tobytes()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a DICOM file: make_file(dataset=None, transfer_syntax=..., **attributes) -> path."""
    folder = tmp_path / "made"
    folder.mkdir()

    def make(
        dataset: Dataset | None = None, transfer_syntax: str = ExplicitVRLittleEndian, **attributes: object
    ) -> Path:
        ds = dataset if dataset is not None else new_dataset(**attributes)
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = transfer_syntax
        path = folder / f"{len(list(folder.iterdir()))}.dcm"
        ds.save_as(path, enforce_file_format=True)
        return path

    return make


@dataclass
class Finished:
    """What a tool said."""

    code: int
    text: str


class Tools:
    """Independent DICOM programs: DCMTK, dicom3tools. A test that wants one is skipped where it is not installed."""

    def __init__(self) -> None:
        own = Path(sys.prefix) / "bin"
        # pynetdicom installs programs of the same names beside our interpreter; the independent ones are wanted.
        folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
        self._path = os.pathsep.join(folder for folder in folders if Path(folder) != own)

    def find(self, name: str) -> str:
        found = shutil.which(name, path=self._path)
        if found is None:
            pytest.skip(f"{name} is not installed (Debian packages dcmtk, dicom3tools, default-jre-headless)")
        return found

    def __call__(self, name: str, *arguments: object) -> Finished:
        done = subprocess.run(
            [self.find(name), *map(str, arguments)],
            capture_output=True,
            timeout=60,
            env={**os.environ, "TCP_NODELAY": "1"},
            check=False,
        )
        return Finished(done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace"))


@pytest.fixture(scope="session")
def tool() -> Tools:
    """tool("storescu", "-v", ...) runs a program to its end."""
    return Tools()


@pytest.fixture
def dataset_bytes() -> Callable[[Path], bytes]:
    """The bytes of a file after its file meta information."""

    def read(path: Path) -> bytes:
        data = path.read_bytes()
        length = int.from_bytes(data[140:144], "little")
        return data[144 + length :]

    return read


@pytest.fixture
def now() -> dt.datetime:
    return dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
