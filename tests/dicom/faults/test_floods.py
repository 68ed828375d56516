"""Claims, crowds and visitors that come and go: memory, threads and descriptors stay what they were."""

import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import systems
from attacked import CONTEXTS, REQUEST, SLACK, Target, ended_within
from raw_peer import (
    ABORT,
    ABORTING,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    ASSOCIATE_RQ,
    C_FIND_RQ,
    COMMAND,
    CT_IMAGE,
    DATASET,
    LAST,
    P_DATA,
    RELEASE_RP,
    RELEASE_RQ,
    STUDY_FIND,
    RawPeer,
    associate_rq,
    command_set,
    message,
    pdu,
    pdv,
    store_command,
)

from radir_node.catalog.database import open_database

KINDS = {
    "A-ASSOCIATE-RQ": ASSOCIATE_RQ,
    "A-ASSOCIATE-AC": ASSOCIATE_AC,
    "A-ASSOCIATE-RJ": ASSOCIATE_RJ,
    "P-DATA-TF": P_DATA,
    "A-RELEASE-RQ": RELEASE_RQ,
    "A-RELEASE-RP": RELEASE_RP,
    "A-ABORT": ABORT,
    "type 0": 0,
    "type 99": 99,
}


@pytest.mark.parametrize("established", [False, True], ids=["first", "established"])
def test_a_claim_of_four_gigabytes(target, established):
    """Whatever PDU claims 4 GiB: its header is enough to end the connection, and no memory is spent on it."""
    block = bytes(2**20)

    def claim(kind: int) -> tuple[str, float]:
        with RawPeer(target.port) as peer:
            if established:
                peer.associate(CONTEXTS)
            peer.send(pdu(kind, b"", length=0xFFFFFFF0))
            with suppress(OSError):
                for _ in range(150):
                    peer.send(block)
            return ended_within(peer, 1), target.usage().rss_mb - target.before.rss_mb

    seen = {name: claim(kind) for name, kind in KINDS.items()}

    assert {} == {name: how for name, (how, _) in seen.items() if how not in ("closed", "aborted")}
    assert {} == {name: grown for name, (_, grown) in seen.items() if grown > target.rss_mb}


def test_a_command_set_of_a_hundred_megabytes(target):
    """A command set has an end long before it fills the memory."""
    fragment = pdu(P_DATA, pdv(1, COMMAND, bytes(130000)))
    with RawPeer(target.port) as peer:
        peer.associate(CONTEXTS)
        with suppress(OSError):
            for _ in range(800):
                peer.send(fragment)

        how = ended_within(peer, 1)

    assert how in ("closed", "aborted")
    assert target.usage().rss_mb < target.before.rss_mb + target.rss_mb


def test_identifiers_without_end(target):
    """Eight queries whose identifiers never end do not fill the memory: other than images, they have a limit."""
    command = command_set(
        AffectedSOPClassUID=STUDY_FIND, CommandField=C_FIND_RQ, MessageID=1, Priority=0, CommandDataSetType=DATASET
    )
    fragment = pdu(P_DATA, pdv(5, 0, bytes(130000)))

    def endless(number: int) -> str:
        with RawPeer(target.port) as peer:
            peer.associate(CONTEXTS, calling=f"ENDLESS{number}")
            peer.send(pdu(P_DATA, pdv(5, COMMAND | LAST, command)))
            with suppress(OSError):
                for _ in range(600):
                    peer.send(fragment)
            return ended_within(peer, 1)

    with target.watched() as peak, ThreadPoolExecutor(8) as pool:
        ends = set(pool.map(endless, range(8)))

    assert ends <= {"closed", "aborted"}
    assert target.answers()
    assert max(peak) - target.before.rss_mb < 160


def test_fifteen_hundred_connections(target):
    """So many open connections are no reason not to answer; what they cost once is all that they cost again."""
    costs = []
    for _ in range(3):
        before = target.usage().rss_mb
        with ExitStack() as open_peers:
            for _ in range(1500):
                open_peers.enter_context(RawPeer(target.port))
            assert target.answers()
            costs.append(target.usage().rss_mb - before)
        assert target.answers()
    target.before = replace(target.before, rss_mb=target.before.rss_mb + costs[0])

    assert costs[0] < 200
    assert max(costs[1:]) < 48


def test_ten_thousand_connections_that_come_and_go(target):
    """Health checks of load balancers: connect and close, in order or by a reset, leave nothing behind."""
    each = 1000 if target.pids() == [os.getpid()] else 5000  # both ends of them share one process, and its lock

    def visit(count: int, reset: bool) -> None:
        for _ in range(count):
            with socket.create_connection(("127.0.0.1", target.port), timeout=10) as visitor:
                if reset:
                    visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(visit, each, reset) for reset in (False, True)]
        answered = target.answers()
        for done in running:
            done.result()

    assert answered


def test_associations_that_are_cut_off(target):
    """Aborts and resets, before, within and after a request, leave neither an association nor a file behind."""
    half_a_store = message(3, store_command(CT_IMAGE, "1.2.3"), bytes(50000), 20000)[:-30000]
    for number in range(150):
        with RawPeer(target.port) as peer:
            peer.send(associate_rq(CONTEXTS))
            if number % 3:
                peer.accept()
            if number % 3 == 2:
                peer.send(half_a_store)
            if number % 2:
                peer.send(ABORTING)
            else:
                peer.reset()

    assert target.answers()


@pytest.fixture
def limited(tmp_path, deadlines):
    """`radir scp` where each process may open 400 files."""
    try:
        with systems.node(tmp_path, limit=400, **deadlines) as running:
            yield Target(running.port, tmp_path / "node", running.members, 48)
    finally:
        open_database("", tmp_path / "node" / "postgres").close()


def test_out_of_descriptors(limited, wait, tool):
    """Connections beyond the limit of open files wait or fail; the server lives, and answers when they are gone."""
    tool.find("echoscu")
    with ExitStack() as open_peers:
        for _ in range(2000):
            with suppress(OSError):
                open_peers.enter_context(RawPeer(limited.port, timeout=0.2))
        busy = processor_seconds(limited.pids())
        wait(limited.echo, 4 * (REQUEST + SLACK), lambda: "no answer after the deadline of those that said nothing")
        busy = processor_seconds(limited.pids()) - busy

    assert limited.answers()
    assert busy < REQUEST + SLACK


def processor_seconds(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
