"""Associations are counted over processes, and a process that dies gives its own back."""

import json
import multiprocessing
import os
import signal
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from dicom_services.dul.pdu import AssociateRq, UserInformation, encode_rq
from dicom_services.dul.request import RequestedContext
from dicom_services.scp.admission.association_slots import AssociationSlots, Slot

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def slots(tmp_path: Path) -> AssociationSlots:
    return AssociationSlots(tmp_path / "run" / "associations", 8)


def taken(slots: AssociationSlots, name: str, most: int, **limits: int) -> list[Slot]:
    """Take slots until there is none."""
    found = []
    while (slot := slots.take(name, most, **limits)) is not None:
        found.append(slot)
    return found


def test_a_caller_gets_no_more_than_its_share(slots: AssociationSlots) -> None:
    """The third association of two is refused until one of them ends; another caller is not concerned."""
    first, second = slots.take("pacs", 2), slots.take("pacs", 2)
    third = slots.take("pacs", 2)
    other = slots.take("ct", 2)
    assert first is not None
    first.release()
    first.release()
    again = taken(slots, "pacs", 2)

    assert second is not None and other is not None
    assert third is None
    assert 1 == len(again)


def test_all_callers_together_get_the_total(slots: AssociationSlots) -> None:
    """Eight slots are eight, whoever takes them, and leaving a slot's context gives it back."""
    with ExitStack() as stack:
        found = [slots.take(f"caller {n}", 2) for n in range(9)]
        for slot in found[:8]:
            assert slot is not None
            stack.enter_context(slot)
    again = taken(slots, "other", 9)

    assert found[8] is None
    assert 8 == len(again)


def test_some_slots_can_be_left_to_others(slots: AssociationSlots) -> None:
    """Who must leave two of eight slots gets six at most; they are there for who need not leave any."""
    flood = [slots.take(f"invented {n}", 1, leave=2) for n in range(10)]
    peers = taken(slots, "pacs", 9)

    assert 6 == sum(slot is not None for slot in flood)
    assert 2 == len(peers)


def test_peers_use_up_their_own_slots_first(slots: AssociationSlots) -> None:
    """A peer takes the slots that others must leave before any other, so that it costs them nothing."""
    peers = taken(slots, "pacs", 2)
    flood = [slots.take(f"invented {n}", 1, leave=2) for n in range(10)]

    assert 2 == len(peers)
    assert 6 == sum(slot is not None for slot in flood)


def _hold(slots: AssociationSlots, name: str, count: int, line: Connection) -> None:
    held = [slots.take(name, 8) for _ in range(count)]
    line.send(sum(slot is not None for slot in held))
    line.recv()  # until the test kills this process


@pytest.fixture
def holder(slots: AssociationSlots) -> Any:
    """Start a forked process that holds slots; returns it and how many it got."""
    with ExitStack() as stack:

        def start(name: str, count: int) -> tuple[Any, int]:
            ours, theirs = FORK.Pipe()
            process = FORK.Process(target=_hold, args=(slots, name, count, theirs), daemon=True)
            process.start()
            stack.callback(process.join)
            stack.callback(process.kill)
            return process, ours.recv()

        yield start


def test_processes_count_together(slots: AssociationSlots, holder: Callable[..., Any]) -> None:
    """What a forked process holds counts in this one, though the table was opened before the fork."""
    mine = slots.take("pacs", 8)
    _, got = holder("pacs", 4)
    _, got_other = holder("ct", 2)
    more = slots.take("pacs", 5)
    rest = taken(slots, "mr", 8)

    assert mine is not None
    assert (4, 2) == (got, got_other)
    assert more is None
    assert 1 == len(rest)


def test_a_killed_process_gives_its_slots_back(slots: AssociationSlots, holder: Callable[..., Any]) -> None:
    """After kill -9 the caller's share and the total are whole again at once."""
    process, got = holder("pacs", 8)
    before = slots.take("ct", 8)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    after = taken(slots, "pacs", 8)

    assert 8 == got
    assert before is None
    assert 8 == len(after)


def test_threads_never_share_a_slot(slots: AssociationSlots) -> None:
    """Eight threads that take and release as fast as they can never hold more than the share of three."""
    most = []
    holding = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal holding
        for _ in range(300):
            slot = slots.take("pacs", 3)
            if slot is None:
                continue
            with lock:
                holding += 1
                most.append(holding)
            with lock:
                holding -= 1
            slot.release()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert max(most) <= 3
    assert 3 == len(taken(slots, "pacs", 3))


def test_a_restart_with_another_total(tmp_path: Path) -> None:
    """The number of associations may grow and shrink from one start to the next."""
    sizes = [len(taken(AssociationSlots(tmp_path, total), "pacs", 99)) for total in (4, 16, 2)]

    assert [4, 16, 2] == sizes


def open_association(address: tuple[str, int], calling: str) -> tuple[socket.socket, int]:
    """Ask for an association by hand; return the socket and the type of the PDU that answers."""
    context = RequestedContext(1, Verification, ("1.2.840.10008.1.2",))
    sock = socket.create_connection(address, timeout=10)
    sock.sendall(encode_rq(AssociateRq("RADIR", calling, (context,), UserInformation(16384))))
    return sock, sock.recv(1)[0]


def vanish(sock: socket.socket) -> None:
    """End a connection without a word of DICOM: by a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_the_node_recovers_when_its_callers_vanish(start_node: Callable[..., Any], wait: Callable[..., None]) -> None:
    """A peer at its limit is told that the limit is reached (2, 3, 2); once its connections break, it gets in."""
    peers = {"near": {"ae_title": "NEAR", "host": "127.0.0.1", "port": 104, "max_associations": 3}}
    node = start_node(peers=peers)
    opened = [open_association(node.server.address, "NEAR") for _ in range(3)]
    ae = AE("NEAR")
    ae.add_requested_context(Verification)

    full = ae.associate(*node.server.address)
    other_sock, other = open_association(node.server.address, "OTHER")
    for sock, _ in opened:
        vanish(sock)

    def gets_in() -> bool:
        association = ae.associate(*node.server.address)
        established = bool(association.is_established)
        association.release()
        return established

    wait(gets_in, 10, lambda: "the slots never come back")
    vanish(other_sock)

    assert [2, 2, 2] == [kind for _, kind in opened]
    assert 2 == other
    assert full.is_rejected
    answer = full.acceptor.primitive
    assert (2, 3, 2) == (answer.result, answer.result_source, answer.diagnostic)


def workers(port: int) -> set[int]:
    """The processes that hold accepted connections of a port, read from the kernel's tables."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"}
    found = set()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # closed meanwhile
            if str(descriptor.readlink()) in sockets:
                found.add(int(descriptor.parts[2]))
    return found


def test_the_limit_holds_over_the_processes_of_a_node(make_node: Callable[..., Any], wait: Callable[..., None]) -> None:
    """However many processes receive, a peer of three associations gets three, and three again after kill -9."""
    peers = {"near": {"ae_title": "NEAR", "host": "127.0.0.1", "port": 104, "max_associations": 3}}
    node = make_node(DICOM__PEERS=json.dumps(peers), DICOM__STORE_WORKERS="2").start()
    address = ("127.0.0.1", node.port("scp"))

    opened = [open_association(address, "NEAR") for _ in range(12)]
    kinds = [kind for _, kind in opened]
    killed = workers(address[1])
    for worker in killed:
        os.kill(worker, signal.SIGKILL)

    def gets_in() -> bool:
        try:
            sock, kind = open_association(address, "NEAR")
        except (OSError, IndexError):  # no worker yet
            return False
        opened.append((sock, kind))
        return kind == 2

    assert [2] * 3 + [3] * 9 == sorted(kinds)
    assert killed
    for _ in range(3):
        wait(gets_in, 20, lambda: "the slots never come back")
    assert not gets_in()
    for sock, _ in opened:
        vanish(sock)
