"""Attribute matching of C-FIND keys (PS3.4 C.2.2.2): text of a key -> typed matcher -> does a value match.

Called by query.py; the catalogue translates the same matchers into SQL where that pays.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Exact:
    """Single value matching. PN is compared without case (PS3.4 C.2.2.2.1 leaves that to the SCP)."""

    value: str
    ignore_case: bool = False

    def accepts(self, value: str) -> bool:
        return value.casefold() == self.value.casefold() if self.ignore_case else value == self.value


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Wild card matching: "*" = any run of characters, "?" = any one."""

    pattern: str
    ignore_case: bool = False

    def accepts(self, value: str) -> bool:
        return _compiled(self.pattern, self.ignore_case).fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class Range:
    """Range matching of dates and times; an empty end is open, both ends are inside."""

    low: str
    high: str

    def accepts(self, value: str) -> bool:
        return bool(value) and (not self.low or value >= self.low) and (not self.high or value <= self.high)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """List of UID matching, and the same for other single values parted by backslashes."""

    values: tuple[str, ...]

    def accepts(self, value: str) -> bool:
        return value in self.values


Matcher = Exact | Wildcard | Range | AnyOf

_NO_WILDCARDS = frozenset({"DA", "TM", "DT", "UI", "IS", "DS", "US", "SS", "UL", "SL", "FL", "FD", "AS"})
_TIME_PARTS = 6
"""Digits of HHMMSS; a shorter TM or DA key means the whole hour, minute, month or year."""


def matcher(vr: str, values: Sequence[str]) -> Matcher | None:
    """Translate one key of a C-FIND identifier. Return None for universal matching (empty, or only "*")."""
    texts = tuple(v.strip(" \0") for v in values)
    if not any(texts):
        return None
    if len(texts) > 1:
        return AnyOf(texts)
    text = texts[0]
    if vr in ("DA", "TM", "DT"):
        return _range(vr, text)
    if vr in _NO_WILDCARDS:
        return Exact(text)
    if text.strip("*") == "":
        return None
    ignore_case = vr == "PN"
    return Wildcard(text, ignore_case) if "*" in text or "?" in text else Exact(text, ignore_case)


def matches(key: Matcher, value: object) -> bool:
    """Say whether a row's value satisfies the matcher; of several values one is enough (PS3.4 C.2.2.3)."""
    if isinstance(value, (list, tuple)):
        return any(key.accepts(str(v)) for v in value)
    return key.accepts("" if value is None else str(value))


def _range(vr: str, text: str) -> Matcher | None:
    text = text.replace(":", "") if vr == "TM" else text.replace(".", "") if vr == "DA" else text
    if "-" not in text:
        return _point(vr, text)
    low, _, high = text.partition("-")
    if not low and not high:
        return None
    return Range(low, _padded(vr, high) if high else "")


def _point(vr: str, text: str) -> Matcher:
    # A time of less than microsecond precision matches the whole interval that it names (PS3.4 C.2.2.2.1).
    return Exact(text) if vr == "DA" else Range(text, _padded(vr, text))


def _padded(vr: str, text: str) -> str:
    """Fill the end of a range so that text comparison includes everything inside its last unit."""
    if vr == "DA":
        return text
    return text if "." in text else text + "9" * _TIME_PARTS + ".999999"


@lru_cache(maxsize=256)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    """Translate a wild card pattern; the first place of each middle part will do, so a failed match never goes back."""
    parts = ["".join("." if c == "?" else re.escape(c) for c in part) for part in pattern.split("*")]
    middle = "".join(f"(?>.*?{part})" for part in parts[1:-1])
    expression = parts[0] + (f"{middle}.*{parts[-1]}" if len(parts) > 1 else "")
    return re.compile(expression, re.IGNORECASE | re.DOTALL if ignore_case else re.DOTALL)
