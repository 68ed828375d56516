"""Storage commitment with the whole node: promises outlive kill -9, Orthanc asks the node and is asked by it."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Queue
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel as Commitment

from dicom_services.commitment_messages import SOP_INSTANCE_UID, request_dataset
from radir_node.catalog.database import Database
from radir_node.domain.commitment import SopReference

Node = Any  # tests/conftest.py: RunningNode
Wait = Callable[..., None]


ROUNDS = int(os.environ.get("RADIR_KILLS", "4"))
"""Of kill -9 while commitment goes on; the published figure is of 100."""


class Modality:
    """A stock pynetdicom modality that asks for commitment and listens for the report on a port of its own."""

    def __init__(self) -> None:
        self.reports: Queue[tuple[int, Dataset]] = Queue()
        self._ae = AE("CT_SCANNER")
        self._ae.add_requested_context(Commitment, ImplicitVRLittleEndian)
        self._ae.add_supported_context(Commitment, ImplicitVRLittleEndian, scu_role=False, scp_role=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self._server: Any = None

    def listen(self) -> None:
        handlers = [(evt.EVT_N_EVENT_REPORT, self._report)]
        self._server = self._ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)

    def heard(self) -> list[tuple[int, Dataset]]:
        """Every report so far."""
        return list(self.reports.queue)

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()

    def _report(self, event: evt.Event) -> tuple[int, None]:
        self.reports.put((event.event_type, event.event_information))
        return 0x0000, None

    def ask(self, port: int, transaction_uid: str, references: list[SopReference]) -> int | None:
        """Send the N-ACTION and leave at once; return its status, None when there is no answer."""
        association = self._ae.associate("127.0.0.1", port, ae_title="RADIR")
        if not association.is_established:
            return None
        dataset = request_dataset(transaction_uid, references)
        response, _ = association.send_n_action(dataset, 1, Commitment, SOP_INSTANCE_UID)
        association.abort()
        return int(response.Status) if "Status" in response else None


@pytest.fixture
def modality() -> Iterator[Modality]:
    made = Modality()
    yield made
    made.close()


def references(*paths: Path) -> list[SopReference]:
    read = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    return [SopReference(str(ds.SOPClassUID), str(ds.SOPInstanceUID)) for ds in read]


def peers(**ports: int) -> str:
    titles = {"ct": "CT_SCANNER", "pacs": "ORTHANC"}
    return json.dumps(
        {name: {"ae_title": titles[name], "host": "127.0.0.1", "port": port} for name, port in ports.items()}
    )


def test_a_promise_outlives_kill_9(
    make_node: Callable[..., Node], modality: Modality, phantoms: Path, wait: Wait
) -> None:
    """Killed between the answer to the request and the report, the node reports after its start, once, by itself."""
    files = sorted(sorted(phantoms.iterdir())[0].rglob("*.dcm"))
    node = make_node(DICOM__PEERS=peers(ct=modality.port)).start()
    node.send(*files)
    missing = SopReference("1.2.840.10008.5.1.4.1.1.2", generate_uid())
    whole, partly = generate_uid(), generate_uid()

    accepted = [
        modality.ask(node.port("scp"), whole, references(*files)),
        modality.ask(node.port("scp"), partly, [*references(*files), missing]),
    ]
    node.kill()
    modality.listen()
    node.start()

    reports = [modality.reports.get(timeout=60) for _ in range(2)]
    assert [0, 0] == accepted
    assert [(1, whole), (2, partly)] == [(event_type, ds.TransactionUID) for event_type, ds in reports]
    (failed,) = reports[1][1].FailedSOPSequence
    assert (missing.sop_instance_uid, 0x0112) == (failed.ReferencedSOPInstanceUID, failed.FailureReason)
    assert len(files) == len(reports[0][1].ReferencedSOPSequence) == len(reports[1][1].ReferencedSOPSequence)
    wait(lambda: node.log().count("commitment_reported") == 2, 30, lambda: node.log()[-2000:])
    assert modality.reports.empty()


def test_orthanc_and_the_node_promise_each_other(
    make_node: Callable[..., Node], orthanc: Any, phantoms: Path, wait: Wait
) -> None:
    """Orthanc hears that its images are safe, and which one is not; the node hears that its report is."""
    node = make_node(DICOM__PEERS=peers(pacs=orthanc.dicom_port), DICOM__PUSH_TO="pacs").start()
    orthanc.know("radir", "RADIR", node.port("scp"))
    files = sorted(sorted(phantoms.iterdir())[0].rglob("*.dcm"))
    (study,) = orthanc.upload(*files)
    missing = SopReference("1.2.840.10008.5.1.4.1.1.2", generate_uid())

    orthanc.route(study, "radir")
    whole = orthanc.ask_commitment("radir", references(*files))
    partly = orthanc.ask_commitment("radir", [*references(*files), missing])

    def reported() -> bool:
        return {"Success", "Failure"} == {orthanc.commitment(uid)["Status"] for uid in (whole, partly)}

    wait(reported, 60, lambda: node.log()[-2000:])
    assert "Success" == orthanc.commitment(whole)["Status"]
    assert len(files) == len(orthanc.commitment(partly)["Success"])
    ((failure,),) = [orthanc.commitment(partly)["Failures"]]
    assert (missing.sop_instance_uid, 0x0112) == (failure["SOPInstanceUID"], failure["FailureReason"])
    wait(lambda: pushed_and_confirmed(node), 60, lambda: node.log()[-2000:])


def pushed_and_confirmed(node: Node) -> bool:
    """Whether the archive has committed to the one report that was pushed to it."""
    lines = [json.loads(line) for line in node.log().splitlines() if line.startswith("{")]
    heard = [line for line in lines if line.get("event") == "commitment_reported" and "calling_ae_title" in line]
    return [("ORTHANC", 1, 0)] == [(line["calling_ae_title"], line["committed"], line["failed"]) for line in heard]


class Services:
    """`radir scp` and `radir worker` alone, on a database that outlives them: quick to start, quick to kill."""

    def __init__(self, root: Path, database_url: str, peers: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        settings = {
            "STORAGE__ROOT": str(root),
            "STORAGE__MIN_FREE_MB": "0",
            "DATABASE__URL": database_url,
            "DICOM__PORT": str(self.port),
            "DICOM__PEERS": peers,
        }
        self._environment = {**os.environ, **{f"RADIR_{key}": value for key, value in settings.items()}}
        self._log = root / "services.log"
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._running = [
                subprocess.Popen(
                    [sys.executable, "-m", "radir_node", verb],
                    env=self._environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
                for verb in ("scp", "worker")
            ]

    def kill(self) -> None:
        """kill -9 every process of both, children first in no order."""
        for process in self._running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._running = []

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True

    def log(self) -> str:
        return self._log.read_text(errors="replace")


@pytest.fixture
def services(tmp_path: Path, database_url: str, modality: Modality) -> Iterator[Services]:
    made = Services(tmp_path, database_url, peers(ct=modality.port))
    yield made
    made.kill()


@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pynetdicom leaks refused sockets
def test_no_kill_loses_or_doubles_a_promise(
    services: Services,
    modality: Modality,
    database: Database,
    phantoms: Path,
    wait: Wait,
    record_property: Callable[[str, object], None],
) -> None:
    """Killed again and again while it takes requests and reports, the node reports on every request that it accepted.

    A report comes a second time only where the kill fell between the peer's answer and its note in the database.
    """
    files = sorted(sorted(phantoms.iterdir())[0].rglob("*.dcm"))
    rng = random.Random(9)
    accepted: list[str] = []
    modality.listen()
    services.start()
    wait(services.answers, 60, services.log)
    command = ["/usr/bin/storescu", "-aet", "CT_SCANNER", "-aec", "RADIR", "-R", "127.0.0.1", str(services.port)]
    subprocess.run([*command, *map(str, files)], check=True, timeout=60)

    for _ in range(ROUNDS):
        wait(services.answers, 60, services.log)
        killer = threading.Timer(rng.uniform(0.5, 8), services.kill)
        killer.start()
        while killer.is_alive():
            uid = generate_uid()
            missing = SopReference("1.2.840.10008.5.1.4.1.1.2", generate_uid())
            if services.answers() and modality.ask(services.port, uid, [*references(*files), missing]) == 0:
                accepted.append(uid)
        with database.begin() as connection:  # what a killed process held would be free in five minutes
            connection.exec_driver_sql("update commitment set leased_until = now() where state = 'waiting'")
        services.start()

    def told() -> Counter[str]:
        return Counter(str(report.TransactionUID) for _, report in modality.heard())

    wait(lambda: set(accepted) <= set(told()), 120, services.log)
    twice = [uid for uid, times in told().items() if times > 1]
    record_property("requests accepted", len(accepted))
    record_property("reported twice", len(twice))
    assert len(accepted) >= ROUNDS
    assert len(twice) <= ROUNDS
    assert {(2, len(files), 1)} == {
        (event_type, len(report.ReferencedSOPSequence), len(report.FailedSOPSequence))
        for event_type, report in modality.heard()
    }
