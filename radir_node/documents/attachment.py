"""Reads a document that came inside a message, by what it is rather than by what it is called.

Called by the intake of HL7 (ED values) and FHIR (attachments).
"""

import base64
import binascii
import codecs
import re

from radir_node.documents.cda import cda_text
from radir_node.documents.charsets import decoded
from radir_node.documents.markup import html_text
from radir_node.documents.pdf import pdf_text
from radir_node.documents.plain import MAX_DOCUMENT_BYTES, checked_size, tidy
from radir_node.documents.rtf import rtf_text
from radir_node.errors import UnreadableReport

_PDF_HEADER_BYTES = 1024
"""Readers take a PDF whose header comes so late."""
_FOREIGN = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x89PNG", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"GIF8")
"""Word processors' containers and pictures."""
_SNIFFED_BYTES = 64 << 10
_PROLOG = re.compile(rb"(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
"""What may stand before the first element of XML and HTML."""
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")
_PART_OF_HTML = (b"<!doctype", b"<div", b"<p>", b"<table", b"<span")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)


def attachment_text(payload: bytes, media_type: str = "") -> str:
    """Return the text of a PDF, CDA, RTF, HTML or plain text document; never empty.

    media_type (RFC 2046) tells HTML from text and names the character set of both, UTF-8 unless it does. Raise
    UnreadableReport where the document holds no text, is of another kind or beyond a limit; a scan is said to be one.
    """
    kind, text = _read(checked_size(payload, "attached document"), media_type.lower())
    if not text:
        raise UnreadableReport(f"the {kind} holds no text" + (": it is a scan" if kind == "PDF" else ""))
    return text


def from_base64(data: str) -> bytes:
    """Return the bytes of a document, whose digits may be broken into lines. Raise UnreadableReport otherwise."""
    digits = "".join(data.split())
    if len(digits) > 2 * MAX_DOCUMENT_BYTES:
        raise UnreadableReport(f"the attached document is larger than {MAX_DOCUMENT_BYTES >> 20} MiB")
    try:
        return base64.b64decode(digits, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadableReport("the data are not base64") from error


def _read(payload: bytes, media_type: str) -> tuple[str, str]:
    charset = _charset(payload, media_type)
    head = _head(payload, charset[0])
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if b"%PDF-" in payload[:_PDF_HEADER_BYTES]:
        return "PDF", pdf_text(payload)
    if start.startswith(b"{\\rtf"):
        return "RTF document", rtf_text(payload)
    if start.startswith(_FOREIGN) or b"\0" in head[:_PDF_HEADER_BYTES]:
        raise UnreadableReport("the attached document is a picture or of a kind that is not read")
    return _read_text(payload, media_type, charset, start)


def _read_text(payload: bytes, media_type: str, charset: tuple[str, str], start: bytes) -> tuple[str, str]:
    element = _PROLOG.sub(b"", start, count=1).lower()
    if start.startswith(b"<") and b"ClinicalDocument" in start and not element.startswith(_HTML):
        return "CDA document", cda_text(payload)
    if "html" in media_type or element.startswith((*_HTML, *_PART_OF_HTML)):
        return "HTML document", html_text(decoded(payload, *charset))
    if start.startswith(b"<?xml") or "xml" in media_type:
        raise UnreadableReport("the attached XML document is no CDA document")
    return "text", tidy(decoded(payload, *charset))


def _charset(payload: bytes, media_type: str) -> tuple[str, str]:
    """Return the character set that the media type names, else a byte order mark, and which of them does."""
    if named := _CHARSET.search(media_type):
        return named[1], "its media type"
    return ("utf-16", "its byte order mark") if payload.startswith(_UTF_16) else ("utf-8", "the default, UTF-8,")


def _head(payload: bytes, charset: str) -> bytes:
    """Return the beginning of a document in a superset of ASCII."""
    head = payload[:_SNIFFED_BYTES]
    return head.decode("utf-16", "ignore").encode("utf-8", "ignore") if charset == "utf-16" else head
