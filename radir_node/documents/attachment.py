"""Reads a document that came inside a message, by what it is rather than by what it is called.

Called by the intake of HL7 (ED values) and FHIR (attachments).
"""

import re

from radir_node.documents.cda import cda_text
from radir_node.documents.charsets import decoded
from radir_node.documents.markup import html_text
from radir_node.documents.pdf import pdf_text
from radir_node.documents.plain import checked_size, tidy
from radir_node.documents.rtf import rtf_text
from radir_node.errors import UnreadableReport

_PDF_HEADER_BYTES = 1024
"""Readers take a PDF whose header comes so late."""
_FOREIGN = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x89PNG", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"GIF8")
"""Word processors' containers and pictures."""
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


def _read(payload: bytes, media_type: str) -> tuple[str, str]:
    head = payload[:_PDF_HEADER_BYTES]
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"%PDF-" in head:
        return "PDF", pdf_text(payload)
    if start.startswith(b"{\\rtf"):
        return "RTF document", rtf_text(payload)
    if start.startswith(_FOREIGN) or b"\0" in head:
        raise UnreadableReport("the attached document is a picture or of a kind that is not read")
    if start.startswith(b"<") and b"ClinicalDocument" in payload[: 64 << 10]:
        return "CDA document", cda_text(payload)
    if "html" in media_type or start[:9].lower().startswith((b"<!doctype", b"<html", b"<div", b"<body", b"<p>")):
        return "HTML document", html_text(_decoded(payload, media_type))
    if start.startswith(b"<?xml") or "xml" in media_type:
        raise UnreadableReport("the attached XML document is no CDA document")
    return "text", tidy(_decoded(payload, media_type))


def _decoded(payload: bytes, media_type: str) -> str:
    named = _CHARSET.search(media_type)
    return decoded(payload, named[1] if named else "utf-8", "its media type" if named else "the default, UTF-8,")
