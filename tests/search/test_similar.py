import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from radir_node.catalog.cases import Cases
from radir_node.catalog.completion import CompletionTracker
from radir_node.catalog.database import Database
from radir_node.catalog.intake import Intake
from radir_node.catalog.jobs import job_app
from radir_node.catalog.studies import Studies
from radir_node.catalog.transitions import QuietTimes
from radir_node.catalog.vectors import Vectors
from radir_node.domain.embedding import GLOBAL, Encoded, ModelVersion
from radir_node.domain.indexing import Outcome
from radir_node.domain.match import Filters, Query
from radir_node.domain.report import ReportText
from radir_node.domain.stored import StoredInstance
from radir_node.domain.study import InstanceHeader, Modality, StudyState
from radir_node.errors import NothingIndexed, UnknownAnatomy, UnknownStudy, UserError
from radir_node.index.similarity import SimilarityIndex
from radir_node.reports.parser import parse_report
from radir_node.search.similar import Search

SECRET = b"0123456789abcdef0123456789abcdef"
MODEL = ModelVersion("tiny", Modality.CXR, "0" * 64, "p1", ("heart", "lower_zone_base:right", "pleura"))
EFFUSION = "FINDINGS: There is a small right pleural effusion. The heart is normal in size."
CANARY = "CANARY^PATIENT"

Archive = Callable[..., None]


def vector(*weights: float) -> np.ndarray:
    values = np.zeros(512, np.float32)
    values[: len(weights)] = weights
    return values / np.linalg.norm(values)


@pytest.fixture
def search(database: Database, tmp_path: Path) -> Search:
    vectors = Vectors(database)
    return Search(Cases(database), vectors, SimilarityIndex(vectors, tmp_path), {Modality.CXR: MODEL})


@pytest.fixture
def archive(database: Database) -> Archive:
    """Index a study: uid, its vectors overall and for the heart, and its report."""
    app = job_app(database.url)
    intake = Intake(database, app, SECRET, QuietTimes(0, 0))
    completion = CompletionTracker(database, app, QuietTimes(0, 0))
    studies = Studies(database, app)
    numbers = iter(range(1, 1000))

    def add(uid: str, overall: np.ndarray, heart: np.ndarray, report: str = "", **header: object) -> None:
        fields = {"modality": "DX", "patient_id": uid, "patient_name": CANARY, "patient_sex": "F", **header}
        described = InstanceHeader(f"{uid}.1", "1.2", "1.2.840.10008.1.2.1", uid, f"{uid}.2", **fields)  # type: ignore[arg-type]
        intake.register(StoredInstance(described, "x.dcm", 1, uid, "AE", dt.datetime.now(dt.UTC)))
        number = next(numbers)
        completion.settle(number)
        work = studies.start(number)
        assert work is not None
        texts = ((ReportText(f"{uid}.3", report), parse_report(report)),) if report else ()
        encoded = Encoded(
            f"{uid}.1", {GLOBAL: overall, "heart": heart, "lower_zone_base:right": heart, "pleura": heart}
        )
        studies.finish(work, Outcome(StudyState.INDEXED, "", Modality.CXR, MODEL, (encoded,), texts))

    return add


@pytest.fixture
def three(archive: Archive) -> None:
    """A query, one case alike overall and one alike at the heart."""
    archive("1.1", vector(1, 0), vector(0, 1), EFFUSION)
    archive("1.2", vector(1, 0.1), vector(1, 0), EFFUSION, study_date=dt.date(2024, 1, 2), patient_age_years=63.0)
    archive("1.3", vector(0.2, 1), vector(0, 1), "FINDINGS: The lungs are clear.", patient_sex="M")


def ranked(search: Search, **question: object) -> list[str]:
    return [m.study_instance_uid for m in search.similar(Query("1.1", **question)).matches]  # type: ignore[arg-type]


@pytest.mark.usefixtures("three")
def test_each_anatomy_has_its_own_ranking(search: Search) -> None:
    """The same query finds one case overall and another at the heart."""
    assert ["1.2", "1.3"] == ranked(search)
    assert ["1.3", "1.2"] == ranked(search, anatomy="heart")


@pytest.mark.usefixtures("three")
def test_an_anatomy_without_vectors_is_answered_by_its_nearest_relative_and_says_so(search: Search) -> None:
    """ "Right lower lobe" is searched as the right lower zone."""
    answer = search.similar(Query("1.1", "right lower lobe"))

    assert ("lower_zone_base:right", "right lower lobe") == (answer.anatomy_used, answer.mapped_from)


@pytest.mark.usefixtures("three")
def test_a_match_carries_evidence_and_no_identity(search: Search) -> None:
    """Sentences and shared findings explain the match; the patient's name is nowhere in it."""
    (first, *_) = search.similar(Query("1.1")).matches

    assert ("There is a small right pleural effusion.",) == first.sentences[:1]
    assert any("pleural effusion" in finding for finding in first.shared_findings)
    assert first.case_id.startswith("RADIR-")
    assert "CANARY" not in repr(first)


@pytest.mark.usefixtures("three")
def test_filters_narrow_the_answer(search: Search) -> None:
    """Sex, age and date are applied before ranking; the number of eligible studies is told."""
    assert ["1.3"] == ranked(search, filters=Filters(sex="M"))
    assert ["1.2"] == ranked(search, filters=Filters(age_min=60, age_max=70))
    assert ["1.2"] == ranked(search, filters=Filters(date_from=dt.date(2024, 1, 1)))
    assert 1 == search.similar(Query("1.1", filters=Filters(sex="M"))).eligible


@pytest.mark.usefixtures("three")
def test_the_same_patient_is_excluded_unless_asked_for(search: Search, archive: Archive) -> None:
    """A prior of the query's own patient is the most alike, and no similar case."""
    archive("1.4", vector(1, 0), vector(0, 1), patient_id="1.1")

    assert "1.4" not in ranked(search)
    assert "1.4" == ranked(search, filters=Filters(include_same_patient=True))[0]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        (lambda: Query("9.9"), UnknownStudy, "unknown study"),
        (lambda: Query("1.1", "left knee"), UnknownAnatomy, "left knee"),
        (lambda: Query("1.1", filters=Filters(modality=Modality.CT)), NothingIndexed, "it is a CXR study"),
        (lambda: Query("1.1", k=0), UserError, "k must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(
    search: Search, query: Callable[[], Query], error: type[UserError], message: str
) -> None:
    """The class decides the exit code and the page's status, the text is for people."""
    with pytest.raises(error, match=message) as caught:
        search.similar(query())

    assert "\n" not in str(caught.value)


def test_the_only_study_has_no_similar_case(search: Search, archive: Archive) -> None:
    """An empty answer is an answer."""
    archive("1.1", vector(1), vector(1))

    answer = search.similar(Query("1.1"))

    assert ((), 1, 0) == (answer.matches, answer.reference_size, answer.eligible)
