"""Dates and times in matching keys: what interval a key names, as text that compares in order (PS3.4 C.2.2.2.5).

Called by matching.py. Wrong spellings that are seen in the field are read: 2024.03.05, 2024-03-05, 10:15:00, spaces.
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

_ISO_DATE = re.compile(r"(\d{4})[-./](\d\d)[-./](\d\d)(?!\d)")
_MOMENT = r"\d{4,14}(?:\.\d{1,6})?(?:[+-]\d{4})?"
_ONE_MOMENT = re.compile(r"(\d{4,14})(?:\.(\d{1,6}))?(?:([+-])(\d\d)(\d\d))?")
_MOMENTS = re.compile(f"(?P<low>{_MOMENT})?-(?P<high>{_MOMENT})?")
_EARLIEST = "00000101000000"
_LATEST = "99991231235959"


def bounds(vr: str, text: str) -> tuple[str, str]:
    """Return the first and the last value that a key of VR DA, TM or DT accepts; an empty one is open.

    A key of little precision names all that it leaves open: the hour 10 ends before 11 (PS3.4 C.2.2.2.1.3). Both ends
    compare as text with values as they are stored, so that a database can apply them to a column of text.
    """
    text = text.replace(" ", "").rstrip("*")
    if vr == "DT":
        return _moments(text)
    text = _ISO_DATE.sub(r"\1\2\3", text).replace(".", "") if vr == "DA" else text.replace(":", "")
    low, dash, high = text.partition("-")
    first, last = (_first_day, _last_day) if vr == "DA" else (_first_time, _last_time)
    return (first(low) if low else ""), (last(high if dash else low) if (high or not dash) else "")


def comparable(vr: str) -> Callable[[str], str] | None:
    """Return what makes a stored value of the VR comparable with bounds(); None when it is so already."""
    return _COMPARABLE.get(vr)


def combined(date: str, time: str) -> str:
    """Join DA and TM so that moments compare as text; a missing time is the start of the day."""
    return date + time.replace(":", "").replace(" ", "")


def _first_day(text: str) -> str:
    return text.ljust(8, "0")


def _last_day(text: str) -> str:
    return text.ljust(8, "9")


def _first_time(text: str) -> str:
    """Return the shortest spelling: 10:15 may be stored as 1015, 101500 or 101500.000000."""
    text = text.rstrip("0").rstrip(".") if "." in text else text
    whole, point, fraction = text.ljust(2, "0").partition(".")
    while not point and len(whole) > 2 and whole.endswith("00"):
        whole = whole[:-2]
    return whole + point + fraction


def _last_time(text: str) -> str:
    whole, _, fraction = text.partition(".")
    if len(whole) < 6 or not fraction:
        return f"{whole.ljust(6, '9')}.999999"
    return f"{whole}.{fraction.ljust(6, '0')}"


def _moments(text: str) -> tuple[str, str]:
    # A hyphen parts a range, unless what follows can only be an offset from UTC (PS3.5 6.2, VR DT).
    parts = None if _ONE_MOMENT.fullmatch(text) and _is_offset(text) else _MOMENTS.fullmatch(text)
    if parts is None:
        return _utc(text, _EARLIEST), _utc(text, _LATEST)
    low, high = parts["low"] or "", parts["high"] or ""
    return (_utc(low, _EARLIEST) if low else ""), (_utc(high, _LATEST) if high else "")


def _is_offset(text: str) -> bool:
    _, dash, after = text.rpartition("-")
    return not dash or (len(after) == 4 and after <= "1400")


def _utc(text: str, fill: str) -> str:
    """Return a DT value in UTC, filled to microseconds; text that is none comes back as it is."""
    parts = _ONE_MOMENT.fullmatch(text)
    if parts is None:
        return text
    digits, fraction, sign, hours, minutes = parts.groups()
    fraction = (fraction or "").ljust(6, "0" if fill == _EARLIEST or fraction else "9")
    whole = digits + fill[len(digits) :]
    if not sign:
        return f"{whole}.{fraction}"
    offset = dt.timedelta(hours=int(hours), minutes=int(minutes))
    try:
        moment = dt.datetime.strptime(whole, "%Y%m%d%H%M%S")
        moment = moment - offset if sign == "+" else moment + offset
    except (ValueError, OverflowError):
        return text
    return f"{moment:%Y%m%d%H%M%S}.{fraction}"


_COMPARABLE: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "DA": lambda value: value.replace(".", ""),
        "TM": lambda value: value.replace(":", "").strip(),
        "DT": lambda value: _utc(value, _EARLIEST),
    }
)
