"""Orthanc as the PACS: it routes studies to the node, gets the report pushed back, and is asked whether it has it."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

Node = Any  # tests/conftest.py: RunningNode
Wait = Callable[..., None]


@pytest.mark.requirement("RN-10")
def test_studies_routed_by_a_pacs_come_back_as_reports(
    make_node: Callable[..., Node], orthanc: Any, phantoms: Path, wait: Wait
) -> None:
    """Every routed study gets one similar-case report in the PACS, inside the very study it is about."""
    peers = {"pacs": {"ae_title": orthanc.ae_title, "host": "127.0.0.1", "port": orthanc.dicom_port}}
    node = make_node(DICOM__PEERS=json.dumps(peers), DICOM__PUSH_TO="pacs").start()
    orthanc.know("radir", "RADIR", node.port("scp"))
    folders = sorted(phantoms.iterdir())[:4]
    uploaded = orthanc.upload(*(path for folder in folders for path in sorted(folder.rglob("*.dcm"))))

    for study in uploaded:
        orthanc.route(study, "radir")
    studies = [study["study_instance_uid"] for study in node.settled()]

    def reports(uid: str) -> list[pydicom.Dataset]:
        found = (pydicom.dcmread(io.BytesIO(orthanc.file(sop))) for sop in orthanc.sop_instances(uid, "SR"))
        return [ds for ds in found if ds.SeriesDescription == "RadIR similar cases"]

    wait(lambda: all(reports(uid) for uid in studies), 60, lambda: node.log()[-2000:])
    assert len(uploaded) == len(studies)
    assert [1] * len(studies) == [len(reports(uid)) for uid in studies]
    assert all(
        ds.StudyInstanceUID == uid and ds.VerificationFlag == "UNVERIFIED" for uid in studies for ds in reports(uid)
    )
    assert orthanc.echo("radir")


@pytest.mark.requirement("RN-10")
def test_a_pacs_that_is_away_stops_nothing(make_node: Callable[..., Node], phantoms: Path) -> None:
    """The study is indexed, its push waits for the next try, and `radir sr --push` says in one line what is wrong."""
    peers = {"gone": {"ae_title": "GONE", "host": "127.0.0.1", "port": 1}}
    node = make_node(DICOM__PEERS=json.dumps(peers), DICOM__PUSH_TO="gone").start()
    node.send(sorted(phantoms.iterdir())[0])

    (study,) = node.settled()
    pushed = node.run("sr", study["study_instance_uid"], "--push", "gone")

    assert "indexed" == study["state"]
    assert 75 == pushed.returncode
    assert 1 == len([line for line in pushed.stderr.splitlines() if not line.startswith("{")])
    assert 1 == node.json("status")["queue"], "the push waits for its next try"
