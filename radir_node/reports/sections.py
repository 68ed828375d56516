"""Split a report into its sections, and tell which of them speak about the images. Used by the parser."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from radir_node.reports.lexicon import Lexicon

_LONGEST_HEADING = 62
_LINES = re.compile(r"[^\r\n]+")
_INLINE = re.compile(r"[.!?][ \t]+([a-z][a-z /&]{2,40}):")
_FRAME = " \t*#"
"""What stands around a heading."""


@dataclass(frozen=True, slots=True)
class Section:
    """text[start:end] under a heading; the heading itself is not part of it."""

    heading: str
    """As the report has it, lower case, single blanks; empty for text before the first heading."""
    spoken: bool
    """True where the section describes the images (findings, impression, addendum, or a text without headings)."""
    start: int
    end: int


def split_sections(low: str, lexicon: Lexicon) -> tuple[Section, ...]:
    """Split a lower-cased report at the headings that the lexicon knows; other headings stay inside their section.

    Text before the first heading is spoken only when no heading of a spoken section follows (it is then the report).
    """
    headings = list(_headings(low, lexicon))
    first = headings[0][0] if headings else len(low)
    sections = [Section("", not headings, 0, first)]
    for index, (_, start, name) in enumerate(headings):
        end = headings[index + 1][0] if index + 1 < len(headings) else len(low)
        sections.append(Section(name, lexicon.headings.speaks(name) is True, start, end))
    if not any(section.spoken for section in sections):
        sections[0] = Section("", True, 0, first)
    return tuple(section for section in sections if section.start < section.end)


def _headings(low: str, lexicon: Lexicon) -> Iterator[tuple[int, int, str]]:
    """Yield (start of heading, start of its text, name) of every known heading."""
    for line in _LINES.finditer(low):
        start, end = line.span()
        colon = low.find(":", start, min(end, start + _LONGEST_HEADING))
        if colon >= 0 or end - start <= _LONGEST_HEADING:
            after = end if colon < 0 else colon
            name = " ".join(low[start:after].strip(_FRAME).split())
            if lexicon.headings.speaks(name) is not None:
                yield start, min(after + 1, end), name
        if low.find(":", max(colon + 1, start), end) >= 0:
            for match in _INLINE.finditer(low, start, end):
                name = " ".join(match[1].split())
                if lexicon.headings.speaks(name) is not None:
                    yield match.start(1), match.end(), name
