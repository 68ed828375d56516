"""Reads single attributes of a data set without ever failing on their values: wrong VRs, stray letters, empty values.

What cannot be read is the same as absent: "", None or (). Used by every reader of this package.
"""

import datetime as dt
import math
import re
from collections.abc import Iterable

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence

_LONGEST_TEXT = 1024
_DATE = re.compile(r"(\d{4})[.\-/]?(\d{2})[.\-/]?(\d{2})")
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_LONGEST_UID = 64
_ESCAPE = re.compile(r"\x1b(?:\$[()]?|[()\-]).")
"""A designation of ISO 2022 that pydicom leaves in the text: those of ISO 2022 IR 58, and undeclared ones."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def text(dataset: Dataset, keyword: str) -> str:
    """Return the value as one stripped line of at most 1,024 characters, several values joined by a backslash."""
    line = "\\".join(_texts(value(dataset, keyword)))
    if not line.isascii() and not dataset.get("SpecificCharacterSet"):
        line = _undeclared(line)
    return _CONTROL.sub(" ", _ESCAPE.sub("", line)).strip()[:_LONGEST_TEXT]


def words(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Return the values of a coded string (VR CS) in upper case, empty ones kept as "" to hold their place."""
    return tuple(_CONTROL.sub("", part).strip().upper() for part in _texts(value(dataset, keyword)))


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Return all values as finite floats, or () when any of them is not a number."""
    values = [_number(part) for part in _parts(value(dataset, keyword))]
    return tuple(part for part in values if part is not None) if None not in values else ()


def number(dataset: Dataset, keyword: str) -> float | None:
    """Return the first value as a finite float."""
    return next((_number(part) for part in _parts(value(dataset, keyword))), None)


def integer(dataset: Dataset, keyword: str) -> int | None:
    """Return the first value as an integer; a fraction is not one."""
    found = number(dataset, keyword)
    return int(found) if found is not None and found == int(found) else None


def date(dataset: Dataset, keyword: str) -> dt.date | None:
    """Return a date (VR DA), the separators of older writers allowed."""
    match = _DATE.fullmatch(text(dataset, keyword))
    if match is None:
        return None
    try:
        return dt.date(*map(int, match.groups()))
    except ValueError:
        return None


def items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Return the items of a sequence."""
    found = value(dataset, keyword)
    return tuple(found) if isinstance(found, DicomSequence) else ()


def value(dataset: Dataset, keyword: str) -> object:
    """Return the value as pydicom converts it, or None when it is absent or cannot be converted."""
    try:
        return dataset.get(keyword)
    except Exception:  # noqa: BLE001 - a malformed value makes the lazy conversion raise nearly any class
        return None


def valid_uid(uid: str) -> bool:
    """Say whether the text may be used as a UID: digits and dots, at most 64 (PS3.5 9.1).

    Leading zeros of a component and a UID of one component break the rule, but old archives hold them and they are
    harmless here.
    """
    return len(uid) <= _LONGEST_UID and _UID.fullmatch(uid) is not None


def _parts(found: object) -> Iterable[object]:
    if found is None or isinstance(found, DicomSequence):
        return ()
    return found if isinstance(found, (MultiValue, list, tuple)) else (found,)


def _texts(found: object) -> list[str]:
    return [part.decode("latin-1") if isinstance(part, bytes) else _plain(str(part)) for part in _parts(found)]


def _plain(characters: str) -> str:
    """Drop what UTF-8 cannot carry: a wrong character set can decode to lone surrogates."""
    return characters.encode("utf-8", "replace").decode("utf-8")


def _undeclared(characters: str) -> str:
    """Read UTF-8 where no character set is declared and the bytes, taken for Latin-1, are valid UTF-8."""
    try:
        return characters.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return characters


def _number(part: object) -> float | None:
    try:
        found = float(str(part).strip())
    except ValueError:
        return None
    return found if math.isfinite(found) else None
