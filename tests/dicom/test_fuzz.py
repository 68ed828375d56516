"""Malformed PDUs and objects: a slice of `make fuzz-dicom` with a fixed seed, and a corpus of broken files."""

import os
import time
from pathlib import Path

import fuzz
import pytest
from attacked import Target
from raw_peer import CT_IMAGE, EXPLICIT, IMPLICIT, VERIFICATION, PeerError, RawPeer, Silent, part10

VERBS = ("echo", "store", "find", "move", "get", "commitment", "mpps", "availability")
SECONDS = 5.0
REFUSED = {0xA700, 0xA900, 0xC000}


@pytest.fixture
def target(start_node, tool) -> Target:
    """The server in this process; a PDU that announces more than it holds is given up soon."""
    tool.find("echoscu")
    node = start_node(timeouts={"pdu_seconds": 2.0}, unknown_callers=VERBS)
    made = Target(node.peer.port, node.root, lambda: [os.getpid()], 96)
    made.warm_up()
    return made


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_malformed_pdus(capfd, target: Target, wait):
    """Conversations with a wrong PDU each are answered or ended: nothing hangs, fails inside, or stays behind."""
    end = time.monotonic() + SECONDS

    tally = fuzz.fuzz(target.port, 1, lambda so_far: time.monotonic() > end)

    assert [] == tally.hangs
    assert tally.mutated > 200
    assert target.answers()
    wait(target.quiet, 10, target.difference)
    said = "".join(capfd.readouterr())
    assert "request_failed" not in said
    assert "Traceback" not in said


def test_broken_files(capfd, target: Target, shared_data: Path, wait):
    """Each file of the corpus is stored or refused with one clear status, and the node is what it was before."""
    paths = sorted(path for path in (shared_data / "dicom_fuzz").rglob("*") if path.is_file())
    statuses = {path.relative_to(shared_data).as_posix(): sent(target.port, path) for path in paths}

    unclear = {name: status for name, status in statuses.items() if status not in (0, *REFUSED)}
    assert len(statuses) > 200
    assert {} == unclear
    assert target.answers()
    wait(target.quiet, 10, target.difference)
    assert "request_failed" not in "".join(capfd.readouterr())


def sent(port: int, path: Path) -> int | str:
    """Status of the C-STORE of a file, bytes as they are; what happened where there is none."""
    sop_class, sop_instance, syntax, dataset = part10(path.read_bytes())
    with RawPeer(port, timeout=20) as peer:
        peer.associate([(VERIFICATION, (IMPLICIT,)), (sop_class, (syntax,)), (CT_IMAGE, (EXPLICIT,))])
        context_id = 3 if 3 in peer.accepted else 5
        try:
            return peer.store(context_id, sop_class if context_id == 3 else CT_IMAGE, sop_instance, dataset)
        except Silent:
            return "silent"
        except (PeerError, OSError) as error:
            return type(error).__name__
