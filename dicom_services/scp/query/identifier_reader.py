"""Reads the data set of a query or retrieve: elements within limits, text by its own character set (PS3.5 7).

Called by query.py and plan.py, and by exchange.py before other data sets are decoded. Identifiers come from the
network, so elements, nesting and inflation are limited before anything is built, and values are decoded before they are
parted: the second byte of a Chinese or Japanese character may look like a delimiter.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from dicom_services.character_sets import DEFAULT, CharacterSet, character_set

MAX_ELEMENTS = 2000
"""Of one identifier, those of its items included."""
MAX_DEPTH = 8
"""Sequences inside one another."""
MAX_BYTES = 4 << 20
"""Of one identifier, inflated; room for 65,000 UIDs."""

_SPECIFIC_CHARACTER_SET = 0x00080005
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
"""VRs with a length of four bytes (PS3.5 7.1.2)."""
_NUMBERS: Mapping[str, str] = MappingProxyType({"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"})
_ONE_VALUE = frozenset({"LT", "ST", "UT", "UR"})
"""Text VRs in which a backslash is a character (PS3.5 6.2)."""
_IN_CHARACTER_SET = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})


class MalformedIdentifier(Exception):
    """The data set of a request cannot be read, or is beyond a limit; the text holds none of its values."""


@dataclass(frozen=True, slots=True)
class Element:
    """One data element as encoded; a sequence has items and no value."""

    tag: int
    value: bytes
    items: tuple["Identifier", ...] = ()


@dataclass(frozen=True, slots=True)
class Identifier:
    """A data set, or an item of one."""

    elements: tuple[Element, ...]
    character_set: CharacterSet = DEFAULT
    big_endian: bool = False

    def texts(self, element: Element, vr: str) -> tuple[str, ...]:
        """Return the values of an element as text without padding, by a VR that is known from elsewhere.

        Raises MalformedIdentifier for a NUL within a value.
        """
        if vr in _NUMBERS:
            return tuple(map(str, self._numbers(element.value, _NUMBERS[vr])))
        if vr in _IN_CHARACTER_SET:
            text = self.character_set.decode(element.value, is_name=vr == "PN")
        else:
            text = element.value.decode("latin_1")
        values = tuple(value.strip(" \0") for value in ([text] if vr in _ONE_VALUE else text.split("\\")))
        if any("\0" in value for value in values):  # padding at the end alone (PS3.5 6.2); no database takes it
            raise MalformedIdentifier("a value holds a NUL")
        return values

    def values(self, keyword: str) -> tuple[str, ...]:
        """Return the values of an attribute that are neither empty nor universal; none when it is absent."""
        tag, vr = int(tag_for_keyword(keyword) or 0), dictionary_VR(keyword)
        found = (value for element in self.elements if element.tag == tag for value in self.texts(element, vr))
        return tuple(value for value in found if value not in ("", "*"))

    def _numbers(self, data: bytes, code: str) -> Iterator[int | float]:
        number = struct.Struct((">" if self.big_endian else "<") + code)
        whole = len(data) // number.size * number.size
        return (value for (value,) in number.iter_unpack(data[:whole]))


def read_identifier(data: bytes, transfer_syntax: str, max_elements: int = MAX_ELEMENTS) -> Identifier:
    """Raises MalformedIdentifier; every other outcome is a value, whatever the bytes."""
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        data = _inflated(data)
    if len(data) > MAX_BYTES:
        raise MalformedIdentifier(f"identifier is longer than {MAX_BYTES} bytes")
    reader = _Reader(data, transfer_syntax == ExplicitVRBigEndian, max_elements)
    try:
        return reader.identifier(len(data), transfer_syntax != ImplicitVRLittleEndian)
    except struct.error:
        raise MalformedIdentifier("identifier ends within an element") from None


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, MAX_BYTES + 1)
    except zlib.error:
        raise MalformedIdentifier("identifier cannot be inflated") from None


class _Reader:
    """Goes through one buffer and counts elements."""

    def __init__(self, data: bytes, big_endian: bool, max_elements: int) -> None:
        self._data = data
        self._big_endian = big_endian
        order = ">" if big_endian else "<"
        self._tag = struct.Struct(order + "HH")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "L")
        self._at = 0
        self._max_elements = self._left = max_elements

    def identifier(
        self, end: int, explicit: bool, inherited: CharacterSet = DEFAULT, depth: int = 0, delimited: bool = False
    ) -> Identifier:
        """Read elements up to `end`; delimited: up to an Item Delimitation Item before it."""
        elements = []
        characters = inherited
        while self._at < end:
            tag = self._next_tag()
            if tag == _ITEM_END and delimited:
                self._at += self._long.size
                break
            vr, length = self._vr_and_length(tag, explicit)
            if vr == b"SQ" or length == _UNDEFINED:
                # An unknown VR of undefined length holds a sequence in implicit VR (PS3.5 6.2.2).
                items = self._items(self._stop(length, end), explicit and vr != b"UN", characters, depth + 1, length)
                elements.append(Element(tag, b"", items))
                continue
            stop = self._stop(length, end)
            value = self._data[self._at : stop]
            self._at = stop
            if tag == _SPECIFIC_CHARACTER_SET:
                characters = character_set(value.decode("latin_1").split("\\"))
            elements.append(Element(tag, value))
        return Identifier(tuple(elements), characters, self._big_endian)

    def _items(
        self, end: int, explicit: bool, inherited: CharacterSet, depth: int, length: int
    ) -> tuple[Identifier, ...]:
        if depth > MAX_DEPTH:
            raise MalformedIdentifier(f"more than {MAX_DEPTH} sequences inside one another")
        items = []
        while self._at < end:
            tag = self._next_tag()
            (item_length,) = self._long.unpack_from(self._data, self._at)
            self._at += self._long.size
            if tag == _SEQUENCE_END and length == _UNDEFINED:
                break
            if tag != _ITEM:
                raise MalformedIdentifier("a sequence holds something else than items")
            stop = self._stop(item_length, end)
            items.append(self.identifier(stop, explicit, inherited, depth, delimited=item_length == _UNDEFINED))
        return tuple(items)

    def _next_tag(self) -> int:
        if not self._left:
            raise MalformedIdentifier(f"identifier holds more than {self._max_elements} elements")
        self._left -= 1
        group, element = self._tag.unpack_from(self._data, self._at)
        self._at += self._tag.size
        return int(group << 16 | element)

    def _vr_and_length(self, tag: int, explicit: bool) -> tuple[bytes, int]:
        """Read what follows a tag; in implicit VR only sequences are told apart."""
        at = self._at
        vr = self._data[at : at + 2] if explicit else b""
        if not explicit:
            vr = b"SQ" if dictionary_has_tag(tag) and dictionary_VR(tag) == "SQ" else b""
            length, after = self._long, at
        elif vr in _LONG:
            length, after = self._long, at + 4
        else:
            length, after = self._short, at + 2
        self._at = after + length.size
        return vr, int(length.unpack_from(self._data, after)[0])

    def _stop(self, length: int, end: int) -> int:
        if length == _UNDEFINED:
            return end
        if self._at + length > end:
            raise MalformedIdentifier("the length of an element does not fit")
        return self._at + length
