"""Reads the text of encapsulated documents: PDF and CDA (PS3.3 A.45). Called by report_text.

A PDF is a program to be interpreted and an XML file can hold bombs: size, pages, time and entities are limited.
"""

import io
import time
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring
from pydicom.dataset import Dataset
from pypdf import PdfReader

from dicom_services.objects.attributes import value
from dicom_services.objects.reasons import refusing
from dicom_services.objects.section_headings import heading_of
from radir_node.errors import NotIndexable

MAX_DOCUMENT_BYTES = 20 << 20
MAX_PAGES = 50
MAX_SECONDS = 20.0
"""Looked at between pages: one page is not interrupted."""
MAX_CHARACTERS = 200_000
MAX_XML_DEPTH = 64

_HL7 = "{urn:hl7-org:v3}"


def pdf_text(document: Dataset) -> str:
    """Return the text layer of an Encapsulated PDF, pages joined by blank lines; "" of a scan without text.

    Raise NotIndexable when the PDF is broken, encrypted or beyond a limit.
    """
    with refusing("the encapsulated PDF cannot be read"):
        reader = PdfReader(io.BytesIO(_payload(document)))
        if len(reader.pages) > MAX_PAGES:
            raise NotIndexable(f"the encapsulated PDF has more than {MAX_PAGES} pages")
        deadline = time.monotonic() + MAX_SECONDS
        pages: list[str] = []
        for page in reader.pages:
            if time.monotonic() > deadline:
                raise NotIndexable(f"the encapsulated PDF takes more than {MAX_SECONDS:g} s to read")
            pages.append(page.extract_text().replace("\0", "").strip())
    return "\n\n".join(page for page in pages if page)[:MAX_CHARACTERS]


def cda_text(document: Dataset) -> str:
    """Return the sections of an Encapsulated CDA document with their headings. Raise NotIndexable as pdf_text does."""
    with refusing("the encapsulated CDA document cannot be read"):
        root = fromstring(_payload(document).rstrip(b"\0"), forbid_dtd=True)
        blocks: list[str] = []
        for body in root.iter(f"{_HL7}structuredBody"):
            _sections(body, blocks, depth=0)
        if not blocks:
            blocks = [_flowing(part) for part in root.iter(f"{_HL7}nonXMLBody") if _is_plain(part)]
    return "\n\n".join(block for block in blocks if block)[:MAX_CHARACTERS]


def _payload(document: Dataset) -> bytes:
    found = value(document, "EncapsulatedDocument")
    if not isinstance(found, bytes) or not found:
        raise NotIndexable("the encapsulated document is empty")
    if len(found) > MAX_DOCUMENT_BYTES:
        raise NotIndexable(f"the encapsulated document is larger than {MAX_DOCUMENT_BYTES >> 20} MiB")
    return found


def _sections(parent: Element, blocks: list[str], depth: int) -> None:
    if depth > MAX_XML_DEPTH:
        raise NotIndexable(f"the sections are nested deeper than {MAX_XML_DEPTH}")
    for section in parent.findall(f"{_HL7}component/{_HL7}section"):
        code = section.find(f"{_HL7}code")
        concept = code.get("code", "") if code is not None else ""
        heading = heading_of((concept, _flowing(section.find(f"{_HL7}title"))))
        said = _flowing(section.find(f"{_HL7}text"))
        if said:
            blocks.append(f"{heading}:\n{said}" if heading else said)
        _sections(section, blocks, depth + 1)


def _flowing(element: Element | None) -> str:
    return " ".join(" ".join(element.itertext()).split()) if element is not None else ""


def _is_plain(body: Element) -> bool:
    held = body.find(f"{_HL7}text")
    if held is None or held.get("representation") == "B64":
        return False
    return held.get("mediaType", "text/plain") == "text/plain"
