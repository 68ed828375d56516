"""The MLLP server over real sockets: with the client of the hl7 package, and with a peer that does what none should."""

import asyncio
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hl7
import pytest
from hl7.client import MLLPClient
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from radir_node.errors import DatabaseDown
from radir_node.reports.intake.hl7_answer import answer_to
from radir_node.reports.intake.mllp import Limits, MllpServer
from radir_node.reports.intake.mllp_framing import Block, Deframer, framed
from radir_node.reports.intake.mllp_senders import Doorkeeper, Sender

Write = Callable[..., bytes]
Logs = list[dict[str, Any]]

LOOPBACK = (Sender("ris", (ipaddress.ip_network("127.0.0.0/8"),)),)


@dataclass
class Running:
    """A server in a thread of its own, and what it was given."""

    port: int = 0
    received: list[bytes] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    """Messages that hold "WAIT" are stored when it is set."""
    waiting: threading.Event = field(default_factory=threading.Event)
    """Set when one is waiting."""

    async def handle(self, raw: bytes, sender: str) -> bytes:
        if b"WAIT" in raw:
            self.waiting.set()
            await asyncio.to_thread(self.gate.wait, 20)
        if b"DOWN" in raw:
            raise DatabaseDown("postgres is down")
        self.received.append(raw)
        self.senders.append(sender)
        return answer_to(raw) + (b"NTE|" + b"x" * (8 << 20) if b"LONG" in raw else b"")


@contextmanager
def serving(
    senders: tuple[Sender, ...] = LOOPBACK, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", **limits: float
) -> Iterator[Running]:
    """Run a server until the block ends."""
    running, loop, ready = Running(), asyncio.new_event_loop(), threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        server = MllpServer(running.handle, senders, limits=Limits(**limits), tls=tls)  # type: ignore[arg-type]
        running.port = await server.start(host, 0)
        ready.set()
        await stop.wait()
        await server.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield running
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
        assert not thread.is_alive()


@contextmanager
def peer(running: Running) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        yield connection


def answer(connection: socket.socket) -> bytes:
    """Receive one block."""
    got = b""
    while not got.endswith(b"\x1c\r"):
        piece = connection.recv(4096)
        if not piece:
            break
        got += piece
    return got


def is_closed(connection: socket.socket) -> bool:
    with suppress(ConnectionError):
        return connection.recv(1) == b""
    return True


def line(logs: Logs) -> dict[str, Any]:
    (found,) = [entry for entry in logs if entry["event"] == "hl7_connection"]
    return found


def test_client_of_the_hl7_package(oru: Write) -> None:
    """Many messages over one connection are each answered with their control id, and one line tells of them."""
    with capture_logs() as logs, serving() as running, MLLPClient("127.0.0.1", running.port) as client:
        for number in range(50):
            said = client.send_message(oru().replace(b"MSG01", b"M%d" % number))
            assert ("AA", f"M{number}") == (
                hl7.parse(said.strip(b"\x0b\x1c\r").decode())["MSA.F1"],
                hl7.parse(said.strip(b"\x0b\x1c\r").decode())["MSA.F2"],
            )

    assert 50 == len(running.received)
    assert ["ris"] * 50 == running.senders
    told = line(logs)
    assert ("ris", 50, {"AA": 50}, 0) == (told["sender"], told["messages"], told["answers"], told["bytes_outside"])


def test_any_cut_of_the_stream(oru: Write) -> None:
    """Bytes one by one, and several messages in one packet, are the same messages."""
    with serving() as running, peer(running) as connection:
        for byte in framed(oru()):
            connection.sendall(bytes([byte]))
        assert b"MSA|AA" in answer(connection)
        connection.sendall(framed(oru()) + framed(oru()) + framed(oru())[:10])
        got = answer(connection)
        while got.count(b"MSA|AA") < 2:
            got += answer(connection)
        connection.sendall(framed(oru())[10:])
        assert b"MSA|AA" in answer(connection)

    assert [oru()] * 4 == running.received


def test_bytes_between_messages(oru: Write) -> None:
    """What stands between blocks is passed over and counted; too much of it is another protocol."""
    with capture_logs() as logs, serving(bytes_outside=100) as running, peer(running) as connection:
        connection.sendall(b"\r\n" + framed(oru()))
        assert b"MSA|AA" in answer(connection)
        connection.sendall(b"GET / HTTP/1.1\r\n" * 10)
        assert is_closed(connection)

    assert ("foreign", 162) == (line(logs)["end"], line(logs)["bytes_outside"])


def test_line_end_behind_every_message(oru: Write) -> None:
    """A sender that adds a byte to each message is not cut off for it, however many it sends."""
    with capture_logs() as logs, serving(bytes_outside=10) as running, peer(running) as connection:
        for _ in range(30):
            connection.sendall(framed(oru()) + b"\n")
            assert b"MSA|AA" in answer(connection)

    assert ("peer", 30) == (line(logs)["end"], line(logs)["bytes_outside"])


def test_end_of_block_without_cr(oru: Write) -> None:
    """Such a message is none, and its sender gets no answer; the log says why."""
    with capture_logs() as logs, serving(message_seconds=0.2) as running, peer(running) as connection:
        connection.sendall(framed(oru())[:-1])
        assert is_closed(connection)

    assert ([], "late", True) == (running.received, line(logs)["end"], line(logs)["end_without_cr"])


def test_message_that_was_begun_again(oru: Write) -> None:
    """A sender that breaks off and begins anew is understood."""
    with capture_logs() as logs, serving() as running, peer(running) as connection:
        connection.sendall(framed(oru())[:100] + framed(oru()))
        assert b"MSA|AA" in answer(connection)

    assert [oru()] == running.received
    assert 1 == line(logs)["abandoned"]


def test_too_large_a_message(oru: Write) -> None:
    """50 MB are read and not held, rejected with their control id, and the connection goes on."""
    with serving(message_bytes=1 << 20) as running, peer(running) as connection:
        before = resident_bytes()
        connection.sendall(framed(oru())[:-2])
        for _ in range(50):
            connection.sendall(b"x" * (1 << 20))
        connection.sendall(b"\x1c\r")
        said = answer(connection)
        assert b"MSA|AR|MSG01|the message is larger than 1 MiB" in said
        assert resident_bytes() - before < 20 << 20
        connection.sendall(framed(oru()))
        assert b"MSA|AA" in answer(connection)

    assert [oru()] == running.received


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize(
    ("sent", "limits", "end"),
    [
        (b"", {"idle_seconds": 0.2}, "idle"),
        (b"\r\n\r\n", {"idle_seconds": 0.2}, "idle"),
        (b"\x0bMSH|^~", {"message_seconds": 0.2}, "late"),
    ],
)
def test_deadlines(sent: bytes, limits: dict[str, float], end: str) -> None:
    """Who says nothing, or does not finish, is closed."""
    with capture_logs() as logs, serving(**limits) as running, peer(running) as connection:
        connection.sendall(sent)
        assert is_closed(connection)

    assert end == line(logs)["end"]


def test_a_byte_now_and_then(oru: Write) -> None:
    """A deadline does not start anew with every byte, inside a message or outside."""
    for first, limits in ((b"\x0b", {"message_seconds": 0.5}), (b"", {"idle_seconds": 0.5})):
        with serving(**limits) as running, peer(running) as connection:
            connection.sendall(first)
            begin = time.monotonic()
            with suppress(ConnectionError):
                while time.monotonic() - begin < 5:
                    connection.sendall(b"x")
                    connection.settimeout(0.05)
                    with suppress(TimeoutError):
                        if connection.recv(1) == b"":
                            break

            assert time.monotonic() - begin < 3


def test_sender_that_takes_no_answers(oru: Write) -> None:
    """Whoever never reads is closed when the answers pile up."""
    with capture_logs() as logs, serving(answer_seconds=0.3) as running, peer(running) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        with pytest.raises((ConnectionError, TimeoutError)):
            while True:
                connection.sendall(framed(oru("OBR|LONG")))

    assert line(logs)["end"] in ("deaf", "broken")


def test_sender_that_leaves_in_the_middle(oru: Write) -> None:
    """A message whose sender is gone before its end is no message."""
    with capture_logs() as logs, serving() as running, peer(running) as connection:
        connection.sendall(framed(oru())[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert is_closed(connection)

    assert [] == running.received
    assert ("peer", 1) == (line(logs)["end"], line(logs)["abandoned"])


def test_reset(oru: Write) -> None:
    """A reset ends the connection and nothing else."""
    with capture_logs() as logs, serving() as running:
        with peer(running) as connection:
            connection.sendall(framed(oru())[:50])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        with peer(running) as connection:
            connection.sendall(framed(oru()))
            assert b"MSA|AA" in answer(connection)

    assert {"broken", "peer", "stop"} >= {entry["end"] for entry in logs if entry["event"] == "hl7_connection"}


def test_unknown_sender(oru: Write) -> None:
    """Whoever is not on the list is closed before a byte is read."""
    known = (Sender("ris", (ipaddress.ip_network("10.0.0.0/8"),)),)
    with capture_logs() as logs, serving(known) as running, peer(running) as connection:
        with suppress(ConnectionError):
            connection.sendall(framed(oru()))
        assert is_closed(connection)

    assert [] == running.received
    assert ["hl7_refused"] == [entry["event"] for entry in logs]


def test_names_by_network() -> None:
    """The narrowest network names the sender; IPv4 in IPv6 is IPv4."""
    networks = {"hospital": ("10.0.0.0/8", "fd00::/8"), "ris": ("10.1.2.3/32",)}
    door = Doorkeeper(
        [Sender(name, tuple(map(ipaddress.ip_network, of))) for name, of in networks.items()],
        most=9,
    )

    expected = {"10.1.2.3": "ris", "::ffff:10.1.2.3": "ris", "10.9.9.9": "hospital", "fd00::1%eth0": "hospital"}
    assert expected == {address: door.name_of(address) for address in expected}
    assert door.name_of("192.168.1.1") is None
    assert door.name_of("no address") is None


def test_too_many_connections(oru: Write) -> None:
    """Beyond the limits connections are closed at once; a place that is given back is taken again."""
    with capture_logs() as logs, serving(connections=2) as running:
        with peer(running) as first, peer(running) as second:
            for connection in (first, second):
                connection.sendall(framed(oru()))
                assert b"MSA|AA" in answer(connection)
            with peer(running) as third:
                assert is_closed(third)
        for _ in range(50):
            with peer(running) as again, suppress(ConnectionError):
                again.sendall(framed(oru()))
                if b"MSA|AA" in answer(again):
                    break
        else:
            pytest.fail("no place is given back")

    assert "too many connections" in {entry.get("reason") for entry in logs}


def test_failures_of_the_node(oru: Write) -> None:
    """When a message cannot be stored its sender is told, and not why; the connection goes on."""
    with capture_logs() as logs, serving() as running, peer(running) as connection:
        connection.sendall(framed(oru("OBR|DOWN")))
        said = answer(connection)
        assert b"MSA|AR|MSG01|the node cannot store it now" in said
        assert b"postgres" not in said
        connection.sendall(framed(oru()))
        assert b"MSA|AA" in answer(connection)

    assert {"AR": 1, "AA": 1} == line(logs)["answers"]


def test_no_answer_where_none_is_wanted(oru: Write) -> None:
    """A sender that declines acknowledgements gets none."""
    with capture_logs() as logs, serving() as running, peer(running) as connection:
        connection.sendall(framed(oru(ack="NE|NE")) + framed(oru()))
        assert b"MSA|AA" in answer(connection)

    assert {"none": 1, "AA": 1} == line(logs)["answers"]


def test_stop(oru: Write) -> None:
    """What is being stored is answered before the server ends; idle connections are just closed."""
    with ExitStack() as peers:
        with serving() as running:
            idle, busy = (peers.enter_context(peer(running)) for _ in range(2))
            busy.sendall(framed(oru("OBR|WAIT")))
            assert running.waiting.wait(10)
            threading.Timer(0.3, running.gate.set).start()

        assert is_closed(idle)
        assert b"MSA|AA" in answer(busy)
        assert is_closed(busy)

    assert 1 == len(running.received)


def test_ipv6(oru: Write) -> None:
    """One socket takes IPv6 and IPv4."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    known = (Sender("ris", (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))),)
    with serving(known, host="::") as running:
        for address in ("127.0.0.1", "::1"):
            with socket.create_connection((address, running.port), timeout=10) as connection:
                connection.sendall(framed(oru()))
                assert b"MSA|AA" in answer(connection)


def test_tls(oru: Write, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """Over TLS the same; whoever does not shake hands in time is closed."""
    server, client = tls
    with capture_logs() as logs, serving(tls=server, handshake_seconds=0.5) as running:
        with peer(running) as plain, client.wrap_socket(plain, server_hostname="localhost") as connection:
            connection.sendall(framed(oru()))
            assert b"MSA|AA" in answer(connection)
        for said in (b"", framed(oru())):
            with peer(running) as connection:
                connection.sendall(said)
                while not is_closed(connection):
                    pass

    ends = sorted(entry["end"] for entry in logs if entry["event"] == "hl7_connection")
    assert ["handshake", "handshake", "peer"] == ends
    assert 1 == len(running.received)


@given(st.lists(st.binary(max_size=30), max_size=5), st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_framing_survives_any_cut(messages: list[bytes], cuts: list[int]) -> None:
    """However a stream is cut, the same blocks come out."""
    stream = b"".join(framed(message.replace(b"\x1c\r", b"")) for message in messages)
    whole, cut = Deframer(20), Deframer(20)
    expected = list(whole.feed(stream))

    found: list[Block] = []
    at = 0
    for number in range(len(stream)):
        size = cuts[number % len(cuts)]
        found += cut.feed(stream[at : at + size])
        at += size

    assert expected == found
    assert (whole.bytes_outside, whole.is_inside, whole.abandoned) == (cut.bytes_outside, cut.is_inside, cut.abandoned)


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_framing_takes_any_bytes(pieces: list[bytes]) -> None:
    """Any bytes are blocks or not; nothing is held beyond the limit."""
    deframer = Deframer(50)
    for piece in pieces:
        for block in deframer.feed(piece):
            assert len(block.content) <= 50 or block.is_overlong
