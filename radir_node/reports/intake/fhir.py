"""Reads a FHIR DiagnosticReport as JSON (R4 10.3, R5 10.3). Called by the REST route of the node.

A DiagnosticReport is always the whole report as it stands now: what was appended to it is a new whole, no addendum.
"""

import datetime as dt
from collections.abc import Iterator, Mapping

from radir_node.documents.attachment import attachment_text, from_base64
from radir_node.documents.section_headings import known_heading
from radir_node.domain.received_report import ReceivedReport, ReportStatus
from radir_node.errors import UnreadableReport
from radir_node.reports.intake.completeness import Draft, complete, sectioned
from radir_node.reports.intake.fhir_references import (
    Contained,
    accession_numbers,
    kind_of,
    patient,
    people,
    study_uid,
    study_uids,
)
from radir_node.reports.intake.json_elements import Element, json_object
from radir_node.reports.intake.source import STANDARD, SourceRules

MAX_RESOURCE_BYTES = 32 << 20

_NAME = "DiagnosticReport"
_STATUSES: Mapping[str, ReportStatus] = {
    **dict.fromkeys(("registered", "partial", "preliminary", "modified"), ReportStatus.PRELIMINARY),
    "final": ReportStatus.FINAL,
    **dict.fromkeys(("amended", "corrected", "appended"), ReportStatus.CORRECTED),
    **dict.fromkeys(("cancelled", "entered-in-error"), ReportStatus.CANCELLED),
}
"""diagnostic-report-status; modified (R5) is before the final one. "unknown" is no status to go by."""
_PREFERRED = ("text/plain", "text/markdown", "text/html", "application/xhtml", "xml", "rtf", "pdf")
"""Forms of one report say the same (R4 10.3.4): the one that loses least comes first."""


def read_diagnostic_report(raw: bytes, rules: SourceRules = STANDARD) -> ReceivedReport:
    """Return the report of a DiagnosticReport resource.

    report_key is the filler order number among its identifiers, else one of no accession, else the id, else the first
    accession number; effective_at is issued, else meta.lastUpdated, else effectiveDateTime. Raise UnreadableReport with
    the path of the element.
    """
    if len(raw) > MAX_RESOURCE_BYTES:
        raise UnreadableReport(f"{_NAME}: larger than {MAX_RESOURCE_BYTES >> 20} MiB")
    report = json_object(raw, _NAME)
    if report.text("resourceType") != _NAME:
        raise UnreadableReport(f"{_NAME}.resourceType: only {_NAME} is read")
    status = _STATUSES.get(report.text("status"))
    if status is None:
        raise UnreadableReport(f"{_NAME}.status: no status that a report can have")
    contained = Contained(report)
    accessions = accession_numbers(report, contained)
    patient_id, issuer = patient(report, contained)
    draft = Draft(
        status=status,
        text="" if status is ReportStatus.CANCELLED else _text(report, contained),
        report_key=_key(report, accessions),
        accession_numbers=accessions,
        study_instance_uids=study_uids(report, contained),
        patient_id=patient_id,
        issuer_of_patient_id=issuer,
        title=_concept(report.element("code"))[1],
        language=report.text("language"),
        effective_at=_moment(report),
        identifiers=list(people(report, contained)),
    )
    return complete(draft, rules, f"{_NAME}.identifier, imagingStudy, study, basedOn")


def _key(report: Element, accessions: list[str]) -> str:
    others = [
        one for one in report.elements("identifier") if one.text("value") not in accessions and not study_uid(one)
    ]
    others.sort(key=lambda identifier: kind_of(identifier) != "FILL")
    return next((one.text("value") for one in others if one.text("value")), "") or report.text("id")


def _text(report: Element, contained: Contained) -> str:
    """Return the best readable form, else what conclusion and contained observations say."""
    forms = sorted(report.elements("presentedForm"), key=lambda form: _rank(form.text("contentType")))
    fault: UnreadableReport | None = None
    for form in forms:
        try:
            return _form(form)
        except UnreadableReport as error:
            fault = fault or error
    sections = [*_observations(report, contained), ("IMPRESSION", report.text("conclusion"))]
    text = sectioned(sections)
    if not text and fault is not None:
        raise fault
    return text


def _rank(content_type: str) -> int:
    low = content_type.lower()
    return next((rank for rank, name in enumerate(_PREFERRED) if name in low), len(_PREFERRED))


def _form(form: Element) -> str:
    """Return the text of an Attachment (R4 2.24.0.6); what it only points to (url) is not fetched."""
    data = form.text("data")
    if not data:
        raise UnreadableReport(f"{form.path}.data: missing; a url is not fetched")
    try:
        return attachment_text(from_base64(data), form.text("contentType"))
    except UnreadableReport as error:
        raise UnreadableReport(f"{form.path}: {error}") from error


def _observations(report: Element, contained: Contained) -> Iterator[tuple[str, str]]:
    """Yield heading and text of the contained Observations that the report lists as results."""
    for target in contained.targets(report, "result"):
        said = target.text("valueString") or _concept(target.element("valueCodeableConcept"))[1]
        if target.text("resourceType") == "Observation" and said:
            yield known_heading(_concept(target.element("code"))) or "FINDINGS", said


def _concept(concept: Element) -> tuple[str, str]:
    """Return (code, text) of a CodeableConcept."""
    coding = next(concept.elements("coding"), None)
    code, display = (coding.text("code"), coding.text("display")) if coding is not None else ("", "")
    return code, concept.text("text") or display


def _moment(report: Element) -> dt.datetime | None:
    """Return a dateTime or instant (R4 2.24.0.1) to the day or better, None where none is readable."""
    for value in (report.text("issued"), report.element("meta").text("lastUpdated"), report.text("effectiveDateTime")):
        try:
            return dt.datetime.fromisoformat(value)
        except ValueError:
            continue
    return None
