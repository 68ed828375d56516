"""A report as named fields, the same in REST bodies and bulk files; unknown names are refused."""

import datetime as dt

from radir_node.domain.received_report import ReceivedReport, ReportStatus
from radir_node.errors import UnreadableReport
from radir_node.reports.intake.completeness import Draft, complete, is_uid, sectioned
from radir_node.reports.intake.json_elements import Element
from radir_node.reports.intake.source import SourceRules

LINKS = ("accession_number", "study_instance_uid")
TEXTS = ("text", "findings", "impression")
OTHERS = (
    "patient_id",
    "issuer_of_patient_id",
    "report_key",
    "status",
    "language",
    "effective_at",
    "title",
    "identifiers",
)
NAMES = (*LINKS, *TEXTS, *OTHERS)
"""Strings; links and identifiers also arrays of strings. status: a ReportStatus, final unless given; effective_at: ISO
8601; findings and impression stand in place of text; identifiers: names to be taken out of what is shown."""


def read_fields(fields: Element, rules: SourceRules, key: str = "") -> ReceivedReport:
    """Return the report of named fields; `key` is one more accession number or Study Instance UID, and stands first.

    Raise UnreadableReport with the name of the field.
    """
    unknown = sorted(set(fields.fields) - set(NAMES))
    if unknown:
        raise UnreadableReport(f"{fields.path}: {len(unknown)} unknown fields; known are {', '.join(NAMES)}")
    accessions, uids = fields.texts("accession_number"), fields.texts("study_instance_uid")
    wrong = next((uid for uid in uids if uid and not is_uid(uid)), None)
    if wrong is not None:
        raise UnreadableReport(f"{fields.path}.study_instance_uid: no UID")
    (uids if is_study(key) else accessions).insert(0, key)
    draft = Draft(
        status=_status(fields),
        text=_text(fields),
        report_key=fields.text("report_key"),
        accession_numbers=accessions,
        study_instance_uids=uids,
        patient_id=fields.text("patient_id"),
        issuer_of_patient_id=fields.text("issuer_of_patient_id"),
        title=fields.text("title"),
        language=fields.text("language"),
        effective_at=_moment(fields),
        identifiers=fields.texts("identifiers"),
    )
    return complete(draft, rules, " and ".join(LINKS))


def is_study(key: str) -> bool:
    """Tell a Study Instance UID from an accession number: UIDs of studies have many parts."""
    return key.count(".") >= 4 and is_uid(key)


def _status(fields: Element) -> ReportStatus:
    status = fields.text("status").lower() or ReportStatus.FINAL.value
    if status not in list(ReportStatus):
        raise UnreadableReport(f"{fields.path}.status: must be one of {', '.join(ReportStatus)}")
    return ReportStatus(status)


def _text(fields: Element) -> str:
    text = fields.text("text")
    sections = (("FINDINGS", fields.text("findings")), ("IMPRESSION", fields.text("impression")))
    if text and any(said for _, said in sections):
        raise UnreadableReport(f"{fields.path}.text: stands beside findings or impression; one of both is enough")
    return text or sectioned(sections)


def _moment(fields: Element) -> dt.datetime | None:
    value = fields.text("effective_at")
    try:
        return dt.datetime.fromisoformat(value) if value else None
    except ValueError as error:
        raise UnreadableReport(f"{fields.path}.effective_at: not a time of ISO 8601") from error
