"""Four clients that know nothing of each other do with the node what PS3.4 says: echo, store, find, move, get."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from independent_clients import HOST, Dcmtk, Scu, run
from pydicom import dcmread

Site, Study, Storescp = Any, Any, Any  # conftest.py

every_client = pytest.mark.parametrize("scu", ["dcmtk", "gdcm", "odil", "dcmjs"], indirect=True)
clients_that_get = pytest.mark.parametrize("scu", ["dcmtk", "odil", "dcmjs"], indirect=True)
clients_that_receive = pytest.mark.parametrize("scu", ["gdcm", "odil", "dcmjs"], indirect=True)


def same_objects(sent: tuple[Path, ...], received: list[Path]) -> bool:
    """Whether the data sets are the same ones, whatever their order and encoding."""

    def content(path: Path) -> tuple[str, ...]:
        ds = dcmread(path, force=True)
        keywords = ("SOPInstanceUID", "SOPClassUID", "PatientID", "PatientName", "SeriesInstanceUID", "InstanceNumber")
        return (*(str(ds.get(keyword)) for keyword in keywords), ds.PixelData.hex())

    return sorted(map(content, sent)) == sorted(map(content, received))


@every_client
def test_echo(scu: Scu, site: Site) -> None:
    """C-ECHO is answered."""
    assert scu.ask(site.port, "echo").done


@every_client
def test_what_is_stored_is_found_at_every_level(
    scu: Scu, site: Site, make_study: Callable[..., Study], new_folder: Callable[[], Path]
) -> None:
    """A study sent by a client is found by it as study, as series and as objects, with its counts."""
    study = make_study(3)

    sent = scu.ask(site.port, "store", files=study.files)

    def find(level: str, **keys: str) -> list[dict[str, str]]:
        asked = {"QueryRetrieveLevel": level, **keys}
        reply = scu.ask(site.port, "find", keys=asked, folder=new_folder())
        assert reply.done, reply.text[-2000:]
        return [{keyword: answer[keyword] for keyword in keys} for answer in reply.answers]

    assert sent.done, sent.text[-2000:]
    in_study = {"StudyInstanceUID": study.uid}
    in_series = {**in_study, "SeriesInstanceUID": study.series_uid}
    counts = {"NumberOfStudyRelatedSeries": "1", "NumberOfStudyRelatedInstances": "3", "ModalitiesInStudy": "CT"}
    assert [{**in_study, **counts}] == find("STUDY", **in_study, **dict.fromkeys(counts, ""))
    assert [{**in_series, "Modality": "CT"}] == find("SERIES", **in_study, SeriesInstanceUID="", Modality="")
    found = find("IMAGE", **in_series, SOPInstanceUID="", InstanceNumber="")
    assert [(uid, str(n)) for n, uid in enumerate(study.sop_instance_uids, start=1)] == sorted(
        ((each["SOPInstanceUID"], each["InstanceNumber"]) for each in found), key=lambda pair: int(pair[1])
    )


@every_client
@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"PatientName": "MILLER^*"}, {"MILLER^ANN", "MILLER^ABE"}),
        ({"PatientName": "MILL?R^A??"}, {"MILLER^ANN", "MILLER^ABE", "MILLAR^AMY"}),
        ({"PatientName": "miller^ann"}, {"MILLER^ANN"}),
        ({"StudyDate": "20230101-20230131"}, {"MILLER^ANN", "MILLAR^AMY"}),
        ({"StudyDate": "-20230110"}, {"MILLER^ANN"}),
        ({"StudyDate": "20230201-"}, {"MILLER^ABE"}),
        ({"StudyDate": "20230120", "PatientName": "M*"}, {"MILLAR^AMY"}),
        ({"StudyInstanceUID": "{MILLER^ANN}\\{MILLER^ABE}"}, {"MILLER^ANN", "MILLER^ABE"}),
        ({"ModalitiesInStudy": "MR"}, set()),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_matching(
    scu: Scu,
    site: Site,
    millers: dict[str, str],
    new_folder: Callable[[], Path],
    keys: dict[str, str],
    expected: set[str],
) -> None:
    """Wildcards, single dates, ranges open and closed, and UID lists select what PS3.4 C.2.2.2 says."""
    asked = {"QueryRetrieveLevel": "STUDY", "PatientID": "MATCHING*", "PatientName": ""}
    asked |= {keyword: value.format(**millers) for keyword, value in keys.items()}

    reply = scu.ask(site.port, "find", keys=asked, folder=new_folder())

    assert reply.done, reply.text[-2000:]
    assert expected == {answer["PatientName"] for answer in reply.answers}
    assert len(expected) == len(reply.answers)


@pytest.fixture(scope="module")
def sent_once() -> dict[str, str]:
    """Patient name -> Study Instance UID of studies that the node has already."""
    return {}


@pytest.fixture
def millers(stored: Callable[..., Study], sent_once: dict[str, str]) -> dict[str, str]:
    """Three patients and the Study Instance UIDs of their studies."""
    dates = {"MILLER^ANN": "20230105", "MILLER^ABE": "20230301", "MILLAR^AMY": "20230120"}
    for number, (name, date) in enumerate(dates.items()):
        if name not in sent_once:
            sent_once[name] = stored(1, PatientName=name, PatientID=f"MATCHING{number}", StudyDate=date).uid
    return sent_once


@pytest.mark.parametrize("scu", ["dcmtk", "gdcm", "odil"], indirect=True)  # dcmjs-dimse knows the Study Root alone
def test_patient_root(scu: Scu, site: Site, stored: Callable[..., Study], new_folder: Callable[[], Path]) -> None:
    """In the Patient Root model a patient is found by identifier and holds the study."""
    study = stored(1, PatientName="Root^Patient")
    patient = {"QueryRetrieveLevel": "PATIENT", "PatientID": study.patient_id, "PatientName": ""}
    studies = {"QueryRetrieveLevel": "STUDY", "PatientID": study.patient_id, "StudyInstanceUID": ""}

    of_patient = scu.ask(site.port, "find", root="patient", keys=patient, folder=new_folder())
    of_studies = scu.ask(site.port, "find", root="patient", keys=studies, folder=new_folder())

    assert ["Root^Patient"] == [answer["PatientName"] for answer in of_patient.answers]
    assert [study.uid] == [answer["StudyInstanceUID"] for answer in of_studies.answers]


@pytest.mark.parametrize("scu", ["dcmtk", "odil", "dcmjs"], indirect=True)  # GDCM names no destination but itself
def test_move_to_storescp(
    scu: Scu,
    site: Site,
    stored: Callable[..., Study],
    storescp: Callable[..., Storescp],
    new_folder: Callable[[], Path],
) -> None:
    """C-MOVE delivers the study to another application, byte for byte as it was stored."""
    study = stored(3)
    destination = storescp(site.ports["HEALTHY"])
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study.uid}

    reply = scu.ask(site.port, "move", keys=keys, destination="HEALTHY", folder=new_folder())

    assert reply.done, reply.text[-2000:]
    assert same_objects(study.files, destination.files())


@clients_that_receive
def test_move_to_the_requester(
    scu: Scu, site: Site, stored: Callable[..., Study], new_folder: Callable[[], Path]
) -> None:
    """C-MOVE back to the requester, who receives while it waits for the answer."""
    study, folder = stored(3), new_folder()
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study.uid}

    reply = scu.ask(
        site.port, "move", keys=keys, destination=scu.ae_title, listen=site.ports[scu.ae_title], folder=folder
    )

    assert reply.done, reply.text[-2000:]
    assert same_objects(study.files, [path for path in folder.rglob("*") if path.is_file()])


def test_gdcmscu(site: Site, make_study: Callable[..., Study], new_folder: Callable[[], Path]) -> None:
    """What GDCM's own program sends arrives, although the program crashes after releasing, whoever the peer is."""
    program = shutil.which("gdcmscu") or pytest.skip("gdcmscu is not installed (Debian package libgdcm-tools)")
    study = make_study(2)
    titles = ["--aetitle", "GDCMSCU", "--call", "RADIR"]

    run([program, "--store", *titles, HOST, str(site.port), *study.files])

    asked = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study.uid, "NumberOfStudyRelatedInstances": ""}
    (found,) = Dcmtk().ask(site.port, "find", keys=asked, folder=new_folder()).answers
    assert "2" == found["NumberOfStudyRelatedInstances"]


@clients_that_get
@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
def test_get(scu: Scu, site: Site, stored: Callable[..., Study], new_folder: Callable[[], Path], level: str) -> None:
    """C-GET returns over the same association what a study, a series or a list of objects holds."""
    study, folder = stored(3), new_folder()
    keys = {"QueryRetrieveLevel": level, "StudyInstanceUID": study.uid}
    if level != "STUDY":
        keys["SeriesInstanceUID"] = study.series_uid
    if level == "IMAGE":
        keys["SOPInstanceUID"] = "\\".join(study.sop_instance_uids[:2])

    reply = scu.ask(site.port, "get", keys=keys, folder=folder)

    assert reply.done, reply.text[-2000:]
    assert same_objects(study.files[: 2 if level == "IMAGE" else 3], sorted(folder.iterdir()))


@pytest.mark.parametrize("scu", ["dcmtk", "odil", "dcmjs"], indirect=True)  # GDCM waits for ever after a refusal
def test_unknown_destination(
    scu: Scu, site: Site, stored: Callable[..., Study], new_folder: Callable[[], Path]
) -> None:
    """A destination that the node does not know is refused as such: 0xA801."""
    study = stored(1)
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study.uid}

    reply = scu.ask(site.port, "move", keys=keys, destination="NOBODY", folder=new_folder())

    assert not reply.done
    if scu.name == "dcmtk":
        assert "0xa801: Refused: Move Destination unknown" in reply.text
    else:
        responses = reply.raw["responses"] if scu.name == "odil" else reply.raw["responses"][0]
        assert [0xA801] == [response["status"] for response in responses]
