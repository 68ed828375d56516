"""The text of OBX segments (HL7 v2.5.1 chapter 7.4.2), section by section. Called by hl7_message."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from radir_node.documents.attachment import attachment_text, from_base64
from radir_node.documents.section_headings import known_heading
from radir_node.errors import UnreadableReport
from radir_node.reports.intake.completeness import is_uid, sectioned
from radir_node.reports.intake.hl7_segments import Segment

ADDENDUM = "ADDENDUM"
TEXT_TYPES = frozenset({"TX", "FT", "ST", ""})
"""Value types (OBX-2) that are text; some senders leave the type out."""
DOCUMENT_TYPE = "ED"
STUDY_UID_CODES = frozenset({"113014", "110180"})
"""DCM: DICOM Study, Study Instance UID. In OBX-3 of a value that is the UID (IHE RAD TF-2 4.28)."""

STUB = 3
"""Written text is a pointer to the document beside it ("see attachment") where that is so many times as long."""

_SUFFIXES = {"GDT": "FINDINGS", "IMP": "IMPRESSION", "REC": "RECOMMENDATION", "ADT": ADDENDUM}
"""Suffixes of OBX-3 that name a section of a narrative report (7.4.2.3.2)."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One OBX segment that holds text or a document."""

    heading: str
    """Section that OBX-3 names, "" where it names none."""
    status: str
    """OBX-11."""
    segment: Segment

    @property
    def is_document(self) -> bool:
        return self.segment.value(2).upper() == DOCUMENT_TYPE

    def text(self) -> str:
        r"""Return the text, each repetition on a line of its own: an empty one is a blank line."""
        return "\n".join(self.segment.texts(5))


def lines_of(observations: Sequence[Segment]) -> list[Line]:
    """Return the observations that hold text or a document; measurements, codes and pointers are none of a report."""
    kinds = {*TEXT_TYPES, DOCUMENT_TYPE}
    found = [segment for segment in observations if segment.value(2).upper() in kinds and any(segment.raw(5))]
    found = [segment for segment in found if not _study_uid(segment)]
    return [Line(_heading(segment), segment.value(11).upper(), segment) for segment in found]


def text_of(lines: Sequence[Line]) -> str:
    """Return the text of a report with its headings, "" where it has none.

    Text and documents of one report are the same in several forms. What is written is read, for it has no letterhead,
    unless it is a mere pointer to the longest document; a document that cannot be read does not matter beside another
    form. Raise UnreadableReport where there are only documents and none can be read.
    """
    written = sectioned(_joined([line for line in lines if not line.is_document]))
    longest, fault = "", None
    for line in lines:
        if line.is_document:
            try:
                longest = max(longest, sectioned([(line.heading, _document(line.segment))]), key=len)
            except UnreadableReport as error:
                fault = fault or error
    if not written and not longest and fault is not None:
        raise fault
    return longest if STUB * len(written) <= len(longest) else written


def study_uids(observations: Sequence[Segment]) -> Iterator[str]:
    """Yield the Study Instance UIDs that stand as observations of their own."""
    for segment in observations:
        if uid := _study_uid(segment):
            yield uid


def _study_uid(segment: Segment) -> str:
    return segment.value(5) if segment.value(3) in STUDY_UID_CODES and is_uid(segment.value(5)) else ""


def _joined(lines: Sequence[Line]) -> Iterator[tuple[str, str]]:
    """Yield (heading, text) of neighbours under the same heading together: many senders cut a text into lines."""
    gathered: list[str] = []
    heading = ""
    for line in lines:
        if line.heading != heading:
            yield heading, "\n".join(gathered)
            gathered, heading = [], line.heading
        gathered.append(line.text())
    yield heading, "\n".join(gathered)


def _heading(segment: Segment) -> str:
    for value in segment.values(3):
        for component in (1, 4):  # the identifier and the alternate one, each with its text
            code, *suffixes = value.subcomponents(component) or ("",)
            known = next((_SUFFIXES[part.upper()] for part in (*suffixes, code) if part.upper() in _SUFFIXES), None)
            found = known or known_heading((code, value.component(component + 1)))
            if found:
                return found
    return ""


def _document(segment: Segment) -> str:
    """Return the text of an ED value (chapter 2.A.24): source, type, subtype, encoding, data."""
    fault = UnreadableReport(f"{segment.place}, OBX-5: no data in the ED value")
    for value in segment.values(5):
        kind, subtype, encoding = (value.component(number).lower() for number in (2, 3, 4))
        data = value.rest(5)
        if not data:
            continue
        try:
            return attachment_text(_bytes(data, encoding), f"{kind}/{subtype}")
        except UnreadableReport as error:
            fault = UnreadableReport(f"{segment.place}, OBX-5: {error}")
    raise fault


def _bytes(data: str, encoding: str) -> bytes:
    """Return the bytes of encoded data (table 0299), which may be broken into lines."""
    if encoding == "base64":
        return from_base64(data)
    try:
        return bytes.fromhex(data) if encoding == "hex" else data.encode()
    except ValueError as error:
        raise UnreadableReport("the data are not hex") from error
