"""Numbers and addresses that tell who is spoken of: ids, phones, mail, great ages. Used by scrub.

Measurements, levels and image numbers look alike and are told apart by scrub (medical_words.protected).
"""

import re
from collections.abc import Iterator

from radir_node.reports.identifiers import Identifier

_LABEL = r"(?:mrn|mr#|accession|acc|id|pager|beeper|phone|tel|telephone|fax|ext|extension|ssn|nhs|npi|dea|room)"
_WEAK_LABEL = r"(?:visit|encounter|order|case|patient|license)"
"""Stands before small numbers of any kind too."""
_NUMBER = r"(?:(?:id|numbers?|no)\b\.?\s*)?[.:#]*\s*"
_PATTERNS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("mail", r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
        ("link", r"\b(?:https?://|www\.)[^\s)>\]]*[^\s)>\].,;:]"),
        ("id", r"(?<![\w.])\d+(?:\.\d+){4,}(?![\w])"),
        ("phone", r"(?<![\w.])(?:\+?1[ .-]?)?(?:\(\d{3}\)\s?|\d{3}[ ./-])\d{3}[ .-]\d{4}\b(?:\s*(?:x|ext\.?)\s*\d+)?"),
        ("phone", r"(?<![\w.])\d{3}-\d{4}\b"),
        ("phone", r"(?<!\w)\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){2,6}(?!\w)"),
        ("phone", r"(?<![\w.])\(?0\d{1,4}\)?[ /-]\d{3,8}(?:[ -]\d{2,6}){0,3}\b"),
        ("phone", r"(?<![\w.])0\d(?:[ .-]\d{2}){4}\b"),
        ("id", r"(?<![\w.])\d{3}[ -]\d{2}[ -]\d{4}\b"),
        ("id", rf"\b{_LABEL}\b\s*{_NUMBER}(?P<what>[a-z]{{0,4}}-?\d[\w-]*)(?!\.\d)"),
        ("id", rf"\b{_WEAK_LABEL}\b\s*{_NUMBER}(?P<what>[a-z]{{0,4}}-?\d{{3}}[\w-]*)(?!\.\d)"),
        ("id", r"(?<![\w.])#\s?\d{3,}\b"),
        ("id", r"\b(?=\w*\d\w*\d\w*\d\w*\d\w*\d)\w+(?:-\w*\d\w*)*\b"),
    )
)
"""`what`, where there is one, is the part that goes."""

_YEARS = r"(?=\s?-?\s?(?:years?|yrs?|y\.?\s?o\b|y/o|yo\b))"
_AGES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?<![\w.])(?P<age>9\d|1[0-4]\d){_YEARS}",
        r"\b(?:aged?|age of|age:)\s(?P<age>9\d|1[0-4]\d)\b",
        r"(?<![\w.])(?P<age>9\d|1[0-4]\d)(?=(?-i:[MF])\b|\s(?:male|female|man|woman|lady|gentleman)\b)",
        r"\b(?P<age>ninety(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?|(?:one |a )?hundred(?: and \w+)?)"
        r"(?=[ -]years?[ -]old)",
        r"\b(?P<age>nonagenarian|centenarian)\b",
    )
)
_GREAT_AGE = "90+"


def find_numbers(sentence: str) -> Iterator[Identifier]:
    """Yield ids, phones, mail and web addresses."""
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(sentence):
            yield Identifier(*match.span("what" if "what" in pattern.groupindex else 0), kind)


def find_ages(sentence: str) -> Iterator[Identifier]:
    """Yield ages of 90 years and more, which are shown as "90+"."""
    for pattern in _AGES:
        yield from (Identifier(*match.span("age"), "age", _GREAT_AGE) for match in pattern.finditer(sentence))
