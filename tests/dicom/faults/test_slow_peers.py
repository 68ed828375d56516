"""Peers that stop, trickle or never read: absolute deadlines end them, and others are answered within a second."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest
from attacked import ANY_STUDY, ASSOCIATION, CONTEXTS, IDLE, LINGER, PDU, REQUEST, SLACK, ended_within, trickle
from raw_peer import (
    ASSOCIATE_RQ,
    COMMAND,
    CT_IMAGE,
    LAST,
    P_DATA,
    PeerError,
    RawPeer,
    associate_rq,
    echo_rq,
    find_rq,
    pdu,
    pdv,
    store_command,
)

BEGINNINGS = {
    "nothing": b"",
    "three bytes": b"\x01\0\0",
    "a header": pdu(ASSOCIATE_RQ, b"", length=500),
    "half a request": associate_rq(CONTEXTS)[:120],
}


@pytest.mark.parametrize("said", BEGINNINGS.values(), ids=BEGINNINGS)
def test_peers_that_never_finish_their_request(target, said):
    """Three hundred peers that say nothing, or begin a request and stop, delay no one and are gone in time."""
    with ExitStack() as open_peers:
        peers = [open_peers.enter_context(RawPeer(target.port)).send(said) for _ in range(300)]

        answered = target.answers()
        ends = {ended_within(peer, REQUEST + SLACK) for peer in peers}

    assert answered
    assert ends <= {"closed", "aborted"}


def test_peers_that_stop_within_a_pdu(target):
    """Associations that stop in the middle of a P-DATA PDU end at the deadline of the PDU."""
    with ExitStack() as open_peers:
        peers = [open_peers.enter_context(RawPeer(target.port)).associate(CONTEXTS, calling=f"P{n}") for n in range(30)]
        for peer in peers:
            peer.send(pdu(P_DATA, pdv(1, COMMAND | LAST, bytes(10)), length=10000))

        answered = target.answers()
        ends = {ended_within(peer, PDU + SLACK) for peer in peers}

    assert answered
    assert ends <= {"closed", "aborted"}


def test_a_byte_at_a_time(target):
    """A sender that never stops for long ends at the absolute deadline of the request, the PDU or the association."""
    store = pdu(P_DATA, pdv(3, COMMAND | LAST, store_command(CT_IMAGE, "1.2.3")))
    one_pdu = pdu(P_DATA, pdv(3, 0, bytes(20000)))
    small_pdus = [pdu(P_DATA, pdv(3, 0, b"\0"))] * 10000

    def request() -> float:
        with RawPeer(target.port) as peer:
            return trickle(peer, single_bytes(associate_rq(CONTEXTS)), REQUEST + SLACK, 0.1)

    def data(pieces: list[bytes], seconds: float, pause: float) -> float:
        with RawPeer(target.port) as peer:
            peer.associate(CONTEXTS).send(store)
            return trickle(peer, pieces, seconds, pause)

    with ThreadPoolExecutor(3) as pool:
        running = [
            pool.submit(request),
            pool.submit(data, single_bytes(one_pdu), PDU + SLACK, 0.1),
            pool.submit(data, small_pdus, ASSOCIATION + SLACK, 0.01),
        ]
        answered = target.answers()
        seconds = [each.result() for each in running]

    assert answered
    assert seconds[0] < REQUEST + SLACK
    assert seconds[1] < PDU + SLACK
    assert seconds[2] < ASSOCIATION + SLACK


def single_bytes(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


ENDLESS = {
    "empty fragments": (pdu(P_DATA, pdv(1, COMMAND, b"")), 0.05),
    "a byte each": (pdu(P_DATA, pdv(1, COMMAND, b"\0")), 0.05),
    "a flood of empty fragments": (pdu(P_DATA, pdv(1, COMMAND, b"")) * 1000, 0.0),
    "a flood of empty PDUs": (pdu(P_DATA) * 1000, 0.0),
}


def test_a_command_that_never_ends(target):
    """Fragments without bytes, or with one each, are no request: the association ends as an idle one does."""

    def attack(fragment: bytes, pause: float) -> float:
        with RawPeer(target.port) as peer:
            return trickle(peer.associate(CONTEXTS), [fragment] * 100000, IDLE + PDU + SLACK, pause)

    with ThreadPoolExecutor(len(ENDLESS)) as pool:
        running = {name: pool.submit(attack, *how) for name, how in ENDLESS.items()}
        answered = target.answers()
        seconds = {name: each.result() for name, each in running.items()}

    assert answered
    assert {} == {name: late for name, late in seconds.items() if late >= IDLE + PDU + SLACK}


@pytest.mark.parametrize("request_pdus", [echo_rq(), find_rq(5, ANY_STUDY)], ids=["C-ECHO", "C-FIND"])
def test_a_peer_that_never_reads(target, request_pdus):
    """Responses that no one reads end the association, at the write deadline or its own; others are answered."""
    most = 20 * (PDU + SLACK)  # until the buffers between the two are full, the server has work to do

    def flood() -> str:
        with RawPeer(target.port, receive_buffer=4096) as peer:
            peer.associate(CONTEXTS)
            peer.socket.settimeout(most)
            deadline = time.monotonic() + most
            try:
                while time.monotonic() < deadline:
                    peer.send(request_pdus * 100)
            except TimeoutError:  # neither are our requests read, nor is the connection ended
                return "still open"
            except OSError:
                return "ended"
            return "still reading"

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(flood)
        answered = target.answers()
        how = running.result()

    assert answered
    assert how == "ended"


def test_associations_that_are_held(target, wait):
    """A caller that holds every association it gets loses them at the idle deadline; then others get in again."""
    with ExitStack() as open_peers:
        for number in range(100):
            peer = open_peers.enter_context(RawPeer(target.port))
            with suppress(PeerError):
                peer.associate(CONTEXTS, calling=f"GREEDY{number}")

        wait(target.echo, IDLE + LINGER + SLACK, lambda: "no one else gets in")
