"""Real studies and odd files go through the whole way: on disk byte for byte, indexed or listed with a reason."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pydicom
import pytest

from dicom_services.scu.caller import Caller
from dicom_services.scu.send import send_files
from radir_node.catalog.database import open_database
from radir_node.catalog.jobs import job_app
from radir_node.catalog.studies import Studies
from radir_node.settings import Peer

BATCH = 40
"""Files of one association: a presentation context for each SOP class and transfer syntax, 128 at most."""

Node = Any  # tests/conftest.py: RunningNode


def data_set(path: Path) -> bytes:
    """Return the bytes after the file meta information that the node itself wrote."""
    content = path.read_bytes()
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]


def ends_with_one_of(content: bytes, endings: set[bytes]) -> bool:
    """Say whether a sent file holds a stored data set: what comes before it is the sender's own file meta."""
    return any(content.endswith(ending) for ending in endings if ending)


@pytest.mark.requirement("RN-07")
@pytest.mark.timeout(900)
def test_odd_files_leave_the_node_alive_and_nothing_unexplained(
    make_node: Callable[..., Node], shared_data: Path
) -> None:
    """Every accepted instance is on disk byte for byte, and indexed or listed with its reason."""
    node = make_node().start()
    folders = [shared_data / "dicom_zoo_small" / "files", shared_data / "dicom_chest_misc"]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix != ".csv"]
    peer = Peer(ae_title="RADIR", host="127.0.0.1", port=node.port("scp"))
    statuses = [
        status
        for start in range(0, len(files), BATCH)
        for _, status in send_files(peer, files[start : start + BATCH], Caller("TEST")).outcomes
    ]
    accepted = [path for path, status in zip(files, statuses, strict=True) if status == 0]

    node.settled(600)

    assert node.json("status")["ready"]
    assert len(accepted) > 100
    stored = {data_set(path) for path in (node.root / "instances").rglob("*.dcm")}
    missing = [path.name for path in accepted if not ends_with_one_of(path.read_bytes(), stored)]
    assert [] == missing
    assert [] == unexplained(node, [study for study in node.json("studies") if study["state"] == "not_indexable"])
    assert "failed" not in node.json("status")["studies"]


def unexplained(node: Node, studies: Sequence[Any]) -> list[Any]:
    """Return studies and their images without a reason, read from the catalogue: a process for each takes minutes."""
    database = open_database("", node.root / "postgres")
    catalogue = Studies(database, job_app(database.url))
    found = [study for study in studies if not study["reason"]]
    for study in studies:
        rows = catalogue.instances(study["study_instance_uid"])
        found += [row for row in rows if not row["reason"] and not is_document(row["sop_class_uid"])]
    database.close()
    return found


def is_document(sop_class_uid: str) -> bool:
    return re.match(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.(88|104)\.", sop_class_uid) is not None


@pytest.mark.requirement("RN-08")
@pytest.mark.timeout(600)
def test_every_frontal_study_of_openi_is_indexed_with_its_report(
    make_node: Callable[..., Node], shared_data: Path
) -> None:
    """The sample of Open-i: each study with a readable frontal image is searchable."""
    node = make_node().start()
    folder = shared_data / "openi_dicom_sample"
    assert node.send(folder).returncode == 0

    studies = node.settled(300)

    frontal = {
        ds.StudyInstanceUID
        for path in folder.rglob("*.dcm")
        for ds in [pydicom.dcmread(path, stop_before_pixels=True)]
        if ds.get("ViewPosition") in ("AP", "PA")
    }
    assert len(frontal) > 30
    assert frontal <= {study["study_instance_uid"] for study in studies if study["state"] == "indexed"}
    answer = node.json("search", sorted(frontal)[0], "--anatomy", "heart")
    assert len(answer["matches"]) == 5


@pytest.mark.requirement("RN-08")
@pytest.mark.timeout(600)
def test_real_chest_ct_is_indexed_and_searchable(make_node: Callable[..., Node], shared_data: Path) -> None:
    """Three series in JPEG Lossless, every fourth slice; the fourth subject has no valid UIDs and cannot be sent."""
    node = make_node().start()
    assert (
        node.send("-xs", *(shared_data / "covid_ct_md" / name for name in ("P001", "cap001", "normal001"))).returncode
        == 0
    )

    studies = node.settled(300)

    assert {"indexed"} == {study["state"] for study in studies}
    assert {"CT"} == {study["modality"] for study in studies}
    answer = node.json("search", studies[0]["study_instance_uid"], "--anatomy", "right lower lobe")
    assert "right" in answer["anatomy_label"]
    assert len(studies) - 1 == len(answer["matches"])
