"""Reports by HL7 on a running node: linked within moments, replaced, taken away; nothing acknowledged is lost."""

import datetime as dt
import json
import os
import random
import socket
import subprocess
import sys
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

KILLS = int(os.environ.get("RADIR_TEST_KILLS", "5"))
NOON = dt.datetime(2026, 3, 1, 12)


@pytest.fixture(scope="module")
def node(
    running_node: type[Node], tmp_path_factory: pytest.TempPathFactory, postgres: str, wait: Wait
) -> Iterator[Node]:
    """A running node whose HL7 service listens, and which logs all that it can."""
    running = running_node(tmp_path_factory.mktemp("node"), LOGGING__LEVEL="debug")
    try:
        yield listening(running.start(), wait)
    finally:
        running.close()


def listening(node: Node, wait: Wait) -> Node:
    wait((node.root / "run" / "hl7.json").exists, 30, lambda: node.log()[-2000:])
    return node


@pytest.fixture(scope="module")
def studies(phantoms: Path) -> Iterator[tuple[list[Path], str, str]]:
    """One radiograph study after the other: image files, accession number and patient."""
    return iter(list(radiographs(phantoms)))


def radiographs(phantoms: Path) -> Iterator[tuple[list[Path], str, str]]:
    for folder in sorted(phantoms.iterdir()):
        images = [path for path in folder.glob("*.dcm") if not path.name.startswith("SR")]
        header = pydicom.dcmread(images[0], stop_before_pixels=True)
        if header.Modality in ("CR", "DX"):
            yield images, header.AccessionNumber, header.PatientID


@pytest.fixture
def case(studies: Iterator[tuple[list[Path], str, str]]) -> tuple[list[Path], str, str]:
    """A study that no other test has."""
    return next(studies)


Texts = Callable[[str], list[tuple[str, list[str]]]]


@pytest.fixture(scope="module")
def texts(node: Node) -> Iterator[Texts]:
    """Read the reports of the study of an accession number: text, and findings of its tags."""
    database = open_database("", node.root / "postgres")

    def read(accession: str) -> list[tuple[str, list[str]]]:
        found = Cases(database).by_accession(accession)
        return [(report.text, [tag.finding for tag in report.tags]) for report in found.reports] if found else []

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
    node: Node, case: Any, texts: Texts, wait: Wait
) -> None:
    """ORU^R01 final, corrected, cancelled: each is acknowledged, and the tags follow."""
    images, accession, patient = case
    assert node.send(*images).returncode == 0
    node.settled()

    def says(*expected: str) -> Callable[[], bool]:
        return lambda: [finding for _, found in texts(accession) for finding in found] == list(expected)

    def message(line: str, status: str, minute: int) -> Oru:
        return Oru(accession, patient, [line], status, str(minute), NOON + dt.timedelta(minutes=minute))

    codes = send(node, message("Small right pleural effusion.", "F", 1))
    wait(says("pleural_effusion"), 20, lambda: str(texts(accession)))
    codes += send(node, message("Large left pneumothorax.", "C", 2))
    wait(says("pneumothorax"), 20, lambda: str(texts(accession)))
    codes += send(node, message("", "X", 3))
    wait(says(), 20, lambda: str(texts(accession)))

    assert ["AA", "AA", "AA"] == codes


@pytest.mark.requirement("RN-19")
def test_a_report_before_its_images_waits_for_them(node: Node, case: Any, texts: Texts, wait: Wait) -> None:
    """Of another patient it is quarantined instead, and what is no report at all is refused."""
    images, accession, patient = case
    own = Oru(accession, patient, ["Cardiomegaly.", "No pneumothorax."], control_id="11")
    foreign = Oru(accession, "SOMEBODY", ["Hiatal hernia."], control_id="12", order="OTHER")
    before = messages(node)

    codes = send(node, own, Oru("FOREIGN" + accession, patient, ["Rib fracture."]))
    codes += send(node, own.encode_wrong(), b"MSH|^~\\&|A|B|C|D|20260301||ADT^A01|9|P|2.5.1\rPID|1||7\r")
    node.send(*images)
    node.settled()
    wait(lambda: len(texts(accession)) == 1, 20, lambda: str(texts(accession)))
    codes += send(node, foreign)

    def came() -> dict[str, int]:
        return {state: n - before[state] for state, n in messages(node).items() if n > before[state]}

    wait(lambda: came() == {"linked": 1, "pending": 1, "quarantined": 1, "dead": 1}, 20, lambda: str(came()))
    listed = node.json("reports")["troubled"]
    assert ["AA", "AA", "AE", "AR", "AA"] == codes
    assert ["cardiomegaly", "pneumothorax"] == texts(accession)[0][1]
    assert ["dead", "quarantined", "pending"] == [row["state"] for row in listed]
    assert not any(secret in json.dumps(listed) for secret in (CANARY, accession, patient, "hernia"))


def messages(node: Node) -> dict[str, int]:
    return dict(node.json("reports")["messages"])


@pytest.mark.requirement("RN-06")
def test_no_word_of_a_message_is_logged(node: Node, case: Any, texts: Texts, wait: Wait) -> None:
    """At debug level: names, ids, accession numbers and text of good, bad and foreign messages stay out."""
    images, accession, patient = case
    node.send(*images)
    node.settled()
    good = Oru(accession, patient, ["Canaryword pleural effusion."], control_id="CANARYCONTROL")

    send(node, good, Oru(accession, "CANARYPATIENT", ["Canaryword."], control_id="21"))
    send(node, good.encode_wrong(), b"MSH|^~\\&|CANARYAPP|canaryword", b"canaryword")
    wait(lambda: bool(texts(accession)), 20, node.log)
    node.run("reports", "replay", "--all")
    wait(lambda: messages(node)["waiting"] == 0, 20, node.log)

    log = node.log().lower()
    assert [] == [word for word in (CANARY, accession, patient, "anaryword", "CANARY") if word.lower() in log]
    assert "hl7_connection" in log


@pytest.mark.requirement("RN-19")
@pytest.mark.timeout(60 + 10 * KILLS)
def test_kills_lose_no_acknowledged_message(make_node: Callable[..., Node], database_url: str, wait: Wait) -> None:
    """kill -9 of the service in the middle of streams of messages: every AA is in the catalogue, once."""
    node = make_node(DATABASE__URL=database_url)
    rng = random.Random(11)
    acknowledged: set[str] = set()
    for kill in range(KILLS):
        service = subprocess.Popen([sys.executable, "-m", "radir_node", "hl7"], env=node.environment)
        wait(lambda service=service: said_by(node, service), 30, lambda: "the service does not listen")
        streams = [Stream(node.port("hl7"), f"K{kill}-{n}") for n in range(3)]
        killer = threading.Timer(rng.uniform(0.2, 1.0), service.kill)
        killer.start()
        for stream in streams:
            acknowledged |= stream.result()
        killer.join()
        service.wait()

    database = open_database(database_url, Path())
    with database.begin() as connection:
        held = connection.execute(sa.text("select accession_numbers[1] from report_message")).scalars().all()
    database.close()

    say(f"{KILLS} kills of the HL7 service: {len(acknowledged)} acknowledged, {len(held)} kept")
    assert len(acknowledged) > 20 * KILLS
    assert acknowledged <= set(held)
    assert len(held) == len(set(held))


def said_by(node: Node, service: "subprocess.Popen[bytes]") -> bool:
    """Whether the file that says where the service listens is this process's."""
    try:
        return bool(json.loads((node.root / "run" / "hl7.json").read_text())["pid"] == service.pid)
    except OSError:
        return False


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


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


def test_the_port_takes_no_stranger(make_node: Callable[..., Node], wait: Wait) -> None:
    """An address that no source names is closed without an answer."""
    node = make_node(REPORTS__SOURCES='{"ris": {"addresses": ["10.9.9.9"]}}', DICOM__STORE_WORKERS="0")
    listening(node.start(), wait)

    with socket.create_connection(("127.0.0.1", node.port("hl7")), timeout=10) as stranger:
        stranger.sendall(b"\x0b" + Oru("A1", "P1", ["Effusion."]).encode() + b"\x1c\r")
        try:
            answer = stranger.recv(100)
        except ConnectionError:
            answer = b""

    assert b"" == answer
