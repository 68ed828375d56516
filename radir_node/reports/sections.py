"""Split a report into its sections, and tell which of them speak about the images. Used by the parser."""

import re
from dataclasses import dataclass

from radir_node.reports.lexicon import Lexicon

_HEADING = re.compile(
    r"""(?: ^[ \t]*[*#]*[ \t]* (?P<line> [a-z][a-z /&,()]{2,60}? ) [ \t]*[*]*[ \t]* (?: : | (?=\r?\n|\r|\Z) )
        | (?<=[.!?]) [ \t]+ (?P<inline> [a-z][a-z /&]{2,40}? ) : )""",
    re.VERBOSE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Section:
    """text[start:end] under a heading; the heading itself is not part of it."""

    heading: str
    """As the lexicon matched it, lower case; empty for text before the first heading."""
    spoken: bool
    """True where the section describes the images (findings, impression, addendum, or a text without headings)."""
    start: int
    end: int


def split_sections(low: str, lexicon: Lexicon) -> tuple[Section, ...]:
    """Split a lower-cased report at the headings that the lexicon knows; other headings stay inside their section.

    Text before the first heading is spoken only when no heading of a spoken section follows (it is then the report).
    """
    headings = [(*found, _is_spoken(found[2], lexicon)) for found in _headings(low, lexicon)]
    first = headings[0][0] if headings else len(low)
    sections = [Section("", not headings, 0, first)]
    for index, (_, start, name, spoken) in enumerate(headings):
        end = headings[index + 1][0] if index + 1 < len(headings) else len(low)
        sections.append(Section(name, spoken, start, end))
    if not any(section.spoken for section in sections):
        sections[0] = Section("", True, 0, first)
    return tuple(section for section in sections if section.start < section.end)


def _headings(low: str, lexicon: Lexicon) -> list[tuple[int, int, str]]:
    """(start of heading, start of its text, name) of every known heading."""
    found = []
    for match in _HEADING.finditer(low):
        name = " ".join((match["line"] or match["inline"]).split())
        if any(pattern.fullmatch(name) for pattern in lexicon.headings.values()):
            found.append((match.start(), match.end(), name))
    return found


def _is_spoken(name: str, lexicon: Lexicon) -> bool:
    return lexicon.headings["spoken"].fullmatch(name) is not None
