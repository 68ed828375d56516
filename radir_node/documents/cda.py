"""Reads the narrative of CDA documents (HL7 CDA R2, the body of Encapsulated CDA, PS3.3 A.45.2).

An XML file can hold bombs: document types and entities are refused, depth and number of elements are limited while it
is read.
"""

import codecs
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from radir_node.documents.plain import MAX_CHARACTERS, checked_size, tidy
from radir_node.documents.section_headings import heading_of
from radir_node.errors import UnreadableReport

MAX_DEPTH = 150
"""Of elements; each level of sections takes two of them."""
MAX_ELEMENTS = 100_000

_HL7 = "{urn:hl7-org:v3}"
_LINES = frozenset(f"{_HL7}{name}" for name in ("br", "paragraph", "list", "item", "table", "tr", "caption", "title"))
"""Elements of narrative blocks that stand on lines of their own: without, sentences would run into each other."""
_CELLS = frozenset({f"{_HL7}td", f"{_HL7}th"})


class _LimitedTree(TreeBuilder):
    """Builds the tree as long as it stays small."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._elements = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH:
            raise UnreadableReport(f"the CDA document is nested deeper than {MAX_DEPTH} elements")
        if self._elements > MAX_ELEMENTS:
            raise UnreadableReport(f"the CDA document has more than {MAX_ELEMENTS:,} elements")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def cda_text(payload: bytes) -> str:
    """Return the sections of a CDA document with their headings, or its plain body; "" where there is neither.

    Raise UnreadableReport when it is no XML, declares a document type, or is beyond a limit.
    """
    padded = not payload.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # where every second byte may be a NUL
    root = _tree(checked_size(payload.rstrip(b"\0") if padded else payload, "CDA document"))
    blocks: list[str] = []
    for body in root.iter(f"{_HL7}structuredBody"):
        _sections(body, blocks)
    if not blocks:
        blocks = [tidy("".join(part.itertext())) for part in root.iter(f"{_HL7}nonXMLBody") if _is_plain(part)]
    return "\n\n".join(block for block in blocks if block)[:MAX_CHARACTERS]


def _tree(payload: bytes) -> Element:
    parser = DefusedXMLParser(target=_LimitedTree(), forbid_dtd=True)
    try:
        parser.feed(payload)
        root: Element = parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise UnreadableReport(f"the CDA document cannot be read ({type(error).__name__})") from error
    return root


def _sections(parent: Element, blocks: list[str]) -> None:
    for section in parent.findall(f"{_HL7}component/{_HL7}section"):
        code = section.find(f"{_HL7}code")
        concept = code.get("code", "") if code is not None else ""
        heading = heading_of((concept, " ".join(_narrative(section.find(f"{_HL7}title")).split())))
        said = _narrative(section.find(f"{_HL7}text"))
        if said:
            blocks.append(f"{heading}:\n{said}" if heading else said)
        _sections(section, blocks)


def _narrative(block: Element | None) -> str:
    """Return the text of a narrative block (CDA R2 4.3.5) line by line."""
    if block is None:
        return ""
    parts: list[str] = []
    _collect(block, parts)
    lines = (" ".join(line.split()) for line in "".join(parts).split("\r"))
    return tidy("\n".join(line for line in lines if line))


def _collect(element: Element, parts: list[str]) -> None:
    """Add the text of an element; a carriage return, which XML does not hand on, stands for the end of a line.

    What a revision took away (CDA R2 4.3.5.1) is still in the document, and is left out.
    """
    if element.get("revised") == "delete":
        return
    around = "\r" if element.tag in _LINES else " " if element.tag in _CELLS else ""
    parts += (around, element.text or "")
    for child in element:
        _collect(child, parts)
        parts.append(child.tail or "")
    parts.append(around)


def _is_plain(body: Element) -> bool:
    held = body.find(f"{_HL7}text")
    if held is None or held.get("representation") == "B64":
        return False
    return held.get("mediaType", "text/plain") == "text/plain"
