"""The last step of every channel: values of a message to a ReceivedReport that lacks nothing."""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from radir_node.documents.plain import MAX_CHARACTERS, tidy
from radir_node.documents.section_headings import SILENT_HEADINGS
from radir_node.domain.received_report import ReceivedReport, ReportStatus
from radir_node.errors import UnreadableReport
from radir_node.reports.intake.source import SourceRules

MAX_LINKS = 100
"""Accession numbers, and Study Instance UIDs, of one report."""
MAX_IDENTIFIERS = 60
"""Each costs some milliseconds when its case is shown; a report has a dozen."""
MAX_NAME = 200
"""Characters of a key, an identifier, a title or a name."""

UID = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+")
"""PS3.5 9.1, up to 64 characters."""
_UID_LENGTH = 64
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_YEARS = range(1900, 2200)


@dataclass(slots=True)
class Draft:
    """What a reader found of one report, as it found it."""

    status: ReportStatus
    text: str = ""
    report_key: str = ""
    accession_numbers: list[str] = field(default_factory=list)
    study_instance_uids: list[str] = field(default_factory=list)
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    title: str = ""
    language: str = ""
    effective_at: dt.datetime | None = None
    identifiers: list[str] = field(default_factory=list)


def complete(draft: Draft, rules: SourceRules, links: str) -> ReceivedReport:
    """Return the report of a draft; `links` says in the reader's terms where accession number and study are looked for.

    Without a report key the first accession number is the key, without that the first Study Instance UID. Raise
    UnreadableReport where there is no text, none of both, or a value is longer than any catalogue takes.
    """
    accessions, uids = named(draft.accession_numbers, "accession number"), _uids(draft.study_instance_uids)
    if not accessions and not uids:
        raise UnreadableReport(f"nothing to link the report by: no accession number and no study UID in {links}")
    text = "" if draft.status is ReportStatus.CANCELLED else _text(draft.text)
    keys = named((draft.report_key,), "report key")
    patients = named((draft.patient_id,), "patient ID")
    issuers = named((draft.issuer_of_patient_id or rules.issuer_of_patient_id,), "issuer of the patient ID")
    return ReceivedReport(
        report_key=(*keys, *accessions, *uids)[0],
        status=draft.status,
        text=text,
        accession_numbers=accessions,
        study_instance_uids=uids,
        patient_id="".join(patients),
        issuer_of_patient_id="".join(issuers) if patients else "",
        title=_line(draft.title)[:MAX_NAME],
        language=_language(draft.language) or rules.language,
        effective_at=_aware(draft.effective_at),
        identifiers=_names(draft.identifiers),
    )


def named(values: Iterable[str], what: str) -> tuple[str, ...]:
    """Return the distinct values, each on one line and without blanks around. Raise UnreadableReport beyond a limit."""
    kept = tuple(dict.fromkeys(line for value in values if (line := _line(value))))
    if len(kept) > MAX_LINKS:
        raise UnreadableReport(f"more than {MAX_LINKS} values of {what}")
    if any(len(value) > MAX_NAME for value in kept):
        raise UnreadableReport(f"the {what} is longer than {MAX_NAME} characters")
    return kept


def is_uid(value: str) -> bool:
    """Tell whether a value is a UID (PS3.5 9.1)."""
    return len(value) <= _UID_LENGTH and UID.fullmatch(value) is not None


def sectioned(sections: Iterable[tuple[str, str]]) -> str:
    """Return a report text from (heading, text) pairs; a heading that its text repeats is written once.

    Something speaks of the images: where all stands under one heading that does not, as senders who name the procedure
    have it, it stands without, and beside such headings text without one is the findings.
    """
    said = [(heading, text) for heading, given in sections if (text := tidy(given))]
    named = {heading for heading, _ in said}
    otherwise = (
        {} if named - SILENT_HEADINGS - {""} else {"": "FINDINGS"} if len(named) > 1 else dict.fromkeys(named, "")
    )
    blocks: list[str] = []
    for given, text in said:
        heading = otherwise.get(given, given)
        first = text.partition("\n")[0].strip(" *#").upper()
        repeats = first.rstrip(" :") == heading or first.startswith(f"{heading}:")
        blocks.append(text if not heading or repeats else f"{heading}:\n{text}")
    return "\n\n".join(blocks)


def _aware(moment: dt.datetime | None) -> dt.datetime | None:
    """Return a moment with a zone, this machine's where it has none; None of one that cannot be."""
    if moment is None or moment.year not in _YEARS:
        return None
    return moment if moment.tzinfo is not None else moment.astimezone()


def _text(text: str) -> str:
    clean = tidy(text)
    if not any(character.isalpha() for character in clean):
        raise UnreadableReport("the message holds no report text")
    if len(clean) > MAX_CHARACTERS:
        raise UnreadableReport(f"the report text is longer than {MAX_CHARACTERS:,} characters")
    return clean


def _line(value: str) -> str:
    return " ".join(tidy(value).split())


def _uids(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(value for value in named(values, "study UID") if is_uid(value))


def _language(language: str) -> str:
    line = language.strip().replace("_", "-")
    return line if _LANGUAGE.fullmatch(line) else ""


def _names(names: Iterable[str]) -> tuple[str, ...]:
    kept = dict.fromkeys(line[:MAX_NAME] for name in names if len(line := _line(name)) > 1)
    return tuple(kept)[:MAX_IDENTIFIERS]
