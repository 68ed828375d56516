"""Specific Character Set (0008,0005): text of data elements to str and back (PS3.3 C.12.1.1.2, PS3.5 6.1.2).

Called by identifier_reader.py and answers.py of scp/query. Reading is tolerant: every spelling of a set that is seen
in the field is understood and no byte makes it fail. Writing is strict: text that a set cannot hold is refused, so
that the caller can take another set.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

_ESC = b"\x1b"
_ASCII = b"\x1b(B"
_ROMAJI = b"\x1b(J"
"""JIS X 0201 in G0: ASCII but for the yen sign and the overline; its bytes are read as ASCII."""

_CODECS: Mapping[str, tuple[bytes, str]] = MappingProxyType(
    {
        "6": (_ASCII, "ascii"),
        "13": (b"\x1b)I", "shift_jis"),
        "58": (b"\x1b$)A", "gb2312"),
        "87": (b"\x1b$B", "euc_jp"),
        "100": (b"\x1b-A", "latin_1"),
        "101": (b"\x1b-B", "iso8859_2"),
        "109": (b"\x1b-C", "iso8859_3"),
        "110": (b"\x1b-D", "iso8859_4"),
        "126": (b"\x1b-F", "iso8859_7"),
        "127": (b"\x1b-G", "iso8859_6"),
        "138": (b"\x1b-H", "iso8859_8"),
        "144": (b"\x1b-L", "iso8859_5"),
        "148": (b"\x1b-M", "iso8859_9"),
        "149": (b"\x1b$)C", "euc_kr"),
        "159": (b"\x1b$(D", "euc_jp"),
        "166": (b"\x1b-T", "iso8859_11"),
        "203": (b"\x1b-b", "iso8859_15"),
    }
)
"""ISO registration number -> (escape sequence that designates the set, codec). Tables C.12-2 to C.12-4."""

_ALONE: Mapping[str, str] = MappingProxyType({"ISO_IR 192": "utf_8", "GB18030": "gb18030", "GBK": "gbk"})
"""Sets that take no code extensions (table C.12-5)."""

_G0 = frozenset({"87", "159"})
"""Two-byte sets of seven bits that take the place of ASCII; the others lie beside it, with the eighth bit set."""
_TWO_BYTE = frozenset({"58", "87", "149", "159"})
_ESCAPES = MappingProxyType({escape: number for number, (escape, _) in _CODECS.items()} | {_ROMAJI: "6"})

_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "": "6",
        "ASCII": "6",
        "USASCII": "6",
        "UTF8": "ISO_IR 192",
        "UNICODE": "ISO_IR 192",
        "GB18030": "GB18030",
        "ISOIR18030": "GB18030",
        "GBK": "GBK",
        "ISO2022GBK": "GBK",
        "CP936": "GBK",
        "WINDOWS936": "GBK",
        "GB2312": "58",
        "ISO202258": "58",
        "SHIFTJIS": "13",
        "SJIS": "13",
        "ISO2022JP": "87",
        "EUCKR": "149",
        "KSX1001": "149",
        "TIS620": "166",
        "CP1252": "100",
        "WINDOWS1252": "100",
        "LATIN1": "100",
        "LATIN2": "101",
        "LATIN9": "203",
    }
    | {f"ISO8859{part}": number for part, number in zip(range(1, 5), ("100", "101", "109", "110"), strict=True)}
    | {f"ISO8859{part}": number for part, number in zip(range(5, 10), ("144", "127", "126", "138", "148"), strict=True)}
    | {"ISO885911": "166", "ISO885915": "203"}
)
"""What people write -> registration number or defined term; upper case, letters and digits only."""

_NUMBERED = re.compile(r"(?:ISO)?(?:2022)?(?:IR)?(\d+)")
_PART = re.compile(rb"\x1b(?:\$[()]?|[()\-])?.|[^\x1b]+", re.DOTALL)
_NAME_DELIMITERS = re.compile(rb"([\\^=\r\n\f\t])")
_TEXT_DELIMITERS = re.compile(rb"([\\\r\n\f\t])")
_COMPONENT = re.compile(r"([\\^=\r\n\f\t])")


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """One value of Specific Character Set."""

    terms: tuple[str, ...]
    """As the attribute holds it; empty = the default repertoire."""

    def decode(self, data: bytes, is_name: bool = False) -> str:
        """Return the text; what cannot be decoded becomes U+FFFD. is_name: of VR PN, "^" and "=" end a designation."""
        if data.isascii() and _ESC not in data:
            return data.decode("ascii")
        if self.terms and self.terms[0] in _ALONE:
            return data.decode(_ALONE[self.terms[0]], "replace")
        if not self.terms and _ESC not in data:
            return _guessed(data)
        numbers = _numbers(self.terms)
        if len(numbers) == 1 and _ESC not in data:
            return data.decode(_CODECS[numbers[0]][1], "replace")
        return _Designated(numbers).decode(data, _NAME_DELIMITERS if is_name else _TEXT_DELIMITERS)

    def encode(self, text: str) -> bytes:
        """Return the bytes. Raises UnicodeEncodeError when the set cannot hold the text."""
        if text.isascii():
            return text.encode("ascii")
        return _encoded(self, text)


DEFAULT = CharacterSet(())
UTF_8 = CharacterSet(("ISO_IR 192",))


def character_set(values: Iterable[str]) -> CharacterSet:
    """Return the set that the values of (0008,0005) mean, however they are spelled; unknown values are left out."""
    known = [_number(value) for value in values]
    if known and known[0] in _ALONE:
        return CharacterSet((known[0],))
    numbers = tuple(dict.fromkeys(number for number in known if number in _CODECS))
    if len(numbers) == 1 and numbers[0] in _TWO_BYTE:
        numbers = ("6", *numbers)  # beside ASCII, as all of them are used
    if len(numbers) == 1:
        return DEFAULT if numbers == ("6",) else CharacterSet((f"ISO_IR {numbers[0]}",))
    return CharacterSet(
        tuple("" if number == "6" and at == 0 else _extended(number) for at, number in enumerate(numbers))
    )


def _extended(number: str) -> str:
    return f"ISO 2022 IR {number}"


@lru_cache(maxsize=256)
def _numbers(terms: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_number(term) for term in terms) or ("6",)


def _number(value: str) -> str:
    """Return the registration number, or the defined term of a set without one; "?" when the value says neither."""
    if value in _ALONE:
        return value
    bare = re.sub(r"[^A-Z0-9]", "", value.upper())
    if bare in _ALIASES:
        return _ALIASES[bare]
    numbered = _NUMBERED.fullmatch(bare)
    if numbered is None:
        return "?"
    return "ISO_IR 192" if numbered[1] == "192" else numbered[1]


def _guessed(data: bytes) -> str:
    """Read bytes beyond ASCII of which no set is named: UTF-8 is hardly ever anything else, Latin-1 holds the rest."""
    try:
        return data.decode("utf_8")
    except UnicodeDecodeError:
        return data.decode("latin_1")


class _Designated:
    """Code extensions while a value is read: what G0 and G1 hold now (PS3.5 6.1.2.5)."""

    def __init__(self, numbers: Sequence[str]) -> None:
        beside_ascii = [number for number in numbers if number not in _G0 and number != "6"]
        self._initial = numbers[0] if numbers[0] in beside_ascii else ""
        self._last = next(iter(beside_ascii), "100")
        """Stands in where the escape sequence was left out."""
        self._g0, self._g1 = "6", self._initial

    def decode(self, data: bytes, delimiters: re.Pattern[bytes]) -> str:
        texts = []
        for part in _PART.findall(data):
            number = _ESCAPES.get(part)
            if number is None:
                texts.append(self._text(part.removeprefix(_ESC), delimiters))
            elif number in _G0 or number == "6":
                self._g0 = number
            else:
                self._g1 = self._last = number
        return "".join(texts)

    def _text(self, part: bytes, delimiters: re.Pattern[bytes]) -> str:
        if self._g0 in _G0:
            return _two_byte(part, self._g0)
        pieces = []
        for piece in delimiters.split(part):
            if delimiters.fullmatch(piece):
                self._g1 = self._initial
            pieces.append(piece.decode(_CODECS[self._g1 or self._last][1], "replace"))
        return "".join(pieces)


def _two_byte(part: bytes, number: str) -> str:
    lead = b"\x8f" if number == "159" else b""
    characters = []
    at = 0
    while at < len(part):
        if part[at] <= 0x20:  # a control or space within: some leave the escape sequence out at the end of a line
            characters.append(chr(part[at]))
            at += 1
            continue
        pair = lead + bytes(byte | 0x80 for byte in part[at : at + 2])
        characters.append(pair.decode("euc_jp", "replace"))
        at += 2
    return "".join(characters)


@lru_cache(maxsize=4096)
def _encoded(target: CharacterSet, text: str) -> bytes:
    composed = unicodedata.normalize("NFC", text)
    if target.terms and target.terms[0] in _ALONE:
        return composed.encode(_ALONE[target.terms[0]])
    numbers = _numbers(target.terms)
    if len(numbers) == 1:
        return b"".join(_character(c, numbers[0], composed) for c in composed)
    return b"".join(_component(part, numbers) for part in _COMPONENT.split(composed))


def _component(text: str, numbers: Sequence[str]) -> bytes:
    """Encode text without delimiters: it begins and ends in the first set (PS3.5 6.1.2.5.3)."""
    beside_ascii = numbers[0] if numbers[0] not in _G0 else "6"
    home = {"6": _ROMAJI if beside_ascii == "13" else _ASCII, beside_ascii: _CODECS[beside_ascii][0]}
    g0, g1 = "6", beside_ascii
    out = []
    for c in text:
        number = _holding(c, (g0, g1, *numbers), text)
        seven_bit = number in _G0 or number == "6"
        if number != (g0 if seven_bit else g1):
            out.append(home.get(number, _CODECS[number][0]))
        g0, g1 = (number, g1) if seven_bit else (g0, number)
        out.append(_character(c, number, text))
    back = [home["6"] if g0 != "6" else b"", home[beside_ascii] if g1 != beside_ascii != "6" else b""]
    return b"".join([*out, *back])


def _holding(c: str, numbers: Iterable[str], text: str) -> str:
    if c.isascii():
        return "6"
    for number in numbers:
        if _bytes_of(c, number) is not None:
            return number
    raise _refused(c, text)


def _character(c: str, number: str, text: str) -> bytes:
    found = _bytes_of(c, number)
    if found is None:
        raise _refused(c, text)
    return found


def _refused(c: str, text: str) -> UnicodeEncodeError:
    at = text.index(c)
    return UnicodeEncodeError("dicom", text, at, at + 1, "not in the character set")


@lru_cache(maxsize=16384)
def _bytes_of(c: str, number: str) -> bytes | None:
    """Return one character in one set, without escape sequences; None when the set does not hold it."""
    try:
        data = c.encode(_CODECS[number][1])
    except UnicodeEncodeError:
        return None
    if c.isascii():
        return data
    if data.isascii():
        return None  # the yen sign at the place of the backslash
    if number == "159":
        return bytes(byte & 0x7F for byte in data[1:]) if len(data) == 3 else None
    if number == "87":
        return bytes(byte & 0x7F for byte in data) if len(data) == 2 and data[0] != 0x8E else None
    return data if len(data) == (2 if number in _TWO_BYTE else 1) else None


def supported_terms() -> Iterator[str]:
    """Yield every defined term beside the default repertoire, for the conformance statement (PS3.3 C.12.1.1.2)."""
    yield from (f"ISO_IR {number}" for number in _CODECS if number not in _TWO_BYTE and number != "6")
    yield from (_extended(number) for number in _CODECS if number != "6")
    yield from _ALONE
