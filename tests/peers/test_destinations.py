"""What C-MOVE tells the requester when DCMTK's storescp is the destination: one that works, and ones that do not."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from independent_clients import HOST, Dcmtk, Moved, dcmtk, moved, run
from pydicom import dcmread

Site, Study, Storescp, Move = Any, Any, Any, Callable[..., Moved]  # conftest.py

SUCCESS, SOME_FAILED, ALL_FAILED, CANCELLED = 0x0000, 0xB000, 0xA702, 0xFE00


def kept(destination: Storescp) -> set[str]:
    """SOP Instance UIDs of the objects that the destination wrote to the end."""
    return {str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in destination.files()}


def test_counts_and_originator(site: Site, stored: Callable[..., Study], storescp: Callable[..., Storescp],
                               move: Move) -> None:  # fmt: skip
    """Every object counts as completed; each C-STORE names the requester and the number of its C-MOVE."""
    study = stored(3)
    destination = storescp(site.ports["HEALTHY"])

    final = move(site, study.uid, "HEALTHY")

    assert (SUCCESS, 3, 0, 0, "") == (final.status, final.completed, final.failed, final.warning, final.comment)
    assert set(study.sop_instance_uids) == kept(destination)
    log = destination.log.read_text()
    assert 3 == log.count("Move Originator AE Title      : MOVESCU")
    assert 3 == log.count("Move Originator ID            : 1")


def test_the_bytes_are_those_that_were_stored(
    site: Site, stored: Callable[..., Study], storescp: Callable[..., Storescp], move: Move
) -> None:
    """The destination gets the data set of the file that was sent, unchanged."""
    study = stored(1)
    destination = storescp(site.ports["HEALTHY"])

    move(site, study.uid, "HEALTHY")

    (path,) = destination.files()
    assert dataset_bytes(study.files[0]) == dataset_bytes(path)


def dataset_bytes(path: Path) -> bytes:
    """What follows the file meta information, whose length stands in its first element."""
    data = path.read_bytes()
    return data[144 + int.from_bytes(data[140:144], "little") :]


def test_the_default_transfer_syntax_is_offered(
    site: Site, stored: Callable[..., Study], storescp: Callable[..., Storescp], move: Move
) -> None:
    """Every SOP class is proposed in Implicit VR Little Endian too (PS3.5 10.1): any destination can take it."""
    study = stored(1)
    destination = storescp(site.ports["HEALTHY"])

    move(site, study.uid, "HEALTHY")

    request = destination.log.read_text().split("BEGIN A-ASSOCIATE-RQ")[1].split("END A-ASSOCIATE-RQ")[0]
    assert "=CTImageStorage" in request
    assert "=LittleEndianImplicit" in request


@pytest.mark.parametrize("fault", ["--abort-after", "--abort-during", "--refuse"])
def test_a_destination_that_takes_nothing(
    site: Site,
    stored: Callable[..., Study],
    storescp: Callable[..., Storescp],
    move: Move,
    fault: str,
) -> None:
    """Aborted before, during or instead of the answer: all failed (0xA702), each one is listed, and why is told."""
    study = stored(3)
    title = "REFUSES" if fault == "--refuse" else "ABORTS"
    storescp(site.ports[title], fault, "--fork")

    final = move(site, study.uid, title)

    assert (ALL_FAILED, 0, 3, 0) == (final.status, final.completed, final.failed, final.warning)
    assert set(study.sop_instance_uids) == final.failed_uids
    assert final.comment
    assert len(final.comment) <= 64


def test_nobody_listens(site: Site, stored: Callable[..., Study], move: Move) -> None:
    """A destination that is known and not there fails every sub-operation; it is not an unknown destination."""
    study = stored(2)

    final = move(site, study.uid, "GONE")

    assert (ALL_FAILED, 0, 2) == (final.status, final.completed, final.failed)
    assert set(study.sop_instance_uids) == final.failed_uids
    assert "2 failed: destination does not answer" == final.comment


def test_a_destination_that_is_killed(
    site: Site, stored: Callable[..., Study], storescp: Callable[..., Storescp], wait: Callable[..., None]
) -> None:
    """Killed on the way: what it acknowledged is completed, the rest is failed and listed (0xB000)."""
    study = stored(5)
    destination = storescp(site.ports["KILLED"], "--sleep-after", "1")
    answers: list[Moved] = []
    moving = threading.Thread(target=lambda: answers.append(moved_to(site, study, "KILLED")))

    moving.start()
    wait(lambda: len(destination.files()) >= 2, 20, lambda: destination.log.read_text()[-2000:])
    destination.process.kill()
    moving.join(50)

    (final,) = answers
    assert SOME_FAILED == final.status
    assert 5 == final.completed + final.failed
    assert final.completed >= 1
    assert final.failed == len(final.failed_uids)
    assert set(study.sop_instance_uids) - kept(destination) <= final.failed_uids
    assert final.comment


def moved_to(site: Site, study: Study, title: str) -> Moved:
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study.uid}
    return moved(Dcmtk().ask(site.port, "move", keys=keys, destination=title).text)


def test_a_slow_destination_holds_up_nobody(
    site: Site,
    stored: Callable[..., Study],
    make_study: Callable[..., Study],
    storescp: Callable[..., Storescp],
    move: Move,
    wait: Callable[..., None],
) -> None:
    """While six C-MOVEs wait for it, echo, store and a C-MOVE to another are answered at once; the six succeed."""
    slow, other, fresh = stored(2), stored(2), make_study(1)
    sleeper = storescp(site.ports["SLEEPS"], "--sleep-after", "1", "--fork")
    storescp(site.ports["HEALTHY"])
    waiting: list[Moved] = []
    moving = [threading.Thread(target=lambda: waiting.append(moved_to(site, slow, "SLEEPS"))) for _ in range(6)]

    for each in moving:
        each.start()
    wait(lambda: "C-STORE RQ" in sleeper.log.read_text(), 20, lambda: "nothing arrives")
    quick = [
        Dcmtk().ask(site.port, "echo").done,
        Dcmtk().ask(site.port, "store", files=fresh.files).done,
        SUCCESS == move(site, other.uid, "HEALTHY").status,
    ]
    still_waiting = any(each.is_alive() for each in moving)
    for each in moving:
        each.join(50)

    assert [True] * 3 == quick
    assert still_waiting
    assert [(SUCCESS, 2, 0)] * 6 == [(final.status, final.completed, final.failed) for final in waiting]
    assert all(final.pending for final in waiting), "a viewer that hears nothing gives up"


def test_cancel(site: Site, stored: Callable[..., Study], storescp: Callable[..., Storescp], move: Move) -> None:
    """C-CANCEL ends a C-MOVE with 0xFE00 and counts that add up; nothing is sent after it."""
    study = stored(8)
    destination = storescp(site.ports["SLEEPS"], "--sleep-after", "1")

    final = move(site, study.uid, "SLEEPS", "--cancel", "1")

    assert CANCELLED == final.status
    counts: Sequence[int | None] = (final.remaining, final.completed, final.failed, final.warning)
    assert 8 == sum(count or 0 for count in counts)
    assert final.remaining
    assert (final.completed or 0) <= len(destination.files()) < 8


def test_cancel_of_a_find(
    site: Site, stored: Callable[..., Study], new_folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """C-CANCEL ends a C-FIND of many answers early, with 0xFE00."""
    answers = 2000
    study = stored(answers, PixelData=bytes(512))
    # findscu's receive buffer: what the node has sent before the first answer is read is then a part of the answers.
    monkeypatch.setenv("TCP_BUFFER_LENGTH", "4096")
    keys = {"QueryRetrieveLevel": "IMAGE", "StudyInstanceUID": study.uid, "SeriesInstanceUID": study.series_uid}
    wanted = dict.fromkeys(("SOPInstanceUID", "PatientName", "StudyDescription", "SeriesDescription", "Rows"), "")

    reply = Dcmtk().ask(site.port, "find", keys={**keys, **wanted}, folder=new_folder(), options=["--cancel", "1"])

    assert "0xfe00: Cancel" in reply.text, reply.text[-1000:]
    assert 0 < len(reply.answers) < answers


def test_termscu_is_refused(site: Site) -> None:
    """DCMTK's request to shut a server down has no presentation context here, and the node goes on."""
    done = run([dcmtk("termscu"), "-v", "-aec", "RADIR", HOST, str(site.port)])

    assert 0 != done.returncode
    assert b"No Acceptable Presentation Contexts" in done.stderr
    assert Dcmtk().ask(site.port, "echo").done
