"""`make bench-mllp`: reports by HL7 per second, each durable before it is acknowledged, and how soon one is readable.

The hl7 package's own server, which stores nothing and answers each message with its create_ack, stands beside it in the
same run: the same client sends the same messages to both. Everything runs on this machine: node, Postgres and client.
"""

import argparse
import asyncio
import datetime as dt
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import hl7.mllp
from oru import Oru

from radir_node.domain.stored import StoredInstance
from radir_node.domain.study import InstanceHeader
from radir_node.node.node import Node
from radir_node.node.run_files import endpoint
from radir_node.settings import Hl7, Storage, load_settings

REPORT = (
    "Frontal and lateral views of the chest were obtained. The heart is mildly enlarged.",
    "There is a small right pleural effusion with adjacent atelectasis. No pneumothorax.",
    "The left lung is clear. No focal consolidation. Degenerative changes of the thoracic spine.",
)
START_SECONDS = 30.0


def main() -> None:
    """Print one line per row."""
    parser = argparse.ArgumentParser(prog="make bench-mllp", description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=2000, help="of each row")
    parser.add_argument("--connections", type=int, default=8, help="of the second row")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="a folder on the disk to measure")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="radir-bench-", dir=options.folder)))
        node = stack.enter_context(Node(load_settings(storage=Storage(root=folder), hl7=Hl7(port=0))))
        port = stack.enter_context(hl7_service(node))
        peer = stack.enter_context(bare_server())
        rows = (("one connection", 1), (f"{options.connections} connections", options.connections))
        for run, (name, connections) in enumerate(rows):
            ours = rate(port, options.messages, connections, f"N{run}")
            theirs = rate(peer, options.messages, connections, f"H{run}")
            peer_says = f"hl7 package, stores nothing {theirs:,.0f}/s ({ours / theirs:.2f}x)"
            say(f"{name}: node, durable {ours:,.0f}/s; {peer_says}")
        say(f"from the acknowledgement to the tags: {1000 * readable_after(node, port):,.0f} ms (median of 10)")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


@contextmanager
def hl7_service(node: Node) -> Iterator[int]:
    """Run `radir hl7` and `radir worker` as they are installed; yield the port."""
    _ = node.database  # the embedded Postgres is this process's, and outlives the services
    environment = {
        **os.environ,
        "RADIR_STORAGE__ROOT": str(node.root),
        "RADIR_HL7__PORT": "0",
        "RADIR_LOGGING__LEVEL": "error",
    }
    commands = [[sys.executable, "-m", "radir_node", verb] for verb in ("hl7", "worker")]
    services = [subprocess.Popen(command, env=environment) for command in commands]
    try:
        at = until(lambda: endpoint(node.root, "hl7"))
        yield at[1]
    finally:
        for service in services:
            service.terminate()
        for service in services:
            service.wait(30)


@contextmanager
def bare_server() -> Iterator[int]:
    """Run the server of the hl7 package, in a process of its own; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    service = subprocess.Popen([sys.executable, __file__, "--serve", str(port)])
    try:
        until(lambda: socket.create_connection(("127.0.0.1", port), 1).close() or True)
        yield port
    finally:
        service.terminate()
        service.wait(30)


def serve(port: int) -> None:
    """Acknowledge whatever comes, as the package's documentation has it."""

    async def answer(reader: hl7.mllp.HL7StreamReader, writer: hl7.mllp.HL7StreamWriter) -> None:
        try:
            while True:
                message = await reader.readmessage()
                writer.writemessage(message.create_ack())
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    async def run() -> None:
        async with await hl7.mllp.start_hl7_server(answer, "127.0.0.1", port=port, encoding="utf-8") as server:
            await server.serve_forever()

    asyncio.run(run())


def rate(port: int, messages: int, connections: int, name: str) -> float:
    """Send so many messages over so many connections, each waiting for its answer; return messages per second."""
    share = messages // connections
    threads = [threading.Thread(target=converse, args=(port, share, f"{name}-{n}")) for n in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return share * connections / (time.perf_counter() - began)


def converse(port: int, messages: int, name: str) -> None:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(messages):
            accession = f"{name}-{number}"
            send(sock, Oru(accession, f"P{number}", REPORT, control_id=accession))


def send(sock: socket.socket, message: Oru) -> None:
    sock.sendall(b"\x0b" + message.encode() + b"\x1c\r")
    answer = b""
    while not answer.endswith(b"\x1c\r"):
        answer += sock.recv(65536)
    assert b"MSA|AA" in answer, answer


def readable_after(node: Node, port: int) -> float:
    """Return the median seconds from an acknowledgement until the tags are in the catalogue."""
    seconds = []
    with socket.create_connection(("127.0.0.1", port)) as sock:
        for number in range(10):
            uid = f"2.25.{number + 1}"
            header = InstanceHeader(
                f"{uid}.1",
                "1.2.840.10008.5.1.4.1.1.1.1",
                "1.2.840.10008.1.2.1",
                uid,
                f"{uid}.2",
                modality="DX",
                patient_id=f"V{number}",
                accession_number=f"V{number}",
            )
            node.intake.register(StoredInstance(header, "none.dcm", 1, uid, "BENCH", dt.datetime.now(dt.UTC)))
            send(sock, Oru(f"V{number}", f"V{number}", REPORT))
            began = time.perf_counter()
            until(lambda uid=uid: has_tags(node, uid))
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def has_tags(node: Node, uid: str) -> bool:
    case = node.cases.by_uid(uid)
    return case is not None and any(report.tags for report in case.reports)


def until(look: Callable[[], Any]) -> Any:
    """Look until something is there."""
    deadline = time.monotonic() + START_SECONDS
    pause = threading.Event()
    while True:
        try:
            if found := look():
                return found
        except OSError:
            pass
        assert time.monotonic() < deadline, "nothing came in time"
        pause.wait(0.005)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]))
    else:
        main()
