"""C-FIND answers literally, and shows the series of similar cases inside an indexed study."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import EnhancedSRStorage, generate_uid

from dicom_services.scp.ports import VirtualSeries
from dicom_services.scu.caller import Caller
from dicom_services.scu.send import send_files

LEVELS = {"PATIENT": "-P", "STUDY": "-S", "SERIES": "-S", "IMAGE": "-S"}


@pytest.fixture
def find(node, tool, tmp_path) -> Callable[..., list]:
    """findscu with keys; returns the response datasets."""

    def run(level: str, *keys: str, model: str = "") -> list:
        folder = Path(tmp_path / f"found{len(list(tmp_path.iterdir()))}")
        folder.mkdir()
        options = [text for key in (f"QueryRetrieveLevel={level}", *keys) for text in ("-k", key)]
        done = tool("findscu", "-d", model or LEVELS[level], "-X", "-od", folder, *options,
                    node.peer.host, node.peer.port)  # fmt: skip
        run.text = done.text
        return [dcmread(path) for path in sorted(folder.glob("*.dcm"))]

    run.text = ""
    return run


@pytest.fixture
def two_patients(node, make_file):
    """Two patients, the second with a name beyond ASCII and two series; returns their first objects."""
    first = make_file()
    study = generate_uid()
    other = {"PatientID": "PID-2", "PatientName": "Müller^Änne", "SpecificCharacterSet": "ISO_IR 192",
             "StudyInstanceUID": study, "StudyDate": "20230101", "AccessionNumber": "ACC-2"}  # fmt: skip
    second, third = make_file(**other), make_file(**other, SeriesNumber=3)
    send_files(node.peer, [first, second, third], Caller("TEST"))
    return dcmread(first), dcmread(second)


@pytest.fixture
def indexed(node, two_patients):
    """The first patient's study has similar cases."""
    study = str(two_patients[0].StudyInstanceUID)
    virtual = VirtualSeries(study, generate_uid(), generate_uid(), str(EnhancedSRStorage), 9001)
    node.archive.reports[study] = (virtual, Path("unused"))
    return virtual


def test_study_by_name_with_wildcard(find, two_patients):
    """A study is found by part of the patient's name, and only that study."""
    found = find("STUDY", "PatientName=doe*", "StudyInstanceUID", "StudyDate", "NumberOfStudyRelatedInstances")

    (study,) = found
    assert study.StudyInstanceUID == two_patients[0].StudyInstanceUID
    assert (study.StudyDate, study.NumberOfStudyRelatedInstances) == ("20240305", 1)
    assert (study.RetrieveAETitle, study.InstanceAvailability) == ("RADIR", "ONLINE")
    assert "0xff01" not in find.text.lower()


def test_study_by_date_range(find, two_patients):
    """Range matching on dates."""
    found = find("STUDY", "StudyDate=20220101-20231231", "StudyInstanceUID")

    assert [study.StudyInstanceUID for study in found] == [two_patients[1].StudyInstanceUID]


def test_names_beyond_ascii(find, two_patients):
    """A name beyond ASCII comes back as it was sent, with its character set."""
    (patient,) = find("PATIENT", "PatientID=PID-2", "PatientName")

    assert (patient.SpecificCharacterSet, str(patient.PatientName)) == ("ISO_IR 192", "Müller^Änne")


def test_patient_query_never_shows_another_patient(find, indexed):
    """A query for one patient holds that patient's studies only, however similar others are."""
    found = find("STUDY", "PatientID=PID-1", "StudyInstanceUID", "PatientName", model="-P")

    assert [str(study.PatientName) for study in found] == ["Doe^Jane"]


def test_virtual_series(find, two_patients, indexed):
    """An indexed study holds one more series, SR, that is computed when fetched."""
    study = f"StudyInstanceUID={indexed.study_instance_uid}"
    found = find("SERIES", study, "SeriesInstanceUID", "Modality", "SeriesDescription", "SeriesNumber", "PatientName")

    assert [series.Modality for series in found] == ["CT", "SR"]
    virtual = found[1]
    assert virtual.SeriesInstanceUID == indexed.series_instance_uid
    assert (virtual.SeriesDescription, virtual.SeriesNumber) == ("RadIR similar cases", 9001)
    assert (virtual.InstanceAvailability, str(virtual.PatientName)) == ("NEARLINE", "Doe^Jane")


def test_virtual_series_by_modality(find, indexed):
    """Asking for the SR series of a study finds the virtual one alone."""
    study = f"StudyInstanceUID={indexed.study_instance_uid}"

    (series,) = find("SERIES", study, "Modality=SR", "SeriesInstanceUID")

    assert series.SeriesInstanceUID == indexed.series_instance_uid


def test_virtual_instance(find, indexed):
    """The virtual series holds one Enhanced SR whose UID is known before it is made."""
    keys = (f"StudyInstanceUID={indexed.study_instance_uid}", f"SeriesInstanceUID={indexed.series_instance_uid}")

    (image,) = find("IMAGE", *keys, "SOPInstanceUID", "SOPClassUID")

    assert (image.SOPInstanceUID, image.SOPClassUID) == (indexed.sop_instance_uid, EnhancedSRStorage)


def test_study_counts_hold_the_virtual_series(find, indexed):
    """Study level counts agree with what the series level lists."""
    keys = ("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances")

    (study,) = find("STUDY", "ModalitiesInStudy=SR", "StudyInstanceUID", *keys)

    assert study.StudyInstanceUID == indexed.study_instance_uid
    assert (study.NumberOfStudyRelatedSeries, study.NumberOfStudyRelatedInstances) == (2, 2)
    assert list(study.ModalitiesInStudy) == ["CT", "SR"]


def test_virtual_series_are_asked_for_together(node, find, make_file):
    """A list of studies costs one question for their virtual series, not one per study."""
    send_files(node.peer, [make_file() for _ in range(5)], Caller("TEST"))

    found = find("STUDY", "StudyInstanceUID", "ModalitiesInStudy")

    assert (5, [5]) == (len(found), node.archive.asked_at_once)


@pytest.mark.parametrize(
    ("level", "keys", "model"),
    [
        ("SERIES", ["Modality=CT"], "-S"),
        ("PATIENT", ["PatientName=*"], "-S"),
        ("STUDY", ["StudyDate=20240305"], "-P"),
        ("WHATEVER", [], "-S"),
    ],
)
def test_queries_outside_the_model(find, two_patients, level, keys, model):
    """A query without the unique keys above its level is refused with 0xA900."""
    found = find(level, *keys, model=model)

    assert found == []
    assert "0xa900" in find.text.lower()


def test_unsupported_optional_key_is_said(find, two_patients):
    """A key that the node does not support is answered with the warning form of pending."""
    found = find("STUDY", "PatientID=PID-1", "StudyInstanceUID", "PatientComments")

    assert len(found) == 1
    assert "0xff01" in find.text.lower()


def test_database_down(find, node, two_patients):
    """While the catalogue is down a query fails, it does not look empty."""
    node.archive.down = True

    found = find("STUDY", "PatientID=PID-1", "StudyInstanceUID")

    assert found == []
    assert "0xa700" in find.text.lower()
