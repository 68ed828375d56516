"""What is measured: one function per kind of row; each returns seconds (or megabytes) of one repetition."""

import os
import statistics
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from raw_peer import (
    CT_IMAGE,
    EXPLICIT,
    IMPLICIT,
    LAST,
    P_DATA,
    STUDY_FIND,
    VERIFICATION,
    Context,
    RawPeer,
    associate_rq,
    identifier,
    message,
    pdu,
    pdv,
    store_command,
)
from synthetic import ROOT, Files, day_of, row
from systems import DCMTK, MAX_PDU, Memory, System, environment, group_members, memory_of

STORAGE_CLASSES = tuple(
    f"1.2.840.10008.5.1.4.1.1.{suffix}"
    for suffix in (
        *("1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1", "2", "2.1", "2.2", "3.1", "4", "4.1", "4.2", "4.3"),
        *("4.4", "6.1", "6.2", "7", "7.1", "7.2", "7.3", "7.4", "9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.3.1", "9.4.1"),
        *("9.5.1", "9.6.1", "11.1", "11.2", "11.3", "11.4", "11.5", "12.1", "12.1.1", "12.2", "12.2.1", "13.1.1"),
        *("13.1.2", "13.1.3", "13.1.4", "13.1.5", "14.1", "14.2", "20", "30", "66", "66.1", "66.2", "66.3", "66.4"),
        *("66.5", "66.6", "67", "68.1", "68.2", "77.1.1", "77.1.2", "77.1.3", "77.1.4", "77.1.5.1", "77.1.5.2"),
        *("77.1.6", "78.1", "78.2", "78.3", "78.4", "78.5", "78.6", "78.7", "78.8", "79.1", "80.1", "81.1", "82.1"),
        *("88.11", "88.22", "88.33", "88.34", "88.40", "88.50", "88.59", "88.65", "88.67", "88.68", "88.69", "88.70"),
        *("88.71", "88.72", "90.1", "104.1", "104.2", "104.3", "128", "128.1", "130", "131", "200.1", "200.2"),
        *("200.3", "200.8", "481.1", "481.2", "481.3", "481.4", "481.5", "481.6", "481.7", "481.8", "481.9"),
    )
)
SYNTAXES = (EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5")


def contexts(count: int) -> list[Context]:
    """Presentation contexts as an archive proposes them: verification, then storage, cyclically up to 128."""
    if count == 1:
        return [(VERIFICATION, (IMPLICIT,))]
    classes = [STORAGE_CLASSES[n % len(STORAGE_CLASSES)] for n in range(count - 1)]
    return [(VERIFICATION, (IMPLICIT,)), *((uid, SYNTAXES) for uid in classes)]


@dataclass(frozen=True)
class Stored:
    """Seconds of one send."""

    acknowledged: float
    registered: float


def send(system: System, folders: list[Path], no_delay: bool) -> float:
    """Send each folder with a storescu of its own, all at once; return seconds until the last has ended."""
    command = [DCMTK / "storescu", "-aec", system.ae_title, "-pdu", MAX_PDU, "+sd", "127.0.0.1", system.port]
    start = time.perf_counter()
    senders = [
        subprocess.Popen(
            [str(word) for word in (*command, folder)],
            env=environment(no_delay),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for folder in folders
    ]
    ended = [(sender.communicate()[1], sender.returncode) for sender in senders]
    seconds = time.perf_counter() - start
    for text, code in ended:
        if code:
            raise RuntimeError(f"storescu to {system.name} ended with {code}: {text.decode()[-500:]}")
    return seconds


def store(system: System, files: Files, no_delay: bool = True) -> Stored:
    """Send objects that the system has never seen, with one storescu per folder; all must have arrived."""
    files.renew()
    system.forget()
    os.sync()  # no one else's pages are written back at this one's expense
    start = time.perf_counter()
    acknowledged = send(system, files.folders, no_delay)
    system.registered(files.count * len(files.folders))
    registered = time.perf_counter() - start
    system.forget()
    return Stored(acknowledged, registered)


def disk_alone(files: Files, folder: Path) -> float:
    """Seconds to write and fsync the same objects, with one writer per association: what the disk alone takes."""
    folder.mkdir(exist_ok=True)
    contents = [[path.read_bytes() for path in sorted(source.iterdir())] for source in files.folders]

    def write(writer: int) -> None:
        for number, content in enumerate(contents[writer]):
            descriptor = os.open(folder / f"{writer}-{number}", os.O_CREAT | os.O_WRONLY)
            os.write(descriptor, content)
            os.fsync(descriptor)
            os.close(descriptor)

    os.sync()
    start = time.perf_counter()
    with ThreadPoolExecutor(len(contents)) as pool:
        list(pool.map(write, range(len(contents))))
    seconds = time.perf_counter() - start
    for path in folder.iterdir():
        path.unlink()
    return seconds


def associate(system: System, count: int, times: int = 30) -> float:
    """Median seconds from the connection to the closed association, by a raw peer that sends a ready-made request."""
    request = associate_rq(contexts(count), called=system.ae_title)
    found = []
    for _ in range(times):
        start = time.perf_counter()
        with RawPeer(system.port) as peer:
            peer.send(request).accept().release()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def echo(system: System, times: int = 10) -> float:
    """Median seconds of DCMTK's echoscu, its own start included."""
    command = [str(DCMTK / "echoscu"), "-aec", system.ae_title, "127.0.0.1", str(system.port)]
    found = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(command, env=environment(), check=True)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


@dataclass(frozen=True)
class Question:
    """A C-FIND whose number of answers is known."""

    level: str
    answers: int
    keys: dict[str, str]
    repeat: int = 1
    """A system that holds too little for the answers is asked several times on one association."""


NOTHING = Question("STUDY", 0, {"StudyInstanceUID": "2.25.404"})
"""Answered by every system, whatever it holds."""

TAGS = {
    "QueryRetrieveLevel": (0x0008, 0x0052),
    "StudyDate": (0x0008, 0x0020),
    "AccessionNumber": (0x0008, 0x0050),
    "StudyDescription": (0x0008, 0x1030),
    "PatientName": (0x0010, 0x0010),
    "PatientID": (0x0010, 0x0020),
    "StudyInstanceUID": (0x0020, 0x000D),
    "SeriesInstanceUID": (0x0020, 0x000E),
    "SOPInstanceUID": (0x0008, 0x0018),
    "InstanceNumber": (0x0020, 0x0013),
}


def question(level: str, answers: int, studies: int) -> Question:
    """One study by its accession number, the studies of some days, or the images of the first study."""
    if level == "IMAGE":
        uids = {"StudyInstanceUID": f"{ROOT}.1.0", "SeriesInstanceUID": f"{ROOT}.2.0"}
        return Question(level, answers, {**uids, "SOPInstanceUID": "", "InstanceNumber": ""})
    returned = dict.fromkeys(("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "StudyDescription"), "")
    if answers == 1:
        return Question(level, 1, returned | {"AccessionNumber": row(studies // 2 + 7)["AccessionNumber"]})
    held = min(answers, studies)
    first = (studies - held) // 2 // 100 * 100
    days = day_of(first) if held <= 100 else f"{day_of(first)}-{day_of(first + held - 1)}"
    return Question(level, held, returned | {"AccessionNumber": "", "StudyDate": days}, answers // held)


def encoded(asked: Question) -> bytes:
    keys = {TAGS["QueryRetrieveLevel"]: asked.level} | {TAGS[name]: value for name, value in asked.keys.items()}
    return identifier(keys)


def find_program(system: System, asked: Question) -> float:
    """Seconds of DCMTK's findscu, its own start included."""
    keys = [f"QueryRetrieveLevel={asked.level}", *(f"{name}={value}" for name, value in asked.keys.items())]
    options = [part for key in keys for part in ("-k", key)]
    command = [DCMTK / "findscu", "-S", "-aec", system.ae_title, "--repeat", asked.repeat, *options]
    start = time.perf_counter()
    subprocess.run(
        [str(word) for word in (*command, "127.0.0.1", system.port)],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - start


def find(system: System, asked: Question) -> float:
    """Seconds from the request to the last answer, by a raw peer on an association that is open already."""
    with RawPeer(system.port) as peer:
        peer.associate([(STUDY_FIND, (IMPLICIT,))], called=system.ae_title)
        start = time.perf_counter()
        found = sum(len(peer.find(1, encoded(asked))) for _ in range(asked.repeat))
        seconds = time.perf_counter() - start
        peer.release()
    if found != asked.answers * asked.repeat:
        raise RuntimeError(f"{system.name}: {found} answers, {asked.answers * asked.repeat} expected")
    return seconds


@contextmanager
def storing(system: System, files: Files, megabytes_per_second: float) -> Iterator[list[float]]:
    """Four storescu, each beginning anew when it has ended, or when its turn comes at the rate of all together.

    Yields the list of seconds that each send took. A rate of infinity is as fast as they can.
    """
    stop = threading.Event()
    sends: list[float] = []
    turn = files.bytes / 1e6 * len(files.folders) / megabytes_per_second

    def sender(folder: Path) -> None:
        while not stop.is_set():
            seconds = send(system, [folder], True)
            sends.append(seconds)
            stop.wait(max(0.0, turn - seconds))

    with ThreadPoolExecutor(len(files.folders)) as pool:
        running = [pool.submit(sender, folder) for folder in files.folders]
        try:
            yield sends
        finally:
            stop.set()
            for each in running:
                each.result()


def find_while_storing(
    system: System, asked: Question, files: Files, seconds: float, megabytes_per_second: float
) -> tuple[list[float], float]:
    """Latencies of one query after another, each on a new association, while four associations store; and MB/s stored.

    The queries' latency begins with the request, not with the connection.
    """
    found = []
    files.renew()
    begin = time.perf_counter()
    with storing(system, files, megabytes_per_second) as sends:
        while time.perf_counter() < begin + seconds:
            found.append(find(system, asked))
            time.sleep(0.005)  # a query load, not a flood
        stored = len(sends) * files.bytes / 1e6 / (time.perf_counter() - begin)
    system.registered(0)
    system.forget()
    return found, stored


def receive_giants(system: System, count: int, size: int) -> dict[str, float]:
    """Peak memory of the process group while `count` objects of `size` bytes each arrive in parallel."""
    system.forget()
    idle = memory_of(group_members(system.process.pid))
    start = time.perf_counter()
    with Memory(system.process.pid) as memory, ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda number: send_giant(system, number, size), range(count)))
        seconds = time.perf_counter() - start
        system.registered(count)
    registered = time.perf_counter() - start
    arrived = sum(path.stat().st_size for path in system.received())
    system.forget()
    if arrived < count * size:
        raise RuntimeError(f"{system.name}: only {arrived} bytes of {count} x {size} arrived")
    return {
        "rss_mb": memory.rss,
        "pss_mb": memory.pss,
        "idle_rss_mb": idle[0],
        "idle_pss_mb": idle[1],
        "seconds": seconds,
        "registered_seconds": registered,
    }


def send_giant(system: System, number: int, size: int) -> None:
    """Send one CT object whose pixels are `size` zero bytes, from memory that does not grow with it."""
    uid = f"{ROOT}.9.{time.time_ns()}.{number}"
    head = giant_header(uid, number, size)
    with RawPeer(system.port, timeout=600) as peer:
        peer.associate([(CT_IMAGE, (EXPLICIT,))], called=system.ae_title)
        room = min(peer.max_pdu, MAX_PDU) - 6
        full = pdu(P_DATA, pdv(1, 0, bytes(room)))
        peer.send(message(1, store_command(CT_IMAGE, uid)), pdu(P_DATA, pdv(1, 0, head)))
        block = memoryview(full * 32)
        whole, rest = divmod(size, room)
        for _ in range(whole // 32):
            peer.socket.sendall(block)
        peer.socket.sendall(block[: whole % 32 * len(full)])
        peer.send(pdu(P_DATA, pdv(1, LAST, bytes(rest))))
        status = peer.read_message().command["Status"]
        if status != 0:
            raise RuntimeError(f"{system.name}: C-STORE status 0x{status:04X}")
        peer.release()


def giant_header(uid: str, number: int, size: int) -> bytes:
    """The dataset of a CT object in Explicit VR Little Endian up to the value of Pixel Data."""

    def explicit(group: int, element: int, vr: bytes, value: bytes) -> bytes:
        value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
        return struct.pack("<HH2sH", group, element, vr, len(value)) + value

    us = struct.Struct("<H").pack
    return b"".join(
        (
            explicit(0x0008, 0x0016, b"UI", CT_IMAGE.encode()),
            explicit(0x0008, 0x0018, b"UI", uid.encode()),
            explicit(0x0008, 0x0060, b"CS", b"CT"),
            explicit(0x0010, 0x0010, b"PN", b"SYNTHETIC^GIANT"),
            explicit(0x0010, 0x0020, b"LO", b"GIANT"),
            explicit(0x0020, 0x000D, b"UI", f"{ROOT}.9.1".encode()),
            explicit(0x0020, 0x000E, b"UI", f"{ROOT}.9.2".encode()),
            explicit(0x0020, 0x0013, b"IS", str(number).encode()),
            explicit(0x0028, 0x0002, b"US", us(1)),
            explicit(0x0028, 0x0010, b"US", us(16384)),
            explicit(0x0028, 0x0011, b"US", us(size // 32768)),
            explicit(0x0028, 0x0100, b"US", us(16)),
            explicit(0x0028, 0x0101, b"US", us(12)),
            explicit(0x0028, 0x0102, b"US", us(11)),
            explicit(0x0028, 0x0103, b"US", us(0)),
            struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size),
        )
    )
