"""The people that a message names: what must be taken out of a report's sentences before they are shown.

Names are given in the order of DICOM's PN ("DOE^JANE"), numbers as they stand. HL7 v2.5.1 chapters 3, 4, 7 and 9.
"""

from collections.abc import Iterable, Iterator, Mapping

from radir_node.reports.intake.hl7_segments import Segment, Value

_PATIENT_NAMES: Mapping[str, tuple[int, ...]] = {"PID": (5, 6, 9), "NK1": (2, 30), "GT1": (3,), "IN1": (16,)}
"""XPN: patient, mother, alias, next of kin, guarantor, insured."""
_STAFF_NAMES: Mapping[str, tuple[int, ...]] = {
    "PD1": (4,),
    "PV1": (7, 8, 9, 17, 52),
    "ORC": (10, 11, 12, 19),
    "OBR": (10, 16, 28),
    "OBX": (16,),
    "TXA": (5, 9, 10, 11, 22, 23),
    "ROL": (4,),
    "PRT": (5,),
    "NTE": (5,),
}
"""XCN: physicians and others who ordered, read, wrote, signed or get a copy."""
_READERS: Mapping[str, tuple[int, ...]] = {"OBR": (32, 33, 34, 35)}
"""NDL: principal and assistant interpreter, technician, transcriptionist."""
_NUMBERS: Mapping[str, tuple[int, ...]] = {"PID": (2, 3, 4, 18, 19), "PV1": (19,)}
"""CX: patient, account, social security and visit numbers."""
_LONG_ENOUGH = 4
"""Characters; a shorter number may be a measurement, and would be taken out of every sentence."""


def people(segments: Iterable[Segment]) -> Iterator[str]:
    """Yield every name and number of a person in the message, some of them more than once."""
    for segment in segments:
        for field in _PATIENT_NAMES.get(segment.name, ()):
            yield from (_name(value, first=1) for value in segment.values(field))
        for field in _STAFF_NAMES.get(segment.name, ()):
            yield from (_staff(value) for value in segment.values(field))
        for field in _READERS.get(segment.name, ()):
            yield from (_reader(value) for value in segment.values(field))
        for field in _NUMBERS.get(segment.name, ()):
            numbers = (value.component(1) for value in segment.values(field))
            yield from (number for number in numbers if len(number) >= _LONG_ENOUGH)


def _name(value: Value, first: int) -> str:
    """Return family, given and middle names from component `first` on; own and partner's family names together."""
    family = " ".join(dict.fromkeys(part for part in value.subcomponents(first) if part))
    return "^".join((family, value.component(first + 1), value.component(first + 2))).strip("^")


def _staff(value: Value) -> str:
    """Return the name of an XCN; where it has none, its number may be one ("WELBY", as before 2.3)."""
    return _name(value, first=2) or _undivided(value.component(1))


def _reader(value: Value) -> str:
    """Return the name of an NDL, whose first component holds number and name; some senders write an XCN or a name."""
    parts = value.subcomponents(1)
    divided = "^".join(parts[1:4]).strip("^")
    other = "" if len(parts) > 1 else _name(value, first=2)
    return divided or (other if any(map(str.isalpha, other)) else _undivided(value.component(1)))


def _undivided(said: str) -> str:
    return said if any(map(str.isalpha, said)) and not any(map(str.isdigit, said)) else ""
