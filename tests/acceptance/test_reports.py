"""Reports by HL7 on a running node: linked within moments, replaced, taken away; nothing acknowledged is lost."""

import datetime as dt
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from hl7.client import MLLPClient
from oru import CANARY, Oru

from radir_node.catalog.cases import Cases
from radir_node.catalog.database import open_database

Node = Any  # tests/conftest.py: RunningNode
Wait = Callable[..., None]

KILLS = 10
NOON = dt.datetime(2026, 3, 1, 12)


@pytest.fixture
def node(make_node: Callable[..., Node], database_url: str, wait: Wait) -> Node:
    """A running node whose HL7 service listens."""
    running = make_node(DATABASE__URL=database_url).start()
    wait(lambda: listens(running), 20, lambda: running.log()[-2000:])
    return running


def listens(node: Node) -> bool:
    return (node.root / "run" / "hl7.json").exists()


@pytest.fixture
def case(phantoms: Path) -> tuple[list[Path], str, str]:
    """Image files of one radiograph study, its accession number and patient."""
    for folder in sorted(phantoms.iterdir()):
        images = [path for path in folder.glob("*.dcm") if not path.name.startswith("SR")]
        header = pydicom.dcmread(images[0], stop_before_pixels=True)
        if header.Modality in ("CR", "DX"):
            return images, header.AccessionNumber, header.PatientID
    raise AssertionError("no phantom radiograph")


@pytest.fixture
def texts(database_url: str) -> Iterator[Callable[[], list[tuple[str, list[str]]]]]:
    """Read the reports of all studies: text, and findings of its tags."""
    database = open_database(database_url, Path())

    def read() -> list[tuple[str, list[str]]]:
        reports = [report for case in Cases(database).recent(100) for report in case.reports]
        return [(report.text, [tag.finding for tag in report.tags]) for report in reports]

    yield read
    database.close()


def send(node: Node, *messages: Oru | bytes) -> list[str]:
    """Send over one connection; return MSA-1 of each answer."""
    codes = []
    with MLLPClient("127.0.0.1", node.port("hl7")) as client:
        for message in messages:
            answer = client.send_message(message if isinstance(message, bytes) else message.encode())
            codes.append(answer.decode().split("\rMSA|")[1][:2])
    return codes


@pytest.mark.requirement("RN-19")
def test_a_report_by_hl7_is_beside_its_study_corrected_and_taken_away(
    node: Node, case: Any, texts: Any, wait: Wait
) -> None:
    """ORU^R01 final, corrected, cancelled: each is acknowledged, and the tags follow."""
    images, accession, patient = case
    assert node.send(*images).returncode == 0
    node.settled()

    def says(*expected: str) -> bool:
        return [finding for _, found in texts() for finding in found] == list(expected)

    def message(line: str, status: str, minute: int) -> Oru:
        return Oru(accession, patient, [line], status, str(minute), NOON + dt.timedelta(minutes=minute))

    codes = send(node, message("Small right pleural effusion.", "F", 1))
    wait(lambda: says("pleural_effusion"), 20, texts)
    codes += send(node, message("Large left pneumothorax.", "C", 2))
    wait(lambda: says("pneumothorax"), 20, texts)
    codes += send(node, message("", "X", 3))
    wait(says, 20, texts)

    assert ["AA", "AA", "AA"] == codes


@pytest.mark.requirement("RN-19")
def test_a_report_before_its_images_waits_for_them(node: Node, case: Any, texts: Any, wait: Wait) -> None:
    """Of another patient it is quarantined instead, and what is no report at all is refused."""
    images, accession, patient = case
    own = Oru(accession, patient, ["Cardiomegaly.", "No pneumothorax."], control_id="1")
    foreign = Oru(accession, "SOMEBODY", ["Hiatal hernia."], control_id="2", made_at=NOON + dt.timedelta(hours=1))
    unreadable = Oru(accession, patient, ["Nodule."], control_id="3")

    codes = send(node, own, Oru("FOREIGN" + accession, patient, ["Rib fracture."]))
    codes += send(node, unreadable.encode_wrong(), b"MSH|^~\\&|A|B|C|D|20260301||ADT^A01|9|P|2.5.1\rPID|1||7\r")
    node.send(*images)
    node.settled()
    wait(lambda: len(texts()) == 1, 20, texts)
    codes += send(node, foreign)

    def states() -> dict[str, int]:
        return {state: n for state, n in node.json("reports")["messages"].items() if n}

    wait(lambda: states() == {"linked": 1, "pending": 1, "quarantined": 1, "dead": 1}, 20, lambda: str(states()))
    assert ["AA", "AA", "AE", "AR", "AA"] == codes
    assert ["cardiomegaly", "pneumothorax"] == texts()[0][1]
    listed = node.json("reports")
    assert ["dead", "quarantined", "pending"] == [row["state"] for row in listed["troubled"]]
    assert not any(secret in json.dumps(listed) for secret in (CANARY, accession, patient, "hernia"))


@pytest.mark.requirement("RN-19")
def test_no_word_of_a_message_is_logged(
    make_node: Callable[..., Node], database_url: str, wait: Wait, case: Any
) -> None:
    """At debug level: names, ids, accession numbers and text of good, bad and foreign messages stay out."""
    node = make_node(DATABASE__URL=database_url, LOGGING__LEVEL="debug").start()
    wait(lambda: listens(node), 20, lambda: node.log()[-2000:])
    images, accession, patient = case
    node.send(*images)
    node.settled()
    good = Oru(accession, patient, ["Canaryword pleural effusion."])

    send(node, good, Oru(accession, "CANARYPATIENT", ["Canaryword."], control_id="CANARYCONTROL"))
    send(node, good.encode_wrong(), b"MSH|^~\\&|CANARYAPP|canaryword", b"canaryword")
    wait(lambda: node.json("reports")["messages"]["waiting"] == 0, 20, node.log)
    node.run("reports", "replay", "--all")
    node.stop()

    found = [w for w in (CANARY, accession, patient, "anaryword", "CANARY") if w.lower() in node.log().lower()]
    assert [] == found
    assert "hl7" in node.log()


@pytest.mark.requirement("RN-19")
@pytest.mark.timeout(600)
def test_kills_lose_no_acknowledged_message(make_node: Callable[..., Node], database_url: str, wait: Wait) -> None:
    """kill -9 of the whole node in the middle of streams of messages: every AA is in the catalogue, once."""
    node = make_node(DATABASE__URL=database_url)
    rng = random.Random(11)
    acknowledged: set[str] = set()
    for kill in range(KILLS):
        (node.root / "run" / "hl7.json").unlink(missing_ok=True)
        node.start()
        wait(lambda: listens(node), 20, lambda: node.log()[-2000:])
        streams = [Stream(node.port("hl7"), f"K{kill}-{n}") for n in range(3)]
        killer = threading.Timer(rng.uniform(0.2, 1.0), node.kill)
        killer.start()
        for stream in streams:
            acknowledged |= stream.result()
        killer.join()

    database = open_database(database_url, Path())
    with database.begin() as connection:
        held = connection.execute(sa.text("select accession_numbers[1] from report_message")).scalars().all()
    database.close()

    assert len(acknowledged) > 50 * KILLS
    assert acknowledged <= set(held)
    assert len(held) == len(set(held))


class Stream:
    """Sends message after message over one connection until it breaks."""

    def __init__(self, port: int, name: str) -> None:
        self._acknowledged: set[str] = set()
        self._thread = threading.Thread(target=self._run, args=(port, name))
        self._thread.start()

    def result(self) -> set[str]:
        """Return the accession numbers of acknowledged messages, when the connection has broken."""
        self._thread.join()
        return self._acknowledged

    def _run(self, port: int, name: str) -> None:
        try:
            with MLLPClient("127.0.0.1", port) as client:
                for number in range(100_000):
                    accession = f"{name}-{number}"
                    answer = client.send_message(Oru(accession, "P1", ["Effusion."], control_id=accession).encode())
                    if b"\rMSA|AA" not in answer:
                        return
                    self._acknowledged.add(accession)
        except OSError:
            return


def test_the_port_takes_no_stranger(make_node: Callable[..., Node], database_url: str, wait: Wait) -> None:
    """An address that no source names is closed without an answer."""
    node = make_node(DATABASE__URL=database_url, REPORTS__SOURCES='{"ris": {"addresses": ["10.9.9.9"]}}').start()
    wait(lambda: listens(node), 20, lambda: node.log()[-2000:])

    with socket.create_connection(("127.0.0.1", node.port("hl7")), timeout=10) as stranger:
        stranger.sendall(b"\x0b" + Oru("A1", "P1", ["Effusion."]).encode() + b"\x1c\r")
        try:
            answer = stranger.recv(100)
        except ConnectionError:
            answer = b""

    assert b"" == answer
