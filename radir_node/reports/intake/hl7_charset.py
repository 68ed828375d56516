"""Decodes a message by its MSH-18 (HL7 v2.5.1 2.15.9.18, table 0211), strictly.

Nothing is guessed: without MSH-18 a message is UTF-8, of which ASCII is a part, or it is refused.
"""

import codecs
from collections.abc import Mapping

from radir_node.documents.charsets import ISO_2022_JP, decoded
from radir_node.errors import UnreadableReport
from radir_node.reports.intake.hl7_header import Header

_UTF8 = "utf-8"
_TABLE_0211: Mapping[str, str] = {
    "": _UTF8,
    "ASCII": "ascii",
    "ISO IR6": "ascii",
    "UNICODE": _UTF8,
    "UNICODE UTF-8": _UTF8,
    "UTF-8": _UTF8,
    "UTF8": _UTF8,
    **{f"8859/{part}": f"iso8859-{part}" for part in range(1, 17) if part != 12},
    "ISO IR100": "iso8859-1",
    **dict.fromkeys(("ISO IR14", "ISO IR87", "ISO IR159"), ISO_2022_JP),
    "ISO IR13": "shift_jis",
    "GB 18030-2000": "gb18030",
    "GB 18030": "gb18030",
    "BIG-5": "big5",
    "KS X 1001": "euc_kr",
}
"""UNICODE UTF-16 and UTF-32 may not be sent by MLLP, their bytes hold its delimiters; CNS 11643-1992 has no decoder."""
_ISO_2022_KR = b"\x1b$)C"
"""Where KS X 1001 is invoked by escape sequence, its bytes are those of EUC-KR."""


def decoded_message(raw: bytes, header: Header, character_set: str = "") -> str:
    """Return the text of a message. character_set stands in place of MSH-18 where the sender is known to be wrong.

    Raise UnreadableReport where the character set is unknown or the bytes are not in it.
    """
    if character_set:
        return decoded(raw, character_set, "the character set of this source")
    codec = codec_of(header)
    return decoded(raw.replace(_ISO_2022_KR, b"") if codec == "euc_kr" else raw, codec, "MSH-18")


def codec_of(header: Header) -> str:
    """Return the Python name of the character set; of several the one whose escape sequences hold the others."""
    names = [part.decode("ascii", "replace").strip().upper() for part in _repetitions(header)]
    found = [_TABLE_0211.get(name) or _TABLE_0211.get(name.replace("ISO-IR", "ISO IR")) for name in names]
    if None in found:
        raise UnreadableReport("MSH-18 names a character set that is not read")
    for name in found[1:]:
        if name in (ISO_2022_JP, "euc_kr"):  # ASCII or an empty first repetition, then what is switched to
            return name
    return found[0] or _UTF8


def codec_of_escapes(header: Header, character_set: str) -> str:
    r"""Return the character set of the bytes that \\X...\\ spells out; call it after decoded_message."""
    return codecs.lookup(character_set).name if character_set else codec_of(header)


def _repetitions(header: Header) -> list[bytes]:
    parts = header.field(18).split(header.encoding[1:2])
    return parts if len(parts) <= 16 else parts[:16]
