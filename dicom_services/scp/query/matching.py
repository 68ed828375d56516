"""Attribute matching of C-FIND keys (PS3.4 C.2.2.2): text of a key -> typed matcher -> does a value match.

Called by identifier.py and query.py. The catalogue narrows by the same matchers in SQL; the server applies all of them.
"""

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dicom_services.scp.query.date_time_keys import bounds, comparable
from radir_node.domain.person_name import folded


@dataclass(frozen=True, slots=True)
class Exact:
    """Single value matching, case-sensitive (C.2.2.2.1)."""

    value: str

    def accepts(self, value: str) -> bool:
        return value == self.value


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Wild card matching: "*" = any run of characters, "?" = any one (C.2.2.2.4)."""

    pattern: str

    def accepts(self, value: str) -> bool:
        return _compiled(self.pattern).fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class Range:
    """Range matching of dates and times; an empty end is open, both ends are inside (C.2.2.2.5)."""

    low: str
    high: str

    def accepts(self, value: str) -> bool:
        return bool(value) and (not self.low or value >= self.low) and (not self.high or value <= self.high)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """List of UID matching, and the same for other single values parted by backslashes (C.2.2.2.2, C.2.2.2.8)."""

    values: tuple[str, ...]

    def accepts(self, value: str) -> bool:
        return value in self.values


@dataclass(frozen=True, slots=True)
class Name:
    """Matching of person names without case and accents, by component group (C.2.2.2.1.2).

    A key without "=" is looked for in every component group; a key in ASCII in the first one, where names are in
    Latin letters (PS3.5 6.2.1.2). With "=" every group that the key holds must match its counterpart.
    """

    pattern: str
    """Folded by radir_node.domain.person_name; "*" and "?" are wild cards."""

    def accepts(self, value: str) -> bool:
        # Folding may make two characters of one, so "?" is also held against the name as it is written.
        return self._is_in(folded(value)) or (not value.isascii() and self._is_in(value.lower()))

    @property
    def patterns(self) -> tuple[str, ...]:
        """Wild card patterns, "*" alone, over folded names: every name that matches satisfies at least one of them."""
        groups = [group.replace("?", "*").rstrip("^*") + "*" for group in self.pattern.split("=")]
        if len(groups) > 1:
            return (groups[0] if groups[0] != "*" else next((f"*={group}" for group in groups if group != "*"), "*"),)
        return (groups[0],) if self.pattern.isascii() else (groups[0], f"*={groups[0]}")

    def _is_in(self, name: str) -> bool:
        groups, wanted = name.split("="), self.pattern.split("=")
        if len(wanted) > 1:
            groups += [""] * (len(wanted) - len(groups))
            return all(_is_group(want, group) for want, group in zip(wanted, groups, strict=False) if want)
        return any(_is_group(self.pattern, group) for group in (groups[:1] if self.pattern.isascii() else groups))


@dataclass(frozen=True, slots=True)
class Empty:
    """Empty value matching: the attribute has no value (C.2.2.2.7)."""

    def accepts(self, value: str) -> bool:
        return not value


@dataclass(frozen=True, slots=True)
class Either:
    """Several values of which one must match, where they are not all single values (C.2.2.2.8)."""

    keys: tuple["Exact | Wildcard | Range | Name | Empty", ...]

    def accepts(self, value: str) -> bool:
        return any(key.accepts(value) for key in self.keys)


Matcher = Exact | Wildcard | Range | AnyOf | Name | Empty | Either

EMPTY_VALUE = '""'
"""The key of empty value matching: two quotation marks."""

_WITH_WILDCARDS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_NAME_COMPONENTS = 5


def matcher(vr: str, values: Sequence[str], empty_value: bool = False) -> Matcher | None:
    """Translate one key of a C-FIND identifier. Return None for universal matching (empty, or only "*").

    empty_value: empty value matching was negotiated (PS3.4 C.5.1.1).
    """
    texts = [text for text in (value.strip(" \0") for value in values) if text]
    keys = [_single(vr, text, empty_value) for text in texts]
    named = tuple(key for key in keys if key is not None)
    if not named or len(named) < len(keys):
        return None
    if len(named) == 1:
        return named[0]
    exact = tuple(key.value for key in named if isinstance(key, Exact))
    return AnyOf(exact) if len(exact) == len(named) else Either(named)


def predicate(vr: str, key: Matcher) -> Callable[[object], bool]:
    """Return the test of a catalogue value; of several values one is enough (PS3.4 C.2.2.3)."""
    accepts, prepared = frozenset(key.values).__contains__ if isinstance(key, AnyOf) else key.accepts, comparable(vr)

    def holds(value: object) -> bool:
        if isinstance(value, list | tuple):
            return any(map(holds, value)) if value else accepts("")
        text = value if isinstance(value, str) else text_of(value)
        return accepts(prepared(text) if prepared else text)

    return holds


def text_of(value: object) -> str:
    """Return one catalogue value as its element spells it; None is the empty value."""
    if isinstance(value, str):
        return value
    if isinstance(value, dt.date):
        return _date_text(value)
    return "" if value is None else str(value)


def _single(vr: str, text: str, empty_value: bool) -> Exact | Wildcard | Range | Name | Empty | None:
    if empty_value and text == EMPTY_VALUE:
        return Empty()
    if text.strip("*") == "":
        return None
    if vr in ("DA", "TM", "DT"):
        low, high = bounds(vr, text)
        if not low and not high:
            return None
        return Exact(low) if vr == "DA" and low == high else Range(low, high)
    if vr == "PN":
        pattern = folded(text)
        return Name(pattern) if pattern.strip("*=^") else None
    if vr == "IS":
        return Exact(_integer(text))
    return Wildcard(text) if vr in _WITH_WILDCARDS and ("*" in text or "?" in text) else Exact(text)


def _integer(text: str) -> str:
    """Return the number as the catalogue spells it: +7 and 007 are 7 (PS3.4 C.2.2.2.1.4 leaves that to the SCP)."""
    try:
        return str(int(text))
    except ValueError:
        return text


@lru_cache(maxsize=4096)
def _date_text(value: dt.date) -> str:
    return f"{value.year:04}{value.month:02}{value.day:02}"


def _is_group(pattern: str, group: str) -> bool:
    """Match one component group; components that a pattern asks for and the name leaves out are empty."""
    if pattern == group:
        return True
    expression = _compiled(pattern, one="[^^]")
    padded = group + "^" * (_NAME_COMPONENTS - 1 - group.count("^"))
    return expression.fullmatch(group) is not None or expression.fullmatch(padded) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str, one: str = ".") -> re.Pattern[str]:
    """Translate a wild card pattern; the first place of each middle part will do, so a failed match never goes back."""
    parts = ["".join(one if c == "?" else re.escape(c) for c in part) for part in pattern.split("*")]
    middle = "".join(f"(?>.*?{part})" for part in parts[1:-1])
    expression = parts[0] + (f"{middle}.*{parts[-1]}" if len(parts) > 1 else "")
    return re.compile(expression, re.DOTALL)
