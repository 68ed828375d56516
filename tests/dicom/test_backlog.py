"""The backlog: what was acknowledged and is in no catalogue yet is counted from outside, and not disturbed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_services.scp.storage.backlog import Backlog, backlog
from dicom_services.scp.storage.journal import Reader
from dicom_services.scp.storage.spool import Incoming, Spool

INCOMING = Incoming("1.2.840.10008.5.1.4.1.1.7", "1.2.3", "1.2.840.10008.1.2.1", "MODALITY")
LARGE = 3 << 20
"""Bytes; too large for the journal."""


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path)
    made.prepare()
    return made


@pytest.fixture
def receive(spool: Spool) -> Callable[[int], None]:
    """Receive and acknowledge one object of so many bytes."""

    def make(size: int) -> None:
        part = spool.begin(INCOMING)
        part.write(memoryview(os.urandom(size)))
        spool.publish(part, "MODALITY")

    return make


def test_objects_of_the_journal_and_files_are_counted(spool: Spool, receive: Callable[[int], None]) -> None:
    """Small objects lie in the journal, large ones in files of their own; both wait, the oldest names the time."""
    for size in (1000, 2000, LARGE):
        receive(size)

    found = backlog(spool.root)

    assert (3, 0) == (found.objects, found.quarantined)
    assert 3000 + LARGE < found.size_bytes < 3000 + LARGE + 2000
    assert found.oldest is not None


def test_what_the_registrar_has_settled_waits_no_longer(spool: Spool, receive: Callable[[int], None]) -> None:
    """Counting takes nothing away from the registrar, and the registrar's progress shows at once."""
    registrar = Reader(spool.folder)
    receive(1000)
    before = backlog(spool.root)
    read = registrar.read()
    registrar.settle()
    receive(1000)

    after = backlog(spool.root)

    assert (1, 1, 1) == (before.objects, len(read), after.objects)
    assert 1 == len(registrar.read())


def test_a_segment_that_is_free_again_holds_nothing(spool: Spool, receive: Callable[[int], None]) -> None:
    """Old records of a segment that waits for reuse are not counted."""
    registrar = Reader(spool.folder)
    receive(1000)
    spool.close()
    registrar.read()
    registrar.settle()

    found = backlog(spool.root)

    assert [".free"] == [path.suffix for path in spool.folder.iterdir()]
    assert Backlog(0, 0, None, 0) == found


def test_quarantined_objects_are_counted_apart(spool: Spool) -> None:
    """They wait for people, not for the registrar."""
    (spool.quarantine / "1.dcm").write_bytes(b"no catalogue takes this")

    assert Backlog(0, 0, None, 1) == backlog(spool.root)


def test_a_root_that_never_received_has_no_backlog(tmp_path: Path) -> None:
    """`radir status` works before the first start."""
    assert Backlog(0, 0, None, 0) == backlog(tmp_path / "nothing")
