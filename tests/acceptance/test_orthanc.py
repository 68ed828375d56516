"""Orthanc as the PACS: each of the two sends to the other, finds and fetches there, and the counts agree."""

import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

Node, Hospital = Any, Any  # tests/conftest.py: RunningNode, conftest.py
Wait = Callable[..., None]

MOVESCU = "/usr/bin/movescu"
"""Where Debian puts it: pynetdicom installs a program of the same name into the virtual environment."""


@pytest.fixture(scope="session")
def case(phantoms: Path) -> Callable[[int], "Case"]:
    """One of the generated studies by number; each test takes another, because they share the node and the PACS."""
    return lambda number: Case(sorted(phantoms.iterdir())[number])


class Case:
    """A study in a folder."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.rglob("*.dcm"))
        headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in self.files]
        self.uid = str(headers[0].StudyInstanceUID)
        self.patient_id = str(headers[0].PatientID)
        self.objects = [(str(ds.SOPClassUID), str(ds.SOPInstanceUID)) for ds in headers]
        self.sop_instance_uids = sorted(uid for _, uid in self.objects)


def listed(node: Node, uid: str) -> dict[str, Any]:
    """The line of `radir studies` about a study; empty when there is none."""
    return next((study for study in node.json("studies") if study["study_instance_uid"] == uid), {})


def reports(pacs: Any, uid: str) -> list[pydicom.Dataset]:
    """The node's reports in a study of the PACS."""
    found = (pydicom.dcmread(io.BytesIO(pacs.file(sop))) for sop in pacs.sop_instances(uid, "SR"))
    return [ds for ds in found if ds.SeriesDescription == "RadIR similar cases"]


def move(node: Node, uid: str, destination: str) -> str:
    """Let DCMTK's movescu ask the node for a study; return what it prints."""
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid}"]
    command = [MOVESCU, "-d", "-S", "-aec", "RADIR", "-aem", destination, *keys, "127.0.0.1", str(node.port("scp"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.mark.requirement("RN-10")
def test_studies_routed_by_a_pacs_come_back_as_reports(
    hospital: Hospital, case: Callable[[int], Case], wait: Wait
) -> None:
    """Every routed study gets one similar-case report in the PACS, inside the very study it is about."""
    cases = [case(number) for number in range(4)]
    uploaded = hospital.pacs.upload(*(path for each in cases for path in each.files))
    studies = [each.uid for each in cases]

    for study in uploaded:
        hospital.pacs.route(study, "radir")

    wait(lambda: all(reports(hospital.pacs, uid) for uid in studies), 90, lambda: hospital.node.log()[-2000:])
    assert 4 == len(uploaded)
    assert [1] * 4 == [len(reports(hospital.pacs, uid)) for uid in studies]
    assert all(
        ds.StudyInstanceUID == uid and ds.VerificationFlag == "UNVERIFIED"
        for uid in studies
        for ds in reports(hospital.pacs, uid)
    )
    assert ["verified"] * 4 == [listed(hospital.node, uid)["completion"] for uid in studies]
    assert hospital.pacs.echo("radir")


def test_the_pacs_finds_and_fetches(hospital: Hospital, case: Callable[[int], Case]) -> None:
    """Orthanc queries the node for a patient by wildcard and fetches what it finds, byte for byte."""
    study = case(4)
    hospital.node.send(*study.files)

    matched = hospital.pacs.retrieve("radir", {"PatientID": f"{study.patient_id[:-1]}?", "StudyInstanceUID": study.uid})

    assert 1 == matched
    assert set(study.sop_instance_uids) <= set(hospital.pacs.sop_instances(study.uid))
    sent = {uid: path.read_bytes() for (_, uid), path in zip(study.objects, study.files, strict=True)}
    assert {uid: dataset(data) for uid, data in sent.items()} == {
        uid: dataset(hospital.pacs.file(uid)) for uid in study.sop_instance_uids
    }


def dataset(data: bytes) -> bytes:
    """What follows the file meta information, whose length stands in its first element."""
    return data[144 + int.from_bytes(data[140:144], "little") :]


def test_a_third_party_lets_the_node_send_to_the_pacs(hospital: Hospital, case: Callable[[int], Case]) -> None:
    """C-MOVE with the PACS as destination: the counts of the response are what the PACS then holds."""
    study = case(5)
    hospital.node.send(*study.files)
    assert [] == hospital.pacs.sop_instances(study.uid)

    said = move(hospital.node, study.uid, "ORTHANC")

    assert f"Completed Suboperations       : {len(study.files)}" in said
    assert study.sop_instance_uids == hospital.pacs.sop_instances(study.uid)


def test_a_study_waits_for_what_the_pacs_counts(hospital: Hospital, case: Callable[[int], Case], wait: Wait) -> None:
    """Orthanc's own job may report success and have lost some: a study short of the PACS's count is not indexed."""
    study = case(6)
    hospital.pacs.upload(*study.files)
    hospital.node.send(*study.files[:-1])

    wait(
        lambda: listed(hospital.node, study.uid).get("expected_instances") == len(study.files),
        60,
        lambda: f"{listed(hospital.node, study.uid)} {hospital.node.log()[-2000:]}",
    )
    before = listed(hospital.node, study.uid)
    hospital.node.send(study.files[-1])
    wait(
        lambda: listed(hospital.node, study.uid)["completion"] == "verified",
        60,
        lambda: f"{listed(hospital.node, study.uid)} {hospital.node.log()[-2000:]}",
    )

    assert "quiet" == before["state"]


@pytest.mark.requirement("RN-10")
def test_a_pacs_that_is_away_stops_nothing(make_node: Callable[..., Node], phantoms: Path) -> None:
    """The study is indexed, its push waits for the next try, and `radir sr --push` says in one line what is wrong."""
    peers = '{"gone": {"ae_title": "GONE", "host": "127.0.0.1", "port": 1}}'
    node = make_node(DICOM__PEERS=peers, DICOM__PUSH_TO="gone").start()
    node.send(sorted(phantoms.iterdir())[0])

    (study,) = node.settled()
    pushed = node.run("sr", study["study_instance_uid"], "--push", "gone")

    assert "indexed" == study["state"]
    assert 75 == pushed.returncode
    assert 1 == len([line for line in pushed.stderr.splitlines() if not line.startswith("{")])
    assert 1 == node.json("status")["queue"], "the push waits for its next try"
