"""Reports as channels bring them (HL7, FHIR, REST, bulk files), and which text stands after all that was said.

Reports inside a study, as DICOM objects, are domain.report.ReportText: they come with their study and need none of it.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Channel(StrEnum):
    """How a report reached the node."""

    HL7 = "hl7"
    FHIR = "fhir"
    REST = "rest"
    BULK = "bulk"


class ReportStatus(StrEnum):
    """What a version is to the report (HL7 table 0085 for OBR-25 and OBX-11; FHIR diagnostic-report-status)."""

    PRELIMINARY = "preliminary"
    """Kept and never shown."""
    FINAL = "final"
    CORRECTED = "corrected"
    """Takes the place of everything before it."""
    ADDENDUM = "addendum"
    """Is appended to what stands."""
    CANCELLED = "cancelled"
    """Takes everything before it away."""


@dataclass(frozen=True, slots=True)
class ReceivedReport:
    """One version of a report, read from the message that brought it."""

    report_key: str
    """What the source calls the report, the same in every version: filler order number, identifier, accession."""
    status: ReportStatus
    text: str
    """Headings on lines of their own ("FINDINGS:"); empty only where cancelled."""
    accession_numbers: tuple[str, ...] = ()
    study_instance_uids: tuple[str, ...] = ()
    """At least one accession number or Study Instance UID."""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    title: str = ""
    language: str = ""
    """Of the source (BCP 47, e.g. "en"); empty = the node's."""
    effective_at: dt.datetime | None = None
    """When the source made this version, timezone-aware; None = when it arrived."""
    identifiers: tuple[str, ...] = ()
    """Names of patient and physicians in the message: what must be taken out before a sentence is shown."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One message at the door: what it says, or why it cannot be read."""

    channel: Channel
    source: str
    """Name of the configured sender; empty = none is configured for it."""
    payload: bytes
    """The message as it came."""
    report: ReceivedReport | None = None
    reason: str = ""
    """One line, without a word of the message, where it cannot be read."""


def standing(versions: Iterable[ReceivedReport]) -> ReceivedReport | None:
    """Give the report that is to be shown after all its versions, in the order in which the source made them.

    None while there is only a preliminary one, and after a cancellation. An addendum without a report waits for it.
    """
    base: ReceivedReport | None = None
    addenda: list[ReceivedReport] = []
    for version in versions:
        if version.status is ReportStatus.ADDENDUM:
            addenda.append(version)
        elif version.status is ReportStatus.CANCELLED:
            base, addenda = None, []
        elif version.status is not ReportStatus.PRELIMINARY:
            if version.status is ReportStatus.CORRECTED:
                addenda = []
            base = version
    if base is None:
        return None
    texts = dict.fromkeys((base.text, *(f"ADDENDUM:\n{added.text}" for added in addenda)))  # what was sent twice, once
    people = dict.fromkeys(name for version in (base, *addenda) for name in version.identifiers)
    return replace(base, text="\n\n".join(texts), identifiers=tuple(people))
