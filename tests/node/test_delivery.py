"""The delivery job against storescp: what may pass is tried again, what will not is listed, nothing goes twice."""

import datetime as dt
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedSRStorage, ExplicitVRLittleEndian

from radir_node.catalog.tables import delivery
from radir_node.domain.stored import StoredInstance
from radir_node.domain.study import InstanceHeader
from radir_node.node.delivery import deliver
from radir_node.node.node import Node
from radir_node.settings import Settings

STORESCP = "/usr/bin/storescp"
Wait = Callable[..., None]
StoreScp = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def received(tmp_path: Path) -> Path:
    """Where the peer keeps what it takes."""
    folder = tmp_path / "received"
    folder.mkdir()
    return folder


@pytest.fixture
def storescp(port: int, received: Path, wait: Wait) -> StoreScp:
    """Run the peer while a test needs it."""

    def listens() -> bool:
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", port)) == 0

    @contextmanager
    def run(*options: str) -> Iterator[None]:
        command = [STORESCP, *options, "--output-directory", str(received), str(port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as peer:
            try:
                wait(listens, 10, lambda: "storescp does not listen")
                yield
            finally:
                peer.kill()

    return run


@pytest.fixture
def node(database_url: str, tmp_path: Path, port: int) -> Iterator[Node]:
    """A node that owes one report to the peer `pacs`."""
    root = tmp_path / "root"
    peer = {"ae_title": "PACS", "host": "127.0.0.1", "port": port}
    configured = {"database": {"url": database_url}, "storage": {"root": root}, "dicom": {"peers": {"pacs": peer}}}
    with Node(Settings.model_validate(configured)) as opened:
        (root / "results").mkdir()
        write_report(root / "results" / "a.dcm")
        header = InstanceHeader("1.2.3", "1.2", str(ExplicitVRLittleEndian), "1.2", "1.2.1", modality="DX")
        opened.intake.register(StoredInstance(header, "x.dcm", 1, "x", "AE", dt.datetime.now(dt.UTC)))
        opened.deliveries.queue(1, "1.2.9001", "results/a.dcm", "pacs")
        yield opened


def write_report(path: Path) -> None:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = EnhancedSRStorage, "1.2.9001"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.Modality = "1.2", "1.2.9000", "SR"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)


def make_due(node: Node) -> None:
    """End every pause."""
    with node.database.begin() as connection:
        connection.execute(sa.update(delivery).values(next_attempt_at=sa.func.now()))


def test_what_a_peer_takes_is_sent_once(node: Node, storescp: StoreScp, received: Path) -> None:
    """A second job finds nothing to do."""
    with storescp():
        deliver(node, "pacs")
        first = [path.name for path in received.iterdir()]
        for path in received.iterdir():
            path.unlink()

        deliver(node, "pacs")

    assert ["SRe.1.2.9001"] == first
    assert [] == list(received.iterdir())
    assert {("pacs", "delivered"): 1} == node.deliveries.counts()


def test_a_peer_that_is_away_gets_it_when_it_is_back(node: Node, storescp: StoreScp, received: Path) -> None:
    """The failed attempt is counted; the object is neither lost nor given up."""
    deliver(node, "pacs")
    waiting = node.deliveries.counts()
    make_due(node)

    with storescp():
        deliver(node, "pacs")

    assert {("pacs", "waiting"): 1} == waiting
    assert ["SRe.1.2.9001"] == [path.name for path in received.iterdir()]


def test_a_peer_that_rejects_the_node_for_good_is_not_asked_for_ever(node: Node, storescp: StoreScp) -> None:
    """A permanent rejection is listed at once, with its reason."""
    with storescp("--refuse"):
        deliver(node, "pacs")

    (dead,) = node.deliveries.dead()
    assert "reject" in dead["reason"]


def test_what_is_owed_to_a_peer_that_was_removed_is_listed(node: Node) -> None:
    """The operator sees why nothing goes out."""
    node.deliveries.queue(1, "1.2.9001", "results/a.dcm", "removed")

    deliver(node, "removed")

    assert [("removed", "dicom.peers names no such peer any more")] == [
        (row["peer"], row["reason"]) for row in node.deliveries.dead()
    ]
