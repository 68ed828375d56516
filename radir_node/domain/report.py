"""Reports and the tags mined from them."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Context of a mention (spec: absent tags are kept, they power "why different")."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"
    HISTORICAL = "historical"
    """Told of the past ("history of pneumonia")."""
    RESOLVED = "resolved"
    """Seen before, gone now."""


@dataclass(frozen=True, slots=True)
class ReportText:
    """The readable text of one report object, split into its sections when it has headings."""

    source_sop_instance_uid: str
    text: str
    """Whole text, sections joined by blank lines, headings on lines of their own ("FINDINGS:")."""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Tag:
    """One finding at one site, with its evidence: text[start:end] of the report is the mention."""

    finding: str
    anatomy: str
    """Anatomy key: "site" or "site:side" (see domain.anatomy)."""
    status: Status
    start: int
    end: int
    sentence_start: int
    sentence_end: int
    rule: str
    change: str = ""
    """What has become of it since the last time: new, increased, stable or decreased; empty where nothing is said."""


@dataclass(frozen=True, slots=True)
class ParsedReport:
    """What was read from one report."""

    tags: tuple[Tag, ...]
    language: str
    """Language of the lexicon that was used; empty where the text is in another one: it was not parsed."""
    parser_version: str
