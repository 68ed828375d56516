"""C-FIND answers literally, and shows the series of similar cases inside an indexed study."""

import datetime as dt
import struct
from itertools import count
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedSRStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    generate_uid,
)
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
)

from dicom_services.scp.ports import VirtualSeries
from dicom_services.scu.caller import Caller
from dicom_services.scu.send import send_files

PATIENT_ROOT, STUDY_ROOT = PatientRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelFind


def query(level, **keys):
    """The identifier of a C-FIND."""
    ds = Dataset()
    ds.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(ds, keyword, value)
    return ds


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


def test_study_by_modality_list(find, two_patients):
    """Several values in one key are alternatives."""
    found = find("STUDY", "ModalitiesInStudy=MR\\CT", "StudyInstanceUID")

    assert 2 == len(found)


def code(value, meaning):
    """One item of a code sequence."""
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator, ds.CodeMeaning = value, "L", meaning
    return ds


@pytest.fixture
def coded(node, make_file):
    """Two studies: one of two procedures, one without any code."""
    file = make_file(
        SpecificCharacterSet="ISO_IR 192", ProcedureCodeSequence=[code("CT1", "Thorax"), code("CT2", "Schädel")]
    )
    send_files(node.peer, [file, make_file()], Caller("TEST"))
    return dcmread(file)


@pytest.mark.parametrize(
    ("keys", "items"),
    [
        (["ProcedureCodeSequence[0].CodeValue=CT2", "ProcedureCodeSequence[0].CodeMeaning"], [("CT2", "Schädel")]),
        (["ProcedureCodeSequence[0].CodeValue=CT?", "ProcedureCodeSequence[0].CodeMeaning=T*"], [("CT1", "Thorax")]),
        (["ProcedureCodeSequence[0].CodeValue=CT*"], [("CT1", None), ("CT2", None)]),
        (["ProcedureCodeSequence[0].CodeValue=CT1", "ProcedureCodeSequence[0].CodeMeaning=S*"], None),
    ],
)
def test_sequence_matching(find, coded, keys, items):
    """A study is found by an item that satisfies all keys; such items come back, with the attributes asked for."""
    found = find("STUDY", "StudyInstanceUID", *keys)

    assert ([coded.StudyInstanceUID] if items else []) == [study.StudyInstanceUID for study in found]
    returned = [(item.CodeValue, item.get("CodeMeaning")) for study in found for item in study.ProcedureCodeSequence]
    assert (items or []) == returned
    assert "0xff01" not in find.text.lower()


def test_empty_sequence_key(find, coded):
    """An empty sequence matches everything, and the whole sequence comes back, empty where there is none."""
    found = find("STUDY", "StudyInstanceUID", "ProcedureCodeSequence")

    assert [[], ["CT1", "CT2"]] == sorted([item.CodeValue for item in study.ProcedureCodeSequence] for study in found)


def test_sequence_that_is_not_kept(find, coded):
    """A sequence or an attribute of its items that the node does not keep is left out, and the peer is told."""
    for key in (
        "RequestAttributesSequence[0].ScheduledProcedureStepID=1",
        "ProcedureCodeSequence[0].MappingResource=x",
    ):
        found = find("STUDY", "StudyInstanceUID", key)

        assert (2, True) == (len(found), "0xff01" in find.text.lower())
        assert "RequestAttributesSequence" not in found[0]


def test_sop_classes_hold_the_virtual_series(find, indexed):
    """The SOP classes of a study hold that of its virtual series, and find the study by it."""
    (study,) = find("STUDY", f"SOPClassesInStudy={EnhancedSRStorage}", "StudyInstanceUID")

    assert study.StudyInstanceUID == indexed.study_instance_uid


def test_counts_at_series_level(find, indexed):
    """Counts of the study are the same at every level."""
    study = f"StudyInstanceUID={indexed.study_instance_uid}"

    found = find("SERIES", study, "NumberOfStudyRelatedSeries", "ModalitiesInStudy")

    assert [2, 2] == [series.NumberOfStudyRelatedSeries for series in found]
    assert [["CT", "SR"]] * 2 == [list(series.ModalitiesInStudy) for series in found]


def test_virtual_series_only_when_they_can_match(find, node, indexed):
    """A query that no series of similar cases can match does not ask for them."""
    study = f"StudyInstanceUID={indexed.study_instance_uid}"

    find("SERIES", study, "Modality=CT", "SeriesInstanceUID")
    find("STUDY", study, "StudyDate")

    assert [] == node.archive.asked_at_once


def test_more_than_the_limit(start_node, make_file, viewer):
    """A caller gets as many answers as its peer entry allows, and then a status that says so."""
    peer = {"ae_title": "VIEWER", "host": "127.0.0.1", "port": 1, "find_limit": 3}
    node = start_node(peers={"viewer": peer})
    send_files(node.peer, [make_file() for _ in range(4)], Caller("TEST"))

    answers = viewer(node).find(STUDY_ROOT, query("STUDY", StudyInstanceUID=""))

    assert [0xFF00, 0xFF00, 0xFF00, 0xA700] == [status.Status for status, _ in answers]
    assert "more than 3 matches" == answers[-1][0].ErrorComment


def test_as_many_as_the_limit(start_node, make_file, viewer):
    """A query with just as many matches as allowed is complete."""
    peer = {"ae_title": "VIEWER", "host": "127.0.0.1", "port": 1, "find_limit": 2}
    node = start_node(peers={"viewer": peer})
    send_files(node.peer, [make_file() for _ in range(2)], Caller("TEST"))

    answers = viewer(node).find(STUDY_ROOT, query("STUDY", StudyInstanceUID=""))

    assert [0xFF00, 0xFF00, 0x0000] == [status.Status for status, _ in answers]


def endless(request):
    """A catalogue without end."""
    for number in count():
        yield {"StudyInstanceUID": f"1.2.{number}", "PatientName": "Doe"}


def test_cancel(start_node, viewer):
    """A C-CANCEL ends a query, although the catalogue has more than anybody could hold."""
    peer = {"ae_title": "VIEWER", "host": "127.0.0.1", "port": 1, "find_limit": 10**9}
    node = start_node(peers={"viewer": peer})
    node.archive.find = endless
    caller = viewer(node)

    statuses = []
    for status, _ in caller.find_lazily(STUDY_ROOT, query("STUDY", StudyInstanceUID="")):
        statuses.append(status.Status)
        if len(statuses) == 5:
            caller.cancel(STUDY_ROOT)

    assert (0xFF00, 0xFE00) == (statuses[0], statuses[-1])


def test_caller_that_leaves(start_node, viewer, node):
    """A query whose caller aborts ends, and the node answers the next one."""
    node.archive.find = endless
    leaving = viewer(node)
    next(leaving.find_lazily(STUDY_ROOT, query("STUDY", StudyInstanceUID="")))
    leaving.association.abort()
    node.archive.find = lambda request: iter(())

    answers = viewer(node).find(STUDY_ROOT, query("STUDY", StudyInstanceUID=""))

    assert [0x0000] == [status.Status for status, _ in answers]


@pytest.mark.parametrize(("model", "level"), [(STUDY_ROOT, "SERIES"), (PATIENT_ROOT, "STUDY"), (STUDY_ROOT, "IMAGE")])
def test_relational_query(node, indexed, viewer, model, level):
    """With relational queries negotiated no unique keys above the level are needed; virtual series are found too."""
    keys = query(level, PatientName="", Modality="", StudyInstanceUID="")

    refused = viewer(node).find(model, keys)
    found = [answer for _, answer in viewer(node, extended=b"\1").find(model, keys)[:-1]]

    assert [0xA900] == [status.Status for status, _ in refused]
    assert {"Doe^Jane", "Müller^Änne"} == {str(answer.PatientName) for answer in found}
    if level != "STUDY":
        assert ["CT", "CT", "CT", "SR"] == sorted(answer.Modality for answer in found)


def test_relational_query_by_name(node, indexed, viewer):
    """Keys of levels above narrow a relational query, for virtual series too."""
    keys = query("SERIES", PatientName="müller*", Modality="SR", SeriesInstanceUID="")

    found = viewer(node, extended=b"\1").find(STUDY_ROOT, keys)

    assert [0x0000] == [status.Status for status, _ in found]


def test_what_was_negotiated(node, viewer):
    """The node answers the extended negotiation with what it does."""
    offered = viewer(node, extended=bytes([1] * 7)).association.acceptor.sop_class_extended

    assert {STUDY_ROOT: bytes((1, 1, 0, 0, 0, 1, 1))} == {
        uid: value for uid, value in offered.items() if uid == STUDY_ROOT
    }


ROWS = [
    {"StudyInstanceUID": "1.1", "StudyDate": dt.date(2006, 7, 5), "StudyTime": "0900", "AccessionNumber": ""},
    {"StudyInstanceUID": "1.2", "StudyDate": dt.date(2006, 7, 6), "StudyTime": "0300", "AccessionNumber": "A"},
    {"StudyInstanceUID": "1.3", "StudyDate": dt.date(2006, 7, 7), "StudyTime": "1600", "AccessionNumber": None},
]


@pytest.mark.parametrize(
    ("extended", "keys", "found"),
    [
        (b"", {"StudyDate": "20060705-20060707", "StudyTime": "10-18"}, ["1.3"]),
        (b"\0\1", {"StudyDate": "20060705-20060707", "StudyTime": "10-18"}, ["1.2", "1.3"]),
        (b"", {"AccessionNumber": '""'}, []),
        (b"\0\0\0\0\0\1", {"AccessionNumber": '""'}, ["1.1", "1.3"]),
    ],
)
def test_extended_matching(node, viewer, extended, keys, found):
    """Combined dates and times, and empty values, match so when negotiated."""
    node.archive.find = lambda request: iter(ROWS)

    answers = viewer(node, extended=extended).find(STUDY_ROOT, query("STUDY", **keys))

    assert found == [str(answer.StudyInstanceUID) for _, answer in answers[:-1]]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_transfer_syntaxes(node, two_patients, viewer, syntax):
    """Queries are read and answered in every transfer syntax that is offered."""
    ((_, answer), _) = viewer(node, syntax=syntax).find(STUDY_ROOT, query("STUDY", PatientName="MULLER*"))

    assert "Müller^Änne" == str(answer.PatientName)


LEVEL = struct.pack("<HHL6s", 8, 0x52, 6, b"STUDY ")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x08\0\x52\0\xff\xff", 0xC000),
        (struct.pack("<HHL", 0x10, 0x10, 0) * 100_000, 0xC000),
        (struct.pack("<HHLHHL", 8, 0x1110, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF) * 50_000, 0xC000),
        (LEVEL + struct.pack("<HHL", 0x10, 0x10, 100_000) + b"*a" * 50_000, 0xA900),
        (b"\0" * 1000, 0xA900),
    ],
    ids=["broken", "many keys", "deep", "long value", "zeros"],
)
def test_hostile_identifiers(node, viewer, data, status):
    """An identifier that is broken or huge gets one clear status, and the association goes on."""
    caller = viewer(node)

    refused = caller.find_raw(STUDY_ROOT, data)
    after = caller.find(STUDY_ROOT, query("STUDY", StudyInstanceUID=""))

    assert ([status], [0x0000]) == ([found.Status for found in refused], [found.Status for found, _ in after])
    assert refused[0].ErrorComment
