"""Reads times as HL7 v2 writes them (TS and DTM, v2.5.1 chapter 2.A.22 and 2.A.77)."""

import datetime as dt
import re

_TIME = re.compile(
    r"(\d{4})(\d\d)(\d\d)(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6})\d*)?)?)?(?:([+-])(\d\d)(\d\d))?", re.ASCII
)


def read_time(value: str, zone: dt.tzinfo | None = None) -> dt.datetime | None:
    """Return a moment to the hour or better, naive where neither it nor `zone` tells the zone; else None."""
    matched = _TIME.fullmatch(value.strip())
    if matched is None:
        return None
    fraction = (matched[7] or "").ljust(6, "0")
    clock = (int(part or 0) for part in (*matched.groups()[:6], fraction))
    try:
        moment = dt.datetime(*clock)  # type: ignore[arg-type]  # seven numbers: to the microsecond
        return moment.replace(tzinfo=_zone(matched) or zone)
    except ValueError:
        return None


def zone_of(value: str) -> dt.tzinfo | None:
    """Return the zone that a time names, None where it names none."""
    matched = _TIME.fullmatch(value.strip())
    return _zone(matched) if matched else None


def _zone(matched: re.Match[str]) -> dt.tzinfo | None:
    if matched[8] is None:
        return None
    offset = dt.timedelta(hours=int(matched[9]), minutes=int(matched[10]))
    if offset >= dt.timedelta(hours=24):
        return None
    return dt.timezone(-offset if matched[8] == "-" else offset)
