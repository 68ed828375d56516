"""What every reader of a document keeps to: how large it may be, and what a text looks like that leaves this room."""

import re

from radir_node.errors import UnreadableReport

MAX_DOCUMENT_BYTES = 20 << 20
MAX_CHARACTERS = 200_000
"""Of one text; a reader of documents cuts what is longer."""

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
"""A vertical tab is the soft line break of word processors."""
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_BLANK_LINES = re.compile(r"\n{3,}")


def checked_size(payload: bytes, what: str) -> bytes:
    """Return the payload. Raise UnreadableReport when it is empty or larger than 20 MiB."""
    if not payload:
        raise UnreadableReport(f"the {what} is empty")
    if len(payload) > MAX_DOCUMENT_BYTES:
        raise UnreadableReport(f"the {what} is larger than {MAX_DOCUMENT_BYTES >> 20} MiB")
    return payload


def tidy(text: str) -> str:
    """Return a text that any database takes: lines end in newlines, no control characters, no halves of pairs.

    Blank lines inside are kept, one for several; blanks at line ends and around the text go, the others are spaces.
    """
    clean = _SURROGATES.sub("\ufffd", _CONTROLS.sub("", _LINE_ENDS.sub("\n", text.replace("\u00a0", " "))))
    return _BLANK_LINES.sub("\n\n", "\n".join(line.rstrip() for line in clean.split("\n"))).strip()
