"""What the worker asks a PACS: how large a study is, and whether it has what it took. The PACS is stock pynetdicom."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as StudyRootFind

from radir_node.catalog.tables import delivery, study
from radir_node.domain.stored import StoredInstance
from radir_node.domain.study import Completion, InstanceHeader
from radir_node.node.commitment import request_commitments
from radir_node.node.delivery import deliver
from radir_node.node.node import Node
from radir_node.node.pacs_count import pacs_count
from radir_node.settings import Settings

STUDY = "1.2.840.1"


@dataclass
class Pacs:
    """A PACS that stores, answers queries and knows no storage commitment."""

    port: int = 0
    loses: bool = False
    """It answers success and keeps nothing."""
    held: list[str] = field(default_factory=list)
    count: int | None = None
    """Number of Study Related Instances that it names."""
    stored: threading.Event = field(default_factory=threading.Event)

    def store(self, event: evt.Event) -> int:
        self.stored.set()
        if not self.loses:
            self.held.append(str(event.request.AffectedSOPInstanceUID))
        return 0

    def find(self, event: evt.Event) -> Iterator[tuple[int, Dataset]]:
        answer = Dataset()
        if event.identifier.QueryRetrieveLevel == "STUDY" and self.count is not None:
            answer.NumberOfStudyRelatedInstances = self.count
            yield 0xFF00, answer
        elif event.identifier.QueryRetrieveLevel == "IMAGE":
            for uid in self.held:
                answer.SOPInstanceUID = uid
                yield 0xFF00, answer


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    running = Pacs()
    application = AE("PACS")
    application.add_supported_context(CTImageStorage)
    application.add_supported_context(StudyRootFind)
    handlers = [(evt.EVT_C_STORE, running.store), (evt.EVT_C_FIND, running.find)]
    server = application.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    running.port = server.server_address[1]
    yield running
    server.shutdown()


@pytest.fixture
def node(database_url: str, tmp_path: Path, pacs: Pacs) -> Iterator[Node]:
    """A node that pushes to the PACS and compares counts with it."""
    settings = Settings.model_validate(
        {
            "database": {"url": database_url},
            "storage": {"root": tmp_path / "root"},
            "dicom": {
                "quiet_seconds_ct": 0,
                "verify_with": "pacs",
                "peers": {"pacs": {"ae_title": "PACS", "host": "127.0.0.1", "port": pacs.port}},
            },
        }
    )
    with Node(settings) as opened:
        yield opened


@pytest.fixture
def receive(node: Node) -> Callable[[int], None]:
    """Register instance number n of the study, with a file."""

    def run(n: int) -> None:
        uid = f"{STUDY}.1.{n}"
        header = InstanceHeader(uid, str(CTImageStorage), str(ExplicitVRLittleEndian), STUDY, f"{STUDY}.1",
                                modality="CT", patient_id="P1")  # fmt: skip
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, uid
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, f"{STUDY}.1"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(node.root / f"{uid}.dcm", enforce_file_format=True)
        node.intake.register(StoredInstance(header, f"{uid}.dcm", 1, uid, "AE", dt.datetime.now(dt.UTC)))

    return run


@pytest.fixture
def sent(node: Node, receive: Callable[[int], None]) -> Callable[[], sa.Row[tuple[str, dt.datetime | None, str]]]:
    """Push one object and verify it; returns (state, confirmed at, reason) of the delivery."""

    def run() -> sa.Row[tuple[str, dt.datetime | None, str]]:
        receive(1)
        node.deliveries.queue(1, f"{STUDY}.1.1", f"{STUDY}.1.1.dcm", "pacs")
        deliver(node, "pacs")
        request_commitments(node, "pacs")
        with node.database.begin() as connection:
            return connection.execute(sa.select(delivery.c.state, delivery.c.confirmed_at, delivery.c.reason)).one()

    return run


def test_push_is_verified_by_query(pacs: Pacs, sent: Callable[[], sa.Row[tuple[str, dt.datetime | None, str]]]) -> None:
    """A PACS without storage commitment that lists what it took confirms the delivery."""
    state, confirmed_at, _ = sent()

    assert ("delivered", [f"{STUDY}.1.1"]) == (state, pacs.held)
    assert confirmed_at is not None


def test_push_that_was_lost_is_sent_again(
    pacs: Pacs, sent: Callable[[], sa.Row[tuple[str, dt.datetime | None, str]]]
) -> None:
    """What a PACS answered with success and does not list waits to be sent again, with the reason."""
    pacs.loses = True

    state, confirmed_at, reason = sent()

    assert pacs.stored.is_set()
    assert ("waiting", None, "the peer does not commit to it") == (state, confirmed_at, reason)


@pytest.mark.parametrize(
    ("count", "state", "completion"),
    [(2, "queued", Completion.VERIFIED), (3, "quiet", Completion.OPEN), (None, "queued", Completion.UNVERIFIED)],
    ids=["agrees", "is larger", "is not known"],
)
def test_quiet_study_is_compared_with_the_pacs(
    node: Node, pacs: Pacs, receive: Callable[[int], None], count: int | None, state: str, completion: Completion
) -> None:
    """A quiet study is indexed when the PACS has no more of it, and waits while the PACS has more."""
    pacs.count = count
    receive(1)
    receive(2)

    node.completion.settle(1, pacs_count(node.settings.dicom))

    with node.database.begin() as connection:
        row = connection.execute(sa.select(study.c.state, study.c.completion)).one()
    assert (state, completion) == (row.state, row.completion)
