"""FHIR DiagnosticReports of R4 and R5 give what they say; each fault names its element."""

import base64
import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radir_node.domain.received_report import ReceivedReport, ReportStatus
from radir_node.errors import UnreadableReport
from radir_node.reports.intake.fhir import read_diagnostic_report
from radir_node.reports.intake.source import SourceRules

Json = dict[str, Any]

UID = "1.2.840.113619.2.55.3.604688"


def typed(code: str, value: str, system: str = "urn:hospital") -> Json:
    return {"type": {"coding": [{"code": code}]}, "system": system, "value": value}


def form(content_type: str, payload: bytes) -> Json:
    return {"contentType": content_type, "data": base64.b64encode(payload).decode()}


def resource(**elements: object) -> Json:
    """A report as R4 has it; None takes an element out."""
    whole = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "language": "en-US",
        "identifier": [typed("ACSN", "ACC1"), typed("FILL", "FILL1")],
        "code": {"coding": [{"system": "http://loinc.org", "code": "24627-2", "display": "CT Chest"}]},
        "subject": {"reference": "#p", "display": "Jane Doe"},
        "issued": "2025-01-01T12:00:00+01:00",
        "imagingStudy": [{"reference": "#s"}],
        "resultsInterpreter": [{"display": "Dr. Rudi Reader"}],
        "conclusion": "No acute disease.",
        "contained": [
            {
                "resourceType": "Patient",
                "id": "p",
                "identifier": [{"value": "999"}, typed("MR", "12345") | {"assigner": {"display": "HOSP"}}],
                "name": [{"text": "Jane Q. Doe", "family": "Doe", "given": ["Jane", "Q."]}],
            },
            {
                "resourceType": "ImagingStudy",
                "id": "s",
                "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{UID}"}, typed("ACSN", "ACC2")],
            },
        ],
    }
    return {name: value for name, value in (whole | elements).items() if value is not None}


def read(**elements: object) -> ReceivedReport:
    return read_diagnostic_report(json.dumps(resource(**elements)).encode())


def reason(**elements: object) -> str:
    with pytest.raises(UnreadableReport) as refused:
        read(**elements)
    return str(refused.value)


def test_elements() -> None:
    """Links, patient, people and times come from where R4 has them."""
    report = read()

    assert ("FILL1", ReportStatus.FINAL, "IMPRESSION:\nNo acute disease.") == (
        report.report_key,
        report.status,
        report.text,
    )
    assert (("ACC1", "ACC2"), (UID,)) == (report.accession_numbers, report.study_instance_uids)
    assert ("12345", "HOSP", "en-US", "CT Chest") == (
        report.patient_id,
        report.issuer_of_patient_id,
        report.language,
        report.title,
    )
    assert dt.datetime(2025, 1, 1, 11, tzinfo=dt.UTC) == report.effective_at
    assert {"Jane Doe", "Jane Q. Doe", "Doe^Jane^Q.", "Dr. Rudi Reader", "12345"} <= set(report.identifiers)


def test_r5() -> None:
    """R5 calls the study differently; it may be a logical reference."""
    study = {"type": "ImagingStudy", "identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{UID}"}}
    report = read(
        imagingStudy=None, study=[study], identifier=None, contained=None, subject={"identifier": typed("MR", "1")}
    )

    assert ((UID,), (), "r1") == (report.study_instance_uids, report.accession_numbers, report.report_key)
    assert ("1", "") == (report.patient_id, report.issuer_of_patient_id)


def test_accession_number_elsewhere() -> None:
    """Without a typed one the order's or the report's own identifier is the accession number."""
    order = {"identifier": typed("ACSN", "ACC3")}

    assert ("ACC3",) == read(identifier=[{"value": "X"}], basedOn=[order], contained=None).accession_numbers
    assert ("X",) == read(identifier=[{"value": "X"}, typed("FILL", "Y")], contained=None).accession_numbers
    assert "Y" == read(identifier=[{"value": "X"}, typed("FILL", "Y")], contained=None).report_key


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("registered", "preliminary"),
        ("partial", "preliminary"),
        ("preliminary", "preliminary"),
        ("modified", "preliminary"),
        ("final", "final"),
        ("amended", "corrected"),
        ("corrected", "corrected"),
        ("appended", "corrected"),
        ("cancelled", "cancelled"),
        ("entered-in-error", "cancelled"),
    ],
)
def test_status(status: str, expected: str) -> None:
    """A resource is the whole report: what was appended stands in the place of what was before."""
    report = read(status=status)

    assert ReportStatus(expected) is report.status
    assert (expected == "cancelled") == (report.text == "")


def test_forms() -> None:
    """The form that loses least is read; a bad one does no harm beside a good one, or beside a conclusion."""
    plain, html = form("text/plain", b"Plain."), form("text/html", b"<p>Marked <b>up</b>.</p><script>x</script>")
    rtf, word = form("application/rtf", rb"{\rtf1 Rich.}"), form("application/msword", b"\xd0\xcf\x11\xe0")

    assert "Plain." == read(presentedForm=[rtf, html, plain]).text
    assert "Marked up." == read(presentedForm=[word, html]).text
    assert "Rich." == read(presentedForm=[word, {"url": "http://127.0.0.1:9/"}, rtf]).text
    assert "IMPRESSION:\nNo acute disease." == read(presentedForm=[word]).text


def test_cda_form() -> None:
    """A CDA document among the forms is read by sections."""
    section = b"<component><section><title>Findings</title><text>Nodule.</text></section></component>"
    body = b"<component><structuredBody>" + section + b"</structuredBody></component>"
    cda = b'<ClinicalDocument xmlns="urn:hl7-org:v3">' + body + b"</ClinicalDocument>"

    assert "FINDINGS:\nNodule." == read(presentedForm=[form("application/xml", cda)]).text


def test_observations() -> None:
    """Without a form the contained observations are the findings, the conclusion the impression."""
    observations = [
        {"resourceType": "Observation", "id": "a", "code": {"coding": [{"code": "59776-5"}]}, "valueString": "Nodule."},
        {
            "resourceType": "Observation",
            "id": "b",
            "code": {"text": "Lungs"},
            "valueCodeableConcept": {"text": "clear"},
        },
    ]
    report = read(
        contained=observations, result=[{"reference": "#a"}, {"reference": "#b"}, {"reference": "Observation/9"}]
    )

    assert "FINDINGS:\nNodule.\n\nFINDINGS:\nclear\n\nIMPRESSION:\nNo acute disease." == report.text


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"resourceType": "Bundle"}, "DiagnosticReport.resourceType: only DiagnosticReport is read"),
        ({"status": "unknown"}, "DiagnosticReport.status: no status that a report can have"),
        ({"status": 5}, "DiagnosticReport.status: must be a string"),
        ({"contained": [5]}, "DiagnosticReport.contained[0]: must be an object"),
        ({"contained": [{}] * 1001}, "DiagnosticReport.contained: more than 1,000 elements"),
        ({"conclusion": None}, "the message holds no report text"),
        (
            {"presentedForm": [{"url": "x"}], "conclusion": None},
            "DiagnosticReport.presentedForm[0].data: missing; a url is not fetched",
        ),
        (
            {"presentedForm": [{"data": "?"}], "conclusion": None},
            "DiagnosticReport.presentedForm[0]: the data are not base64",
        ),
        (
            {"presentedForm": [form("", b"%PDF-")], "conclusion": None},
            "DiagnosticReport.presentedForm[0]: the PDF cannot be read",
        ),
        (
            {"identifier": None, "contained": None},
            "nothing to link the report by: no accession number and no study UID in DiagnosticReport.identifier, "
            "imagingStudy, study, basedOn",
        ),
    ],
)
def test_faults(elements: Json, expected: str) -> None:
    """Each fault is one line with the path of its element."""
    assert expected == reason(**elements)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "DiagnosticReport: no JSON (line 1, column 1)"),
        (b"[]", "DiagnosticReport: must be a JSON object"),
        (b'{"a": "\xff"}', "DiagnosticReport: not in UTF-8"),
        (b"[" * 100_000, "DiagnosticReport: no JSON that is read (nested too deep, or too long a number)"),
        (b"9" * 10_000, "DiagnosticReport: no JSON that is read (nested too deep, or too long a number)"),
    ],
)
def test_no_json(raw: bytes, expected: str) -> None:
    """What is no JSON has its place, or a reason."""
    with pytest.raises(UnreadableReport) as refused:
        read_diagnostic_report(raw)

    assert expected == str(refused.value)


def test_rules_of_the_source() -> None:
    """Language and issuer of the source stand where the resource names none, and its system is no issuer of images."""
    elements = resource(
        language=None, subject={"identifier": typed("MR", "7")}, contained=None, issued="2025-01-01T12:00:00"
    )
    rules = SourceRules(language="de", issuer_of_patient_id="RIS")

    report = read_diagnostic_report(json.dumps(elements).encode(), rules)

    assert ("de", "RIS") == (report.language, report.issuer_of_patient_id)
    assert dt.datetime(2025, 1, 1, 12).astimezone() == report.effective_at


@pytest.mark.parametrize("subject", [{"display": "Jane Doe"}, {"reference": "p"}, {"reference": "Patient/p"}])
def test_patient_of_another_reference(subject: Json) -> None:
    """Only what is referred to by its id is the patient: no resource without one, none that lies on a server."""
    others = [{"resourceType": "Patient", "id": name, "identifier": [typed("MR", "999")]} for name in ("", "p")]
    mother = {"resourceType": "Patient", "identifier": [typed("MR", "999")]}

    assert "" == read(subject=subject, contained=[mother, *others]).patient_id


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["#p", "ACSN", "urn:dicom:uid"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(resource())), inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from([*sorted(resource()), "presentedForm", "result", "study", "basedOn", "meta"]), JSON)
@settings(max_examples=300)
def test_any_element(name: str, value: object) -> None:
    """Any value of any element is a report or a reason, and nothing else."""
    try:
        assert read(**{name: value}).report_key
    except UnreadableReport as error:
        assert "\n" not in str(error)
