"""The main job on a running node, with DCMTK as the modality, the viewer and the archive."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

Node = Any  # tests/conftest.py: RunningNode

QUERY_LEVELS = {"series": ["-k", "QueryRetrieveLevel=SERIES"], "image": ["-k", "QueryRetrieveLevel=IMAGE"]}


@pytest.fixture(scope="module")
def filled(node: Node, phantoms: Path) -> Node:
    """A node that holds the phantom archive, settled."""
    done = node.send(phantoms)
    assert done.returncode == 0, done.stderr
    node.settled()
    return node


@pytest.fixture(scope="module")
def effusion(filled: Node) -> str:
    """Study Instance UID of a radiograph whose report speaks of an effusion."""
    for study in filled.json("studies"):
        if study["modality"] != "CXR":
            continue
        found = filled.json("search", study["study_instance_uid"], "--k", "1")
        if any("effusion" in finding for match in found["matches"] for finding in match["findings"]):
            return str(study["study_instance_uid"])
    raise AssertionError("no phantom radiograph resembles an effusion")


def query(node: Node, tool: str, *arguments: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    command = [f"/usr/bin/{tool}", "-S", "-aec", "RADIR", *arguments, "127.0.0.1", str(node.port("scp"))]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60, check=False)


def virtual_series(node: Node, study: str, tmp_path: Path) -> list[pydicom.Dataset]:
    keys = ["SeriesInstanceUID", "Modality", "SeriesDescription", "SeriesNumber"]
    arguments = [*QUERY_LEVELS["series"], "-k", f"StudyInstanceUID={study}", *(x for key in keys for x in ("-k", key))]
    tmp_path.mkdir(parents=True, exist_ok=True)
    done = query(node, "findscu", "-X", *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = [pydicom.dcmread(path, force=True) for path in sorted(tmp_path.glob("rsp*.dcm"))]
    return [ds for ds in found if ds.get("SeriesDescription") == "RadIR similar cases"]


@pytest.mark.requirement("RN-01")
def test_everything_that_was_sent_is_indexed(filled: Node) -> None:
    """Each phantom study is searchable, with its report, and the queue is empty."""
    status = filled.json("status")

    assert status["ready"]
    assert {"indexed"} == set(status["studies"])
    assert status["studies"]["indexed"] == status["reports"] == sum(status["indexed"].values())
    assert {"CXR", "CT"} == set(status["indexed"])
    assert status["queue"] == 0


@pytest.mark.requirement("RN-01")
def test_the_answer_depends_on_the_anatomy(filled: Node, effusion: str) -> None:
    """Overall and heart rank differently; the asked anatomy is named."""
    overall = filled.json("search", effusion)
    heart = filled.json("search", effusion, "--anatomy", "cardiac silhouette")

    ranks = [[match["study_instance_uid"] for match in answer["matches"]] for answer in (overall, heart)]
    assert ranks[0] != ranks[1]
    assert (overall["anatomy_label"], heart["anatomy_label"]) == ("overall", "heart")
    assert [match["rank"] for match in overall["matches"]] == [1, 2, 3, 4, 5]
    assert effusion not in ranks[0]
    scores = [match["score"] for match in overall["matches"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.requirement("RN-01")
def test_the_json_keys_are_those_of_the_readme(filled: Node, effusion: str, repository: Path) -> None:
    """The public interface is documented and stable."""
    readme = (repository / "README.md").read_text()

    answer = filled.json("search", effusion)
    keys = {*answer, *answer["matches"][0], *filled.json("status"), *filled.json("studies")[0]}

    assert {key for key in keys if f'"{key}"' not in readme} == set()


@pytest.mark.requirement("RN-04")
def test_findscu_lists_the_virtual_series_and_getscu_delivers_the_same_report_twice(
    filled: Node, effusion: str, tmp_path: Path
) -> None:
    """The literal trigger: an ordinary SERIES query in the current study, an ordinary C-GET, one stable instance."""
    (series,) = virtual_series(filled, effusion, tmp_path / "find")

    received = []
    for number in ("first", "second"):
        folder = tmp_path / number
        folder.mkdir()
        keys = [f"StudyInstanceUID={effusion}", f"SeriesInstanceUID={series.SeriesInstanceUID}"]
        done = query(
            filled, "getscu", "-od", str(folder), *QUERY_LEVELS["series"], *(x for k in keys for x in ("-k", k))
        )
        assert done.returncode == 0, done.stderr
        received += [path.read_bytes() for path in folder.iterdir()]

    assert series.Modality == "SR"
    assert len(received) == 2
    assert received[0] == received[1]


@pytest.mark.requirement("RN-04")
def test_movescu_delivers_the_report_to_a_storescp(
    make_node: Callable[..., Node], phantoms: Path, destination: Any, tmp_path: Path
) -> None:
    """C-MOVE to a configured destination."""
    peer = json.dumps({"dest": {"ae_title": destination.ae_title, "host": "127.0.0.1", "port": destination.port}})
    node = make_node(DICOM__PEERS=peer).start()
    node.send(*sorted(phantoms.iterdir())[:3])
    study = next(s["study_instance_uid"] for s in node.settled() if s["state"] == "indexed")
    (series,) = virtual_series(node, study, tmp_path / "find")

    keys = [f"StudyInstanceUID={study}", f"SeriesInstanceUID={series.SeriesInstanceUID}"]
    done = query(
        node, "movescu", "-aem", destination.ae_title, *QUERY_LEVELS["series"], *(x for k in keys for x in ("-k", k))
    )

    assert done.returncode == 0, done.stderr
    (report,) = destination.files()
    assert series.SeriesInstanceUID == pydicom.dcmread(report).SeriesInstanceUID


@pytest.mark.requirement("RN-05")
def test_the_report_names_no_other_patient(filled: Node, effusion: str, phantoms: Path, tmp_path: Path) -> None:
    """No name, id, accession number or UID of another study is anywhere in the bytes of the Structured Report."""
    out = tmp_path / "sr.dcm"
    assert filled.run("sr", effusion, "--out", str(out)).returncode == 0
    content = out.read_bytes()

    others = {
        str(getattr(ds, keyword))
        for path in phantoms.rglob("*.dcm")
        for ds in [pydicom.dcmread(path, stop_before_pixels=True)]
        if ds.StudyInstanceUID != effusion
        for keyword in ("PatientName", "PatientID", "AccessionNumber", "StudyInstanceUID", "SOPInstanceUID")
        if ds.get(keyword)
    }
    own = pydicom.dcmread(out)

    assert len(others) > 20
    assert [value for value in others if value.encode() in content and value != str(own.PatientName)] == []


@pytest.mark.requirement("RN-06")
def test_no_identifier_is_in_the_log(filled: Node, effusion: str, phantoms: Path) -> None:
    """After receiving, indexing, searching and retrieving, the log holds no name, id, accession number or UID."""
    values = {
        str(getattr(ds, keyword))
        for path in phantoms.rglob("*.dcm")
        for ds in [pydicom.dcmread(path, stop_before_pixels=True)]
        for keyword in ("PatientName", "PatientID", "AccessionNumber", "StudyInstanceUID", "SOPInstanceUID")
        if ds.get(keyword)
    }
    log = filled.log()

    assert len(log) > 200
    assert [value for value in values if value in log] == []


@pytest.mark.requirement("RN-03")
def test_the_index_is_rebuilt_and_verified(filled: Node, effusion: str) -> None:
    """A rebuild changes no answer, and verification finds every vector."""
    before = filled.json("search", effusion)

    rebuilt = filled.json("index", "rebuild")
    verified = filled.json("index", "verify")

    assert before == filled.json("search", effusion)
    assert (True, rebuilt["rows"], 0, 0) == (
        verified["sound"],
        verified["rows"],
        verified["missing"],
        verified["orphaned"],
    )


@pytest.mark.requirement("RN-09")
@pytest.mark.parametrize(
    ("verb", "exit_code", "message"),
    [
        (["search", "1.2.3.4"], 2, "unknown study"),
        (["search", "{study}", "--anatomy", "left knee"], 2, "left knee"),
        (["search", "{study}", "--k", "0"], 2, "k must be at least 1, got 0"),
        (["search", "{study}", "--modality", "CT"], 2, "it is a CXR study"),
        (["search", "{study}", "--date-from", "yesterday"], 2, "--date-from: 'yesterday' is not a date"),
        (["sr", "{study}"], 2, "--out FILE"),
        (["sr", "{study}", "--push", "nowhere"], 2, "there is no peer 'nowhere'"),
        (["sr", "{study}", "--out", "/nonexistent/sr.dcm"], 75, "cannot write /nonexistent/sr.dcm"),
        (["eval", "cxr-openi", "--data", "/nonexistent"], 2, "holds no folder openi"),
    ],
)
def test_a_wrong_request_is_one_clear_line(
    filled: Node, effusion: str, verb: list[str], exit_code: int, message: str
) -> None:
    """No traceback, no second line, an exit code that says whose turn it is."""
    done = filled.run(*(word.replace("{study}", effusion) for word in verb))

    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert (exit_code, 1) == (done.returncode, len(lines)), done.stderr
    assert message in lines[0]


@pytest.mark.requirement("RN-09")
def test_a_database_that_is_away_is_one_clear_line(make_node: Callable[..., Node]) -> None:
    """The message names the place and never the password; the exit code says: try again."""
    node = make_node(DATABASE__URL="postgresql://radir:secret@127.0.0.1:1/node")

    done = node.run("status")

    assert (done.returncode, len(done.stderr.splitlines())) == (75, 1), done.stderr
    assert "127.0.0.1:1/node does not answer" in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.requirement("RN-03")
def test_the_worker_writes_a_snapshot_when_enough_has_changed(
    make_node: Callable[..., Node], phantoms: Path, wait: Callable[..., None]
) -> None:
    """Nobody has to rebuild by hand: past index.snapshot_after new vectors the files follow the catalogue."""
    node = make_node(INDEX__SNAPSHOT_AFTER="10").start()
    node.send(sorted(phantoms.iterdir())[0])
    node.settled()

    wait(lambda: node.json("index", "verify")["snapshot"] is not None, 60, lambda: node.log()[-2000:])

    assert node.json("index", "verify")["sound"]
