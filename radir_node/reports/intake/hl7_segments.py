"""A message as segments and fields, within limits (HL7 v2.5.1 chapter 2.5). Called by hl7_message.

A field is taken apart when it is asked for. The hl7 package makes an object of every delimiter at once: that takes
twice the time of everything else here, and much memory in an attack. The tests read with both and compare.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from radir_node.errors import UnreadableReport
from radir_node.reports.intake.hl7_charset import codec_of_escapes, decoded_message
from radir_node.reports.intake.hl7_escapes import Escapes
from radir_node.reports.intake.hl7_header import Condition, Header, UnsupportedMessage, read_header
from radir_node.reports.intake.source import SourceRules

MAX_MESSAGE_BYTES = 32 << 20
"""An encoded document of 20 MiB with room for the rest."""
MAX_SEGMENTS = 5_000
MAX_DELIMITERS = 100_000
"""Of fields, repetitions, components and subcomponents."""

_NULL = '""'
_NAME = re.compile("[A-Z][A-Z0-9]{2}")
_KNOWN_NAMES = frozenset(
    {"MSH", "SFT", "UAC", "ARV", "EVN", "PID", "PD1", "PRT", "NK1", "NTE", "PV1", "PV2", "OH1", "OH2", "OH3", "OH4"}
    | {"ROL", "DB1", "IN1", "IN2", "IN3", "GT1", "AL1", "DG1", "DRG", "ORC", "OBR", "TQ1", "TQ2", "CTD", "OBX", "TCD"}
    | {"SID", "FT1", "CTI", "SPM", "SAC", "PDA", "TXA", "CON", "BLG", "IPC", "DSC"}
)
"""Segments of messages that carry reports, and of the orders before them, in any version 2."""


@dataclass(frozen=True, slots=True)
class Delimiters:
    """What takes the text of a message apart."""

    field: str
    component: str
    repetition: str
    subcomponent: str
    escapes: Escapes


@dataclass(frozen=True, slots=True)
class Value:
    """One repetition of a field: components, each of subcomponents, as sent."""

    components: list[str]
    _by: Delimiters

    def component(self, number: int, subcomponent: int = 1) -> str:
        """Return a component's first subcomponent, or another, unescaped; "" where it is missing or null."""
        parts = self.components[number - 1].split(self._by.subcomponent) if number <= len(self.components) else ()
        found = parts[subcomponent - 1] if subcomponent <= len(parts) else ""
        return "" if found == _NULL else self._by.escapes.unescape(found).strip()

    def rest(self, number: int) -> str:
        """Return everything from a component on, unescaped, delimiters inside taken for text."""
        return self._by.escapes.unescape(self._by.component.join(self.components[number - 1 :]))

    def subcomponents(self, number: int) -> tuple[str, ...]:
        """Return all subcomponents of a component, unescaped."""
        count = self.components[number - 1].count(self._by.subcomponent) + 1 if number <= len(self.components) else 0
        return tuple(self.component(number, subcomponent) for subcomponent in range(1, count + 1))


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One segment; fields count from 1 as HL7 counts them."""

    name: str
    place: str
    """For errors: "OBX (segment 7)"."""
    _fields: list[str]
    _by: Delimiters

    def raw(self, field: int) -> list[str]:
        """Return the repetitions of a field as sent, delimiters and escape sequences included."""
        found = self._fields[field] if field < len(self._fields) else ""
        return found.split(self._by.repetition) if found else []

    def texts(self, field: int) -> list[str]:
        """Return the repetitions of a field unescaped, delimiters inside taken for text."""
        return ["" if part == _NULL else self._by.escapes.unescape(part) for part in self.raw(field)]

    def values(self, field: int) -> Iterator[Value]:
        """Yield the repetitions of a field by components."""
        for repetition in self.raw(field):
            yield Value(repetition.split(self._by.component), self._by)

    def value(self, field: int, component: int = 1) -> str:
        """Return a component of the first repetition, unescaped, without blanks around; "" where it is missing."""
        return next((value.component(component) for value in self.values(field)), "")


def read_segments(raw: bytes, rules: SourceRules) -> list[Segment]:
    """Return the segments of a message. Raise UnreadableReport where it is none or beyond a limit."""
    if len(raw) > MAX_MESSAGE_BYTES:
        raise UnreadableReport(f"the message is larger than {MAX_MESSAGE_BYTES >> 20} MiB")
    header = read_header(raw)
    if header is None:
        raise UnsupportedMessage(_no_message(raw), Condition.SEGMENT_SEQUENCE)
    text = decoded_message(raw, header, rules.character_set)
    by = _delimiters(header, rules.character_set)
    lines = _segment_lines(text, by.field)
    if len(lines) > MAX_SEGMENTS:
        raise UnreadableReport(f"the message has more than {MAX_SEGMENTS:,} segments")
    if sum(map(text.count, (by.field, by.component, by.repetition, by.subcomponent))) > MAX_DELIMITERS:
        raise UnreadableReport(f"the message has more than {MAX_DELIMITERS:,} fields and components")
    return [_segment(number, line, by) for number, line in enumerate(lines, start=1)]


def _delimiters(header: Header, character_set: str) -> Delimiters:
    encoding, field = header.encoding.decode(), header.separator.decode()
    separators = field + encoding[:2] + encoding[3]
    escapes = Escapes(separators, encoding[2], codec_of_escapes(header, character_set))
    return Delimiters(field, encoding[0], encoding[1], encoding[3], escapes)


def _segment(number: int, line: str, by: Delimiters) -> Segment:
    name, *fields = line.split(by.field)
    if name == "MSH":
        fields.insert(0, by.field)  # MSH-1 is the separator itself
    return Segment(name, f"{name} (segment {number})", [name, *fields], by)


def _segment_lines(message: str, separator: str) -> list[str]:
    r"""Return the segments of a message, whatever ended them; 2.5.4 allows only \r.

    A line that does not begin as a segment is part of the one before it: text with raw line breaks, a base64 document
    in lines.
    """
    first, *others = re.split("(\r\n|\r|\n)", message.lstrip("\ufeff\0\r\n\t\v ").rstrip())
    segments = [[first]]
    for end, line in zip(others[::2], others[1::2], strict=True):
        if _is_segment(line, separator, is_usual=end[0] == others[0][0]):
            segments.append([line])
        else:
            segments[-1].append(line)
    return ["\n".join(lines) for lines in segments]


def _is_segment(line: str, separator: str, *, is_usual: bool) -> bool:
    """Tell whether a line begins a segment. A line of text may look like one: "RUL", or "RUL|" where it ends a field.

    So a name without fields must be a known one, and so must one behind a line end that is not that of the MSH segment.
    """
    name, found, _ = line.partition(separator)
    if _NAME.fullmatch(name) is None:
        return False
    return name in _KNOWN_NAMES or name[0] == "Z" or (bool(found) and is_usual)


def _no_message(raw: bytes) -> str:
    start = raw[:64].lstrip()
    if start.startswith((b"FHS", b"BHS")):
        return "a batch or file of messages (FHS, BHS); messages are taken one by one"
    return "the message does not begin with an MSH segment and its delimiters"
