"""Reads the narrative of a Structured Report: walks its content tree and keeps headings and sentences (PS3.3 C.17.3).

Called by report_text. Dose reports, CAD results, measurement reports and the node's own documents hold no narrative.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from dicom_services.objects.attributes import items, numbers, text, value, words
from radir_node.documents.section_headings import heading_of, known_heading

OWN_MANUFACTURER = "RadIR node"
OWN_CODING_SCHEME = "99RADIR"

MAX_ITEMS = 20_000
MAX_DEPTH = 32
MAX_CHARACTERS = 200_000

_NOT_NARRATIVE_TITLES = frozenset({"126000", "113701", "113704", "111036", "112000", "112220"})
"""DCM codes: imaging measurements, radiation dose (2), mammography, chest and colon CAD."""
_KEPT_RELATIONSHIPS = frozenset({"CONTAINS", "HAS PROPERTIES", "INFERRED FROM", ""})
"""Observer, acquisition context and modifiers are about the document, not part of what it says."""


@dataclass(slots=True)
class _Section:
    heading: str
    paragraphs: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Reading:
    """State of one walk."""

    sections: list[_Section]
    items: int = 0
    characters: int = 0
    sentences: int = 0
    """TEXT items that hold prose."""

    def section(self, heading: str) -> _Section:
        if self.sections[-1].heading != heading:
            self.sections.append(_Section(heading))
        return self.sections[-1]

    def add(self, paragraph: str) -> None:
        self.characters += len(paragraph)
        if paragraph and self.characters <= MAX_CHARACTERS:
            self.sections[-1].paragraphs.append(paragraph)


def document_title(document: Dataset) -> str:
    """Return the meaning of the root's concept name."""
    return _meaning(_concept(document))


def narrative(document: Dataset) -> str:
    """Return the text of a Structured Report with its headings on lines of their own, or "" when it holds no prose."""
    if _is_own(document) or text(_concept(document), "CodeValue") in _NOT_NARRATIVE_TITLES:
        return ""
    reading = _Reading([_Section("")])
    _walk(document, "", reading, depth=0)
    if not reading.sentences:
        return ""
    blocks = [_block(section) for section in reading.sections if section.paragraphs]
    return "\n\n".join(blocks)


def _is_own(document: Dataset) -> bool:
    declared = (_concept(document), *items(document, "CodingSchemeIdentificationSequence"))
    schemes = {text(item, "CodingSchemeDesignator") for item in declared}
    return OWN_CODING_SCHEME in schemes or text(document, "Manufacturer").startswith(OWN_MANUFACTURER)


def _block(section: _Section) -> str:
    body = "\n".join(section.paragraphs)
    return f"{section.heading}:\n{body}" if section.heading else body


def _walk(container: Dataset, heading: str, reading: _Reading, depth: int) -> None:
    """Add what a container holds. heading is that of the nearest named container, "" at the root."""
    if _flows(container):
        flowing = " ".join(part for child in _children(container, reading, depth) for part in _said(child, reading))
        reading.section(heading)
        reading.add(" ".join(flowing.split()))
        return
    for child in _children(container, reading, depth):
        own = heading_of(_concept_pair(child))
        if _value_type(child) == "CONTAINER":
            _walk(child, own or heading, reading, depth + 1)
            continue
        is_section = known_heading(_concept_pair(child)) is not None or not heading
        prose = _value_type(child) == "TEXT"
        reading.section(own if prose and is_section and own else heading)
        for part in _said(child, reading, labelled=not prose):
            reading.add(part)
        if _value_type(child) == "TEXT":
            _walk(child, heading, reading, depth + 1)


def _flows(container: Dataset) -> bool:
    """Say whether the items are one running text; sections are walked whatever their container calls itself."""
    parts = items(container, "ContentSequence")
    is_continuous = words(container, "ContinuityOfContent") == ("CONTINUOUS",)
    return is_continuous and not any(_value_type(part) == "CONTAINER" for part in parts)


def _children(parent: Dataset, reading: _Reading, depth: int) -> Iterator[Dataset]:
    if depth >= MAX_DEPTH:
        return
    for child in items(parent, "ContentSequence"):
        reading.items += 1
        if reading.items > MAX_ITEMS:
            return
        if text(child, "RelationshipType").upper() in _KEPT_RELATIONSHIPS:
            yield child


def _said(item: Dataset, reading: _Reading, *, labelled: bool = False) -> Iterator[str]:
    """Yield what one content item says, with its concept's name before a coded or measured value when labelled."""
    kind = _value_type(item)
    if kind == "TEXT":
        prose = _prose(item)
        if any(letter.isalpha() for letter in prose) and not prose.startswith(("{", "<?xml")):
            reading.sentences += 1
            yield prose
        return
    said = _meaning(next(iter(items(item, "ConceptCodeSequence")), None)) if kind == "CODE" else _measured(item)
    if said:
        name = _meaning(_concept(item)) if labelled else ""
        yield f"{name}: {said}" if name else said


def _prose(item: Dataset) -> str:
    """Return a text value with its own line breaks, which text() would fold."""
    found = value(item, "TextValue")
    lines = str(found or "").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip()


def _measured(item: Dataset) -> str:
    """Return "1.5 cm" of a NUM item (PS3.3 C.18.1), "" of any other."""
    for measured in items(item, "MeasuredValueSequence"):
        amounts = numbers(measured, "NumericValue")
        unit = text(next(iter(items(measured, "MeasurementUnitsCodeSequence")), Dataset()), "CodeValue")
        if amounts:
            return f"{amounts[0]:g} {unit if unit[:1].isalpha() or unit == '%' else ''}".strip()
    return ""


def _value_type(item: Dataset) -> str:
    return text(item, "ValueType").upper()


def _concept(item: Dataset) -> Dataset:
    return next(iter(items(item, "ConceptNameCodeSequence")), Dataset())


def _concept_pair(item: Dataset) -> tuple[str, str]:
    return text(_concept(item), "CodeValue"), _meaning(_concept(item))


def _meaning(code: Dataset | None) -> str:
    return text(code, "CodeMeaning") if code is not None else ""
