"""Packs the identifiers of pending responses from rows of the catalogue, without a data set object in between.

Called by query.py with the thousands of rows that one query may have: what is the same in all of them is made once.
Strict where the reader is tolerant: what comes out is sorted, padded and in the VRs of the dictionary (PS3.5 7.1).
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from dicom_services.character_sets import UTF_8, CharacterSet
from dicom_services.scp.matching import text_of

_MAX_LENGTH = 0xFFFE
"""Of a value; what is longer is cut. Explicit VR holds no more in the VRs of the keys."""
_IN_CHARACTER_SET = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})

Encode = Callable[[str], bytes]
"""Text -> bytes of one character set. Raises UnicodeEncodeError."""


@dataclass(frozen=True, slots=True)
class _Field:
    """One element of every answer."""

    keyword: str
    head: bytes
    """Tag and, in explicit VR, the VR."""
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
    ) -> None:
        """keywords: what each answer holds; constants: their values where a row has none, "" for the others.

        character_sets: for answers beyond ASCII, the first that can hold all text of one is taken, else UTF-8.
        """
        self._order = ">" if transfer_syntax == ExplicitVRBigEndian else "<"
        self._explicit = transfer_syntax != ImplicitVRLittleEndian
        self._deflated = transfer_syntax == DeflatedExplicitVRLittleEndian
        self._length = struct.Struct(self._order + ("H" if self._explicit else "L"))
        tagged = sorted((int(tag_for_keyword(keyword) or 0), keyword) for keyword in {*keywords, *constants})
        self._fields = [self._field(tag, keyword, constants.get(keyword, "")) for tag, keyword in tagged]
        self._beyond_ascii = [(self._named(each), each.encode) for each in (*character_sets, UTF_8) if each.terms]

    def pack(self, row: Mapping[str, object]) -> bytes:
        """Return the data set of one answer; empty where the row holds no value."""
        try:
            data = self._packed(row, _ascii, b"")
        except UnicodeEncodeError:
            data = self._packed_beyond_ascii(row)
        return _deflated(data) if self._deflated else data

    def _packed(self, row: Mapping[str, object], encode: Encode, first: bytes) -> bytes:
        parts = [first]
        length = self._length.pack
        get = row.get
        for field in self._fields:
            value = get(field.keyword)
            if value is None or value == "":
                parts.append(field.empty)
                continue
            data = field.pack(value, encode)
            parts += (field.head, length(len(data)), data)
        return b"".join(parts)

    def _packed_beyond_ascii(self, row: Mapping[str, object]) -> bytes:
        for named, encode in self._beyond_ascii[:-1]:
            try:
                return self._packed(row, encode, named)
            except UnicodeEncodeError:
                continue
        named, _ = self._beyond_ascii[-1]
        return self._packed(row, _utf_8, named)

    def _named(self, characters: CharacterSet) -> bytes:
        """Return Specific Character Set (0008,0005), which comes before every key."""
        field = self._field(0x00080005, "SpecificCharacterSet", "\\".join(characters.terms))
        return field.empty

    def _field(self, tag: int, keyword: str, constant: str) -> _Field:
        vr = dictionary_VR(tag)
        head = struct.pack(self._order + "HH", tag >> 16, tag & 0xFFFF) + (vr.encode() if self._explicit else b"")
        value = _even(constant.encode("ascii"), b" ")
        return _Field(keyword, head, head + self._length.pack(len(value)) + value, self._packing(vr))

    def _packing(self, vr: str) -> Callable[[object, Encode], bytes]:
        if vr == "US":
            return _Unsigned(self._order).pack
        if vr in _IN_CHARACTER_SET:
            return _pack_text
        return _pack_uid if vr == "UI" else _pack_code


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


def _pack_text(value: object, encode: Encode) -> bytes:
    return _even(encode(value if isinstance(value, str) else _joined(value)), b" ")


def _pack_code(value: object, encode: Encode) -> bytes:
    return _even((value if isinstance(value, str) else _joined(value)).encode("ascii", "replace"), b" ")


def _pack_uid(value: object, encode: Encode) -> bytes:
    return _even((value if isinstance(value, str) else _joined(value)).encode("ascii", "replace"), b"\0")


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
