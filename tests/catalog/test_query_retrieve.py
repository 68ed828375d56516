"""Queries against real rows, seen through the DICOM server's port as the server uses it."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dicom_services.scp.ports import FindRequest, Level, RetrieveRequest
from dicom_services.scp.query.matching import Exact, Matcher, Wildcard, matcher, predicate
from radir_node.catalog.database import Database
from radir_node.catalog.intake import Intake
from radir_node.catalog.query_keys import Between, Equal
from radir_node.catalog.query_retrieve import Holdings
from radir_node.domain.stored import StoredInstance
from radir_node.errors import DatabaseDown
from radir_node.node.archive import QueryArchive

Stored = Callable[..., StoredInstance]

NAMES = [
    "DOE^JANE",
    "doe^john",
    "MÜLLER^JÖRG",
    "Straße^A",
    "Yamada^Tarou=山田^太郎",
    "Ελένη^Παπά",
    "O_NEIL^100%",
    "",
    "A\\B^C",
]
DATES = [dt.date(2024, 1, 31), dt.date(2024, 2, 1), None]


@pytest.fixture
def archive(database: Database, tmp_path: Path) -> QueryArchive:
    return QueryArchive(Holdings(database), tmp_path)


@pytest.fixture
def holds(intake: Intake, stored: Stored) -> None:
    """Nine studies of nine patients: a radiograph each, and an SR in every third."""
    batch = []
    for number, name in enumerate(NAMES):
        uid = f"1.2.{number}"
        header: dict[str, Any] = {
            "patient_id": f"P{number % 4}",
            "patient_name": name,
            "study_date": DATES[number % 3],
            "study_time": ["101500", "10:16", ""][number % 3],
            "accession_number": f"A_{number}",
            "study_description": ["CHEST PA", "Chest", ""][number % 3],
            "procedure_code_sequence": ({"CodeValue": "P5-09051", "CodeMeaning": "Röntgen"},) * (number % 3),
            "instance_number": number,
        }
        batch.append(stored(f"{uid}.1.1", uid, f"{number}", **header))
        if number % 3 == 0:
            report = stored(f"{uid}.2.1", uid, f"{number}sr", **{**header, "modality": "SR"})
            batch.append(replace(report, header=replace(report.header, series_instance_uid=f"{uid}.2")))
    intake.register_all(batch)


def pn(text: str) -> Matcher:
    """Make the key of a person name."""
    key = matcher("PN", [text])
    assert key is not None
    return key


KEYS = [
    ("PN", "PatientName", ["doe*", "DOE^JANE", "muller*", "MÜLLER^JÖRG", "*Jörg", "STRA?E*", "山田*", "ελένη*", "?*"]),
    (
        "PN",
        "PatientName",
        ["o_neil*", "*100%", "%", "_*", "*\\\\*", "nobody", "strasse*", "straße^a", "太郎", "*=山田*", '""'],
    ),
    ("LO", "PatientID", ["P1", "P*", "p1", "?1"]),
    ("SH", "AccessionNumber", ["A_1", "A?1", "A*", "A%", "*_2"]),
    ("LO", "StudyDescription", ["CHEST*", "Chest", "*"]),
    (
        "DA",
        "StudyDate",
        ["20240131", "20240131-", "-20240131", "20240101-20241231", "2024", "202402-", "nonsense", "2024.02.01", '""'],
    ),
    ("TM", "StudyTime", ["101500", "1015", "10", "1015-1016", "-1015", "10:15-", '""']),
    ("CS", "ModalitiesInStudy", ["SR", "D?", "CT"]),
    ("UI", "StudyInstanceUID", ["1.2.3", "1.2.9999"]),
]


@pytest.mark.usefixtures("holds")
@pytest.mark.parametrize(("vr", "keyword", "texts"), KEYS)
def test_the_database_loses_nothing_that_the_server_would_match(
    archive: QueryArchive, vr: str, keyword: str, texts: list[str]
) -> None:
    """Narrowed in SQL and then matched, a query gives what matching every row gives."""
    everything = list(archive.find(FindRequest(Level.STUDY, {}, (keyword,))))

    for text in texts:
        key = matcher(vr, [text], empty_value=True)
        if key is None:
            continue
        holds, request = predicate(vr, key), FindRequest(Level.STUDY, {keyword: key}, (keyword,))
        expected = _uids(row for row in everything if holds(row[keyword]))
        assert expected == _uids(row for row in archive.find(request) if holds(row[keyword])), text


def _uids(rows: Iterator[Any]) -> set[str]:
    return {row["StudyInstanceUID"] for row in rows}


@pytest.mark.usefixtures("holds")
@pytest.mark.parametrize(
    ("request_", "answers"),
    [
        (FindRequest(Level.STUDY, {"PatientName": pn("MULLER*")}, ()), 1),
        (FindRequest(Level.STUDY, {"PatientName": pn("müller^jörg")}, ()), 1),
        (FindRequest(Level.STUDY, {"AccessionNumber": Wildcard("A_1*")}, ()), 1),
        (FindRequest(Level.PATIENT, {}, ()), 4),
        (FindRequest(Level.SERIES, {"Modality": Exact("SR")}, ()), 3),
        (FindRequest(Level.IMAGE, {"InstanceNumber": Exact("3")}, ()), 2),
        (FindRequest(Level.IMAGE, {"PatientID": Exact("P0")}, ()), 4),
    ],
)
def test_keys_narrow_in_the_database(archive: QueryArchive, request_: FindRequest, answers: int) -> None:
    """What an index can answer is answered there, at every level and without unique keys of the levels above."""
    assert answers == len(list(archive.find(request_)))


@pytest.mark.usefixtures("holds")
def test_procedure_codes(archive: QueryArchive) -> None:
    """The codes of a study's procedure come back as they were read, when they are asked for."""
    key, asked = {"StudyInstanceUID": Exact("1.2.2")}, ("ProcedureCodeSequence",)

    (row,) = archive.find(FindRequest(Level.STUDY, key, asked))

    assert [{"CodeValue": "P5-09051", "CodeMeaning": "Röntgen"}] * 2 == row["ProcedureCodeSequence"]


@pytest.mark.usefixtures("holds")
def test_what_must_be_computed_is_computed_when_it_is_asked_for(archive: QueryArchive) -> None:
    """Counts and modalities are there on demand only, each right."""
    key = {"StudyInstanceUID": Exact("1.2.3")}
    asked = ("ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "SOPClassesInStudy")

    (plain,) = archive.find(FindRequest(Level.STUDY, key, ("StudyDate",)))
    (full,) = archive.find(FindRequest(Level.STUDY, key, asked))

    assert not {*asked} & plain.keys()
    assert (["DX", "SR"], 2, 2, ["1.2.840.10008.5.1.4.1.1.1.1"]) == (
        sorted(full["ModalitiesInStudy"]),  # type: ignore[call-overload]
        full["NumberOfStudyRelatedSeries"],
        full["NumberOfStudyRelatedInstances"],
        full["SOPClassesInStudy"],
    )


@pytest.mark.usefixtures("holds")
def test_a_patient_is_answered_once_with_all_studies_counted(archive: QueryArchive) -> None:
    """P0 has three studies under different spellings of the name: one patient."""
    asked = ("NumberOfPatientRelatedStudies", "NumberOfPatientRelatedSeries", "NumberOfPatientRelatedInstances")

    (row,) = archive.find(FindRequest(Level.PATIENT, {"PatientID": Exact("P0")}, asked))

    assert [3, 4, 4] == [row[keyword] for keyword in asked]


@pytest.mark.usefixtures("holds")
@pytest.mark.parametrize("level", ["PATIENT", "STUDY", "SERIES", "IMAGE"])
@pytest.mark.parametrize(
    "keys", [{}, {"StudyDate": Between("20240131", "20240201")}, {"PatientID": Equal(("P0", "P1"))}]
)
def test_pages_join_without_gap_or_repetition(database: Database, level: str, keys: dict[str, Any]) -> None:
    """One or two rows at a time give what one page gives, in the same order."""
    holdings = Holdings(database)

    whole = list(holdings.find(level, keys))

    assert len(whole) > 1
    assert whole == list(holdings.find(level, keys, page=1)) == list(holdings.find(level, keys, page=2))


@pytest.mark.usefixtures("holds")
def test_a_reader_that_pauses_holds_no_connection(database: Database) -> None:
    """Between two pages nothing is open: slow peers cannot use up the pool."""
    answers = Holdings(database).find("STUDY", {}, page=1)

    next(answers)

    assert 0 == database.engine.pool.checkedout()  # type: ignore[attr-defined]  # of a pool with a queue


@pytest.mark.usefixtures("holds")
def test_a_page_that_takes_too_long_is_given_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query that another transaction holds up ends as a transient failure, not as a thread that waits for ever."""
    monkeypatch.setattr("radir_node.catalog.query_retrieve.PAGE_TIMEOUT_MS", 50)

    with database.begin() as other:
        other.execute(sa.text("lock table study in access exclusive mode"))

        with pytest.raises(DatabaseDown, match="statement timeout"):
            list(Holdings(database).find("STUDY", {}))


def test_a_study_that_lost_its_last_instance_is_not_answered(
    intake: Intake, stored: Stored, archive: QueryArchive
) -> None:
    """An instance with a corrected Study Instance UID takes its old study away."""
    intake.register(stored())
    intake.register(stored(study="1.9", sha256="moved"))

    found = {
        level: [row[key] for row in archive.find(FindRequest(level, {}, ()))]
        for level, key in ((Level.STUDY, "StudyInstanceUID"), (Level.SERIES, "SeriesInstanceUID"))
    }

    assert {Level.STUDY: ["1.9"], Level.SERIES: ["1.9.1"]} == found


@pytest.mark.usefixtures("holds")
def test_a_retrieve_is_given_the_current_files(archive: QueryArchive, tmp_path: Path) -> None:
    """Several studies at a time, each with path and syntax."""
    found = archive.instances(RetrieveRequest(Level.STUDY, study_instance_uids=("1.2.3", "1.2.4")))

    assert ["1.2.3.1.1", "1.2.3.2.1", "1.2.4.1.1"] == sorted(item.sop_instance_uid for item in found)
    assert tmp_path / "instances/4.dcm" in {item.path for item in found}
