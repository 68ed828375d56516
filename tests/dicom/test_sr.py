"""The similar-case report: valid for the tools that vendors use, complete for a reader, silent about other people."""

import datetime as dt
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_services.objects.report_text import read_report
from dicom_services.sr.content import NodeIdentity
from dicom_services.sr.document import write_similar_cases
from dicom_services.sr.uids import device_uid, instance_uid, series_uid
from radir_node.domain.embedding import GLOBAL
from radir_node.domain.match import Filters, Match, Query, SimilarCases
from radir_node.domain.study import InstanceHeader, Modality

STUDY = "1.2.826.0.1.3680043.8.1"
CANARY = "1.2.826.0.1.3680043.9.777"
NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
NAME, VERSION, MODEL = "RadIR node", "0.1.0", "cxr-starter-0a1b2c3d-1"
IMAGE = InstanceHeader(
    sop_instance_uid=f"{STUDY}.1.1",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    study_instance_uid=STUDY,
    series_instance_uid=f"{STUDY}.1",
    modality="DX",
    patient_id="PID-1",
    patient_name="Müller^Änne",
    patient_birth_date=dt.date(1960, 1, 2),
    patient_sex="F",
    study_id="7",
    study_date=dt.date(2024, 3, 5),
    study_time="101500",
    accession_number="ACC-1",
    study_description="Thorax p.a.",
)


def match(rank: int) -> Match:
    return Match(
        rank=rank,
        score=1 - 0.09 * rank,
        study_instance_uid=f"{CANARY}.{rank}",
        case_id=f"RADIR-4F7A21C9B{rank}",
        modality=Modality.CXR,
        study_date=dt.date(2021, 7, 19),
        age_years=93.4 if rank == 1 else 61.5,
        sex="F",
        sentences=("Small right pleural effusion.",),
        findings=("pleural effusion, right",),
        shared_findings=("pleural effusion, right",),
        has_report=True,
    )


def answer(matches: int = 3, anatomy: str = "lower_lobe:right", **changes: object) -> SimilarCases:
    values: dict[str, object] = {
        "query": Query(STUDY, anatomy, 3),
        "modality": Modality.CXR,
        "anatomy_used": anatomy,
        "anatomy_label": "overall" if anatomy == GLOBAL else "right lower lobe",
        "model_id": MODEL,
        "snapshot_id": "snapshot-42",
        "reference_size": 1234,
        "eligible": 1200,
        "matches": tuple(match(rank) for rank in range(1, matches + 1)),
    }
    return SimilarCases(**(values | changes))


@pytest.fixture
def write(tmp_path) -> Callable[..., Path]:
    def run(cases: SimilarCases, name: str = "sr.dcm", images: tuple[InstanceHeader, ...] = (IMAGE,)) -> Path:
        device = NodeIdentity(NAME, VERSION, device_uid(NAME, VERSION, MODEL))
        return write_similar_cases(cases, images, tmp_path / name, device=device, computed=NOW)

    return run


@pytest.fixture(scope="session")
def sr_validator(tool) -> Callable[[Path], str]:
    """PixelMed's DicomSRValidator, the judge of the IHE Connectathon; returns what it says."""
    jars = [Path("/usr/share/java") / name for name in ("pixelmed.jar", "commons-codec.jar")]
    if not all(jar.exists() for jar in jars):
        pytest.skip("pixelmed.jar is not installed (Debian package libpixelmed-java)")
    limits = [f"-Djdk.xml.{name}=0" for name in ("xpathTotalOpLimit", "xpathExprOpLimit", "xpathExprGrpLimit")]
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]  # a short run: half the time of the default compiler
    java = [
        tool.find("java"),
        *quick,
        *limits,
        "-cp",
        ":".join(map(str, jars)),
        "com.pixelmed.validate.DicomSRValidator",
    ]

    def run(path: Path) -> str:
        done = subprocess.run([*java, str(path)], capture_output=True, text=True, timeout=120, check=False)
        return done.stdout + done.stderr

    return run


ANSWERS = {
    "anatomy": answer(),
    "overall": answer(anatomy=GLOBAL),
    "no case": answer(0),
    "mapped": answer(mapped_from="lingula", anatomy="lung"),
}


@pytest.mark.requirement("RN-16")
@pytest.mark.parametrize("name", ["anatomy", "no case"])
def test_pixelmed_finds_no_error(write, sr_validator, name):
    """The IHE Connectathon's validator recognizes TID 2000 and finds no error, with cases and without."""
    said = sr_validator(write(ANSWERS[name]))

    assert "Root Template TID_2000" in said
    assert "IOD validation complete" in said
    assert "Error" not in said


@pytest.mark.requirement("RN-16")
@pytest.mark.parametrize("cases", ANSWERS.values(), ids=ANSWERS)
def test_dciodvfy_finds_no_error(write, tool, cases):
    """The object definition's validator finds no error."""
    said = tool("dciodvfy", write(cases))

    assert said.text.startswith("EnhancedSR")
    assert "Error" not in said.text


@pytest.mark.requirement("RN-16")
def test_reader_sees_the_five_elements(write, tool):
    """Rendered by DCMTK: system, query image, reference database, result images and their similarity."""
    html = tool("dsr2html", write(answer())).text
    text = " ".join(re.sub(r"<[^>]+>", " ", html).split())

    for expected in (
        f"CBIR system: RadIR node 0.1.0, model {MODEL}, index snapshot snapshot-42",
        "Query image: 1 image of this study (chest radiograph), anatomy: right lower lobe.",
        "Reference database: the archive of this node, 1234 studies with a vector for this anatomy, 1200 eligible.",
        "cases of the same patient excluded",
        "Result images: 3 similar cases, most similar first.",
        "Similar case 1: similarity 91 %. Case RADIR-4F7A21C9B1, chest radiograph, female, 90 years or older, 2021.",
        "Similar case 3: similarity 73 %.",
        "Small right pleural effusion.",
        "not verified by a physician",
        "Similarity score = 91.0 %",
    ):
        assert expected in text


def test_no_case_says_so(write, tool):
    """An empty answer is a document that says that nothing was found."""
    text = tool("dsrdump", "+Pl", write(answer(0))).text

    assert "no similar case was found" in text
    assert "Similar case 1" not in text


def test_mapped_anatomy_says_so(write, tool):
    """A search for a parent of the anatomy that was asked for says it."""
    text = tool("dsrdump", "+Pl", write(ANSWERS["mapped"])).text

    assert "searched in place of lingula" in text


@pytest.mark.requirement("RN-05")
def test_no_identifier_of_another_patient(write):
    """Neither UID, nor date, nor exact age of a retrieved case is anywhere in the file."""
    data = write(answer()).read_bytes()

    for identifier in (CANARY, "20210719", "2021-07-19", "93.4", "61.5"):
        assert identifier.encode() not in data, identifier


def test_is_never_taken_for_a_report(write):
    """Sent back to the node it is no narrative: what it quotes of other patients is not said of this one."""
    assert read_report(write(answer())) is None


def test_belongs_to_the_study_asked_about(write):
    """Patient and study are those of the query image, and the evidence holds the query images alone."""
    ds = dcmread(write(answer()))

    assert (str(ds.PatientName), ds.PatientID, ds.AccessionNumber) == ("Müller^Änne", "PID-1", "ACC-1")
    assert (ds.StudyInstanceUID, ds.StudyDate, ds.Modality) == (STUDY, "20240305", "SR")
    assert (ds.CompletionFlag, ds.VerificationFlag, ds.PreliminaryFlag) == ("COMPLETE", "UNVERIFIED", "PRELIMINARY")
    assert (ds.SeriesNumber, ds.SeriesDescription) == (9001, "RadIR similar cases")
    (study,) = ds.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert [item.ReferencedSOPInstanceUID for item in series.ReferencedSOPSequence] == [IMAGE.sop_instance_uid]


def test_image_of_another_study_is_refused(write):
    """A document is never built from images of another study."""
    with pytest.raises(ValueError, match="not of the study"):
        write(answer(query=Query("1.2.3")))


def test_same_question_same_file(write):
    """The same answer computed at the same time is the same file, byte for byte."""
    assert write(answer(), "one.dcm").read_bytes() == write(answer(), "two.dcm").read_bytes()


def test_uids_follow_question_model_and_snapshot(write):
    """A repeat click is the same instance; another snapshot, model, anatomy, k or filter is another one."""
    ds = dcmread(write(answer()))
    base = instance_uid(Query(STUDY, "lower_lobe:right", 3), "lower_lobe:right", MODEL, "snapshot-42")
    others = {
        instance_uid(Query(STUDY, "lower_lobe:right", 3), "lower_lobe:right", MODEL, "snapshot-43"),
        instance_uid(Query(STUDY, "lower_lobe:right", 3), "lower_lobe:right", "other", "snapshot-42"),
        instance_uid(Query(STUDY, GLOBAL, 3), GLOBAL, MODEL, "snapshot-42"),
        instance_uid(Query(STUDY, "lower_lobe:right", 4), "lower_lobe:right", MODEL, "snapshot-42"),
        instance_uid(Query(STUDY, "lower_lobe:right", 3, Filters(sex="F")), "lower_lobe:right", MODEL, "snapshot-42"),
        instance_uid(Query(f"{STUDY}.1", "lower_lobe:right", 3), "lower_lobe:right", MODEL, "snapshot-42"),
    }

    assert (ds.SOPInstanceUID, ds.SeriesInstanceUID) == (base, series_uid(STUDY))
    assert len(others | {base}) == 7
    assert all(re.fullmatch(r"2\.25\.[1-9]\d{20,38}", uid) for uid in others)


def test_storescu_sends_it(write, tool, node):
    """DCMTK's storescu sends the report, and the node itself takes it as an object of its study."""
    path = write(answer())

    done = tool("storescu", "-R", "-aec", "RADIR", node.peer.host, node.peer.port, path)

    assert done.code == 0, done.text
    (stored,) = node.archive.stored.values()
    assert stored.header.study_instance_uid == STUDY
