"""Take identifiers out of report sentences before anyone sees them. Used by display only.

Known identifiers of the very study come first, then what looks like a date, a time, a number or a person. What is taken
out is replaced by REMOVED, so that a reader sees that something stood there. Nothing of this is ever logged.
"""

import re
from collections.abc import Collection

REMOVED = "[removed]"

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
"""Without May, which in reports is nearly always a verb and has patterns of its own."""
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_NAME = r"[^\W\d_][\w'’.-]*"
_TITLE = r"(?:dr|doctor|prof|professor|mr|mrs|ms)"
_CREDENTIALS = r"(?-i:M\.?D\.?|D\.?O\.?|Ph\.?D\.?|MBBS|FRCR|R\.?N\.?)(?!\w)"

_DATES = (
    r"\b\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:t\d{2}:?\d{2}(?::?\d{2})?)?\b",
    r"\b\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})\b",
    rf"\b{_DAY}[ -](?:of )?{_MONTH}(?:,?[ -]\d{{2,4}})?\b",
    rf"\b{_MONTH}[ -]{_DAY}(?:,? ?\d{{4}})?\b",
    rf"\b(?:{_DAY}[ -])?(?:{_MONTH}|may),?[ -](?:of )?(?:{_DAY},? )?(?:19|20)\d{{2}}\b",
    rf"(?:(?<=\bon )|(?<=\bfrom )|(?<=\bof )|(?<=\bsince )|(?<=\bdated ))(?:{_DAY} may|may {_DAY})\b",
    r"(?:(?<=\bon )|(?<=\bfrom )|(?<=\bto )|(?<=\bdated )|(?<=\bsince ))\d{1,2}/\d{1,2}\b",
    r"\b(?:19|20)\d{2}\b(?!\s*(?:mm|cm|ml|cc|hu)\b)",
    r"\b\d{1,2}:\d{2}(?::\d{2})?(?:\s*[ap]\.?m\b\.?)?",
    r"\b\d{1,4}\s*(?:[ap]\.?m\b\.?|hours\b|hrs\b)",
)
_NUMBERS = (
    r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    r"\bhttps?://\S+",
    r"\b\d+(?:\.\d+){4,}\b",
    r"(?<![\w.])\+?\(?\d{2,4}\)?(?:[ .-]\d{2,5}){2,4}\b",
    r"(?<![\w.])\d{3}-\d{4}\b",
    r"\b(?:mrn|accession|acc|id|pager|phone|tel|ext)\b[ .:#]*(?:number|no\.?)?[ .:#]*[\w-]*\d[\w-]*",
    r"\b(?=\w*\d\w*\d\w*\d\w*\d\w*\d)\w+\b",
)
_PERSONS = (
    rf"\b{_TITLE}\b\.?\s+{_NAME}(?:\s+(?-i:[A-Z]){_NAME}){{0,2}}",
    rf"\b{_NAME}(?:\s+{_NAME})?,?\s+{_CREDENTIALS}",
)
_PATTERNS = tuple(re.compile(pattern, re.IGNORECASE) for pattern in (*_DATES, *_NUMBERS, *_PERSONS))
_OLD_AGE = re.compile(r"\b(?:9\d|1[0-4]\d)(?=[ -]?(?:years?|yrs?|y\.?o\b|y/o|year-old))", re.IGNORECASE)

_TOLD = "discussed|communicated|notified|informed|conveyed|relayed|called|reported|telephoned|paged|contacted|reviewed"
_TOLD_TO = "dr|doctor|physician|nurse|provider|team|clinician|staff|resident|surgeon|phone|telephone|service"
_SIGNED = "dictated|transcribed|signed|verified|approved|read|reviewed|interpreted"
_COMMUNICATION = re.compile(
    rf"\b(?:{_TOLD})\b.{{0,60}}?\b(?:{_TOLD_TO})\b"
    rf"|\b(?:{_SIGNED})\s+(?:and\s+\w+\s+)?by\b"
    r"|\b(?:results?|findings?)\s+(?:were|was|have been|has been)?\s*(?:discussed|called|communicated)\b",
    re.IGNORECASE | re.DOTALL,
)
_FUNCTION_WORDS = frozenset({"no", "not", "or", "and", "the", "of", "in", "is", "are", "with", "without", "a", "an"})
"""Name parts that are words of every report; taking out a "no" would turn its meaning round."""


def is_communication(sentence: str) -> bool:
    """Tell whether a sentence speaks of people rather than of images ("discussed with Dr ..."), and is never shown."""
    return _COMMUNICATION.search(sentence) is not None


def known_identifiers(identifiers: Collection[str]) -> re.Pattern[str] | None:
    """Compile the identifiers of a study into one expression; None when there are none.

    Person names (PN, PS3.5 6.2.1.1) are also taken apart: each part of two letters or more is an identifier.
    """
    parts: set[str] = set()
    for identifier in identifiers:
        whole = " ".join(identifier.replace("^", " ").replace("=", " ").split())
        words = re.split(r"[\s,]+", whole)
        parts.update((identifier.strip(), whole, *words))
        parts.update(part for word in words if not any(map(str.isdigit, word)) for part in word.split("-"))
    kept = sorted((p for p in parts if len(p) > 1 and p.lower() not in _FUNCTION_WORDS), key=len, reverse=True)
    if not kept:
        return None
    alternatives = "|".join(r"\s+".join(map(re.escape, part.split())) for part in kept)
    return re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE)


def scrub(sentence: str, known: re.Pattern[str] | None) -> str:
    """Replace known identifiers and everything that looks like one; ages of 90 and more become "90+"."""
    clean = known.sub(REMOVED, sentence) if known else sentence
    for pattern in _PATTERNS:
        clean = pattern.sub(REMOVED, clean)
    return _OLD_AGE.sub("90+", clean)
