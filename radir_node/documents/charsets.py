"""Decodes bytes strictly in the character set that a sender names, and notices where they are in another.

A wrong name must end as a reason, never as garbled words: a parser finds nothing in them, and nobody looks again.
"""

import codecs
import re

from radir_node.errors import UnreadableReport

ISO_2022_JP = "iso2022_jp_ext"
"""ASCII, JIS X 0201, 0208 and 0212 by escape sequences (ISO-IR 6, 13, 14, 87, 159)."""

_WESTERN = "iso8859-1"
_SINGLE_BYTE = frozenset({*(f"iso8859-{part}" for part in range(1, 17)), *(f"cp125{page}" for page in range(9))})
_SEVERAL_BYTES = frozenset(
    {"gb18030", "gbk", "gb2312", "big5", "cp950", "big5hkscs", "euc_kr", "cp949", "euc_jp", "shift_jis", "cp932"}
)
_KNOWN = frozenset(
    {"ascii", "utf-8", "iso2022_jp", ISO_2022_JP, "utf-16", "koi8-r", "cp874", *_SINGLE_BYTE, *_SEVERAL_BYTES}
)
"""Python's text codecs hold stranger things, some of them slow."""

_C1_CONTROLS = re.compile("[\x80-\x9f]")
_ANY = re.compile(rb"[\xc2-\xf4][\x80-\xbf]")
_THREE_BYTES = re.compile(rb"[\xe0-\xef][\x80-\xbf]{2}")
"""Every ideogram and Hangul syllable in UTF-8; pairs of bytes may be valid in both."""


def decoded(raw: bytes, charset: str, said_by: str) -> str:
    """Return raw as text of a character set, by any of its Python or IANA names, without a byte order mark.

    said_by names where the character set is told, for the reason. Raise UnreadableReport where it is unknown, where
    the bytes are not in it, and where they are UTF-8 although it says otherwise.
    """
    name = _codec(charset, said_by)
    if name not in ("utf-8", "utf-16") and _is_utf8(raw, _ANY if name in _SINGLE_BYTE else _THREE_BYTES):
        raise UnreadableReport(f"the text is in UTF-8 and not in the character set that {said_by} names")
    try:
        text = raw.removeprefix(codecs.BOM_UTF8).decode(name)
        if name == _WESTERN and _C1_CONTROLS.search(text):
            text = raw.decode("cp1252")  # as browsers do: who says Latin-1 and sends its control characters means it
        elif name in _SINGLE_BYTE and name.startswith("iso") and _C1_CONTROLS.search(text):
            raise UnreadableReport(f"the text holds control characters of the character set that {said_by} names")
    except UnicodeDecodeError as error:
        raise UnreadableReport(f"the text is not in the character set that {said_by} names") from error
    return text


def _codec(charset: str, said_by: str) -> str:
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError) as error:
        raise UnreadableReport(f"{said_by} names an unknown character set") from error
    if name not in _KNOWN:
        raise UnreadableReport(f"{said_by} names a character set that is not read")
    return name


def _is_utf8(raw: bytes, sign: re.Pattern[bytes]) -> bool:
    """Tell whether text that should be in another character set is UTF-8: valid throughout, and not by accident."""
    if sign.search(raw) is None:
        return False
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
