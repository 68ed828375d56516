"""Packs the identifiers of pending responses from rows of the catalogue, without a data set object in between.

Called by query.py with the thousands of rows that one query may have: what is the same in all of them is made once.
Strict where the reader is tolerant: what comes out is sorted, padded and in the VRs of the dictionary (PS3.5 7.1).
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from dicom_services.character_sets import UTF_8, CharacterSet
from dicom_services.scp.query.matching import text_of

_MAX_LENGTH = 0xFFFE
"""Of a value; what is longer is cut. Explicit VR holds no more in the VRs of the keys."""
_ITEM = (0xFFFE, 0xE000)
_IN_CHARACTER_SET = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})

Encode = Callable[[str], bytes]
"""Text -> bytes of one character set. Raises UnicodeEncodeError."""


@dataclass(frozen=True, slots=True)
class _Field:
    """One element of every answer."""

    keyword: str
    head: bytes
    """Tag and, in explicit VR, the VR."""
    length: Callable[[int], bytes]
    """Packs the length of the value."""
    empty: bytes
    """The whole element without value."""
    pack: Callable[[object, Encode], bytes]
    """Value -> bytes of even length."""


class AnswerPacker:
    """Packs the answers to one query."""

    def __init__(
        self,
        keywords: Iterable[str],
        constants: Mapping[str, str],
        transfer_syntax: str,
        character_sets: Sequence[CharacterSet],
        items: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """keywords: what each answer holds; constants: their values where a row has none, "" for the others.

        items: attributes of the items, by the keyword of their sequence; character_sets: of those the first that can
        hold all text of an answer is taken, else UTF-8.
        """
        self._order = ">" if transfer_syntax == ExplicitVRBigEndian else "<"
        self._explicit = transfer_syntax != ImplicitVRLittleEndian
        self._deflated = transfer_syntax == DeflatedExplicitVRLittleEndian
        self._fields = self._sorted({keyword: constants.get(keyword, "") for keyword in (*keywords, *constants)}, items)
        self._beyond_ascii = [(self._named(each), each.encode) for each in (*character_sets, UTF_8) if each.terms]

    def pack(self, row: Mapping[str, object]) -> bytes:
        """Return the data set of one answer; empty where the row holds no value."""
        try:
            data = _elements(self._fields, row, _ascii)
        except UnicodeEncodeError:
            data = self._packed_beyond_ascii(row)
        return _deflated(data) if self._deflated else data

    def _packed_beyond_ascii(self, row: Mapping[str, object]) -> bytes:
        for named, encode in self._beyond_ascii[:-1]:
            try:
                return named + _elements(self._fields, row, encode)
            except UnicodeEncodeError:
                continue
        named, _ = self._beyond_ascii[-1]
        return named + _elements(self._fields, row, _utf_8)

    def _named(self, characters: CharacterSet) -> bytes:
        """Return Specific Character Set (0008,0005), which comes before every key."""
        return self._field("SpecificCharacterSet", "\\".join(characters.terms), ()).empty

    def _sorted(self, constants: Mapping[str, str], items: Mapping[str, Sequence[str]]) -> list[_Field]:
        keywords = sorted(constants, key=_tag)
        return [self._field(keyword, constants[keyword], items.get(keyword, ())) for keyword in keywords]

    def _field(self, keyword: str, constant: str, items: Sequence[str]) -> _Field:
        tag, vr = _tag(keyword), dictionary_VR(keyword)
        head = struct.pack(self._order + "HH", tag >> 16, tag & 0xFFFF)
        length = struct.Struct(self._order + ("H" if self._explicit and vr != "SQ" else "L")).pack
        if self._explicit:
            head += vr.encode() + (b"\0\0" if vr == "SQ" else b"")
        value = _even(constant.encode("ascii"), b" ")
        return _Field(keyword, head, length, head + length(len(value)) + value, self._packing(vr, items))

    def _packing(self, vr: str, items: Sequence[str]) -> Callable[[object, Encode], bytes]:
        if vr == "SQ":
            return _Items(self._sorted(dict.fromkeys(items, ""), {}), self._order).pack
        if vr == "US":
            return _Unsigned(self._order).pack
        if vr in _IN_CHARACTER_SET:
            return _pack_text
        return _pack_uid if vr == "UI" else _pack_code


@dataclass(frozen=True, slots=True)
class _Items:
    """VR SQ, with explicit lengths."""

    fields: Sequence[_Field]
    order: str

    def pack(self, value: object, encode: Encode) -> bytes:
        items = value if isinstance(value, list | tuple) else ()
        return b"".join(self._item(_elements(self.fields, item, encode)) for item in items)

    def _item(self, data: bytes) -> bytes:
        return struct.pack(self.order + "HHL", *_ITEM, len(data)) + data


@dataclass(frozen=True, slots=True)
class _Unsigned:
    """VR US; a number that does not fit is left out rather than cut."""

    order: str

    def pack(self, value: object, encode: Encode) -> bytes:
        numbers = [
            v
            for v in (value if isinstance(value, list | tuple) else (value,))
            if isinstance(v, int) and 0 <= v <= 0xFFFF
        ]
        return struct.pack(f"{self.order}{len(numbers)}H", *numbers)


def _elements(fields: Iterable[_Field], row: Mapping[str, object], encode: Encode) -> bytes:
    parts = []
    get = row.get
    for field in fields:
        value = get(field.keyword)
        if value is None or value == "":
            parts.append(field.empty)
            continue
        data = field.pack(value, encode)
        parts += (field.head, field.length(len(data)), data)
    return b"".join(parts)


def _pack_text(value: object, encode: Encode) -> bytes:
    return _even(encode(value if isinstance(value, str) else _joined(value)), b" ")


def _pack_code(value: object, encode: Encode) -> bytes:
    return _even((value if isinstance(value, str) else _joined(value)).encode("ascii", "replace"), b" ")


def _pack_uid(value: object, encode: Encode) -> bytes:
    return _even((value if isinstance(value, str) else _joined(value)).encode("ascii", "replace"), b"\0")


def _tag(keyword: str) -> int:
    return int(tag_for_keyword(keyword) or 0)


def _joined(value: object) -> str:
    return "\\".join(map(text_of, value)) if isinstance(value, list | tuple) else text_of(value)


def _even(data: bytes, padding: bytes) -> bytes:
    if len(data) > _MAX_LENGTH:
        return data[:_MAX_LENGTH]
    return data + padding if len(data) & 1 else data


def _ascii(text: str) -> bytes:
    return text.encode("ascii")


def _utf_8(text: str) -> bytes:
    # A lone surrogate has no encoding; a name with a question mark is better than no answer.
    return text.encode("utf-8", "replace")


def _deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    compressed = deflater.compress(data) + deflater.flush()
    return compressed + b"\0" if len(compressed) & 1 else compressed
