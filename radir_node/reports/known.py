"""The identifiers of a study, in all the ways that people write them. Used by scrub.

They are the strongest sign there is, so they win: a patient called Lung takes every "lung" out. Only function words
(lexicon/<language>/function_words.yaml) stay, for without its "no" a sentence says the opposite.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import cache, lru_cache
from itertools import permutations
from typing import NamedTuple

from radir_node.reports.identifiers import Identifier
from radir_node.reports.medical_words import function_words

_SHORTEST_NAME = 2
_SHORTEST_LIST_NAME = 3
"""Letters; of a part of a name behind an apostrophe."""
_SHORTEST_ID = 3
_LONG_ID = 5
"""Digits and letters; a shorter id may be a number of medicine, and is told from those by what stands around it."""
_STUDIES_REMEMBERED = 512

_PARTICLES = frozenset(
    {"de", "da", "do", "dos", "du", "des", "del", "della", "di", "la", "le", "las", "los", "van", "von", "der", "den"}
    | {"ten", "ter", "zu", "zur", "af", "av", "el", "al", "bin", "ibn", "ben", "st", "san", "y", "e"}
)
"""Small words within a name of several; "LA" is also an atrium."""
_TITLES = frozenset({"dr", "mr", "mrs", "ms", "prof", "md", "phd", "do", "rn", "jr", "sr", "ii", "iii", "iv", "rev"})
"""Around a name, and no part of it; "IV" is also a way into a vein."""
_EUROPEAN = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae", "œ": "oe", "ß": "ss"}
_PAIRS = {"ae": "äæ", "oe": "öøœ", "ue": "ü", "aa": "å", "ss": "ß"}
"""Letters as they are written where the keyboard has them not, and back."""
_APOSTROPHES = "'’‘ʼ`´"
_HYPHENS = "-‐‑–"
_IN_NAME = rf"[\s{re.escape(_HYPHENS + _APOSTROPHES)}]?"
_BETWEEN = r"[\s,.^_]*"
_IN_ID = r"[\s./_-]?"
_SCRIPTS_WITHOUT_BLANKS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_POLITE = r"(?-i:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Nurse)\.?"


class KnownIdentifiers(NamedTuple):
    """The identifiers of one study, compiled."""

    certain: re.Pattern[str] | None
    """Names, and ids that are long enough to be nothing else."""
    short: re.Pattern[str] | None
    """Ids that may also be a size or a number of an image."""

    def find(self, sentence: str) -> Iterator[Identifier]:
        """Yield what is certainly one of them."""
        if self.certain:
            yield from (Identifier(*match.span(), "known") for match in self.certain.finditer(sentence))

    def suspect(self, sentence: str) -> Iterator[Identifier]:
        """Yield what is one unless it is part of a measurement and the like."""
        if self.short:
            yield from (Identifier(*match.span(), "known") for match in self.short.finditer(sentence))


def known_identifiers(identifiers: Collection[str]) -> KnownIdentifiers:
    """Compile names (PN, PS3.5 6.2.1.1, or as written), ids and accession numbers of a study's people and documents.

    Names are found whole and in parts of two letters or more, in any case, with other accents (ü, u or ue), with and
    without hyphens, apostrophes and initials; ids of three characters or more with other punctuation and zeros before
    them.
    """
    return _compiled(tuple(dict.fromkeys(identifiers)))


@lru_cache(maxsize=_STUDIES_REMEMBERED)
def _compiled(identifiers: tuple[str, ...]) -> KnownIdentifiers:
    values = [unicodedata.normalize("NFC", value).strip() for value in identifiers]
    ids = [value for value in values if any(map(str.isdigit, value))]
    names = [value for value in values if "^" in value or value not in ids]
    long = [run for value in ids for run in _runs(value) if len(run) >= _LONG_ID]
    short = [run for value in ids for run in _runs(value) if _SHORTEST_ID <= len(run) < _LONG_ID]
    certain = [*_name_patterns(names), *(rf"(?<![^\W_])0*{_spelled(run)}(?![^\W_])" for run in dict.fromkeys(long))]
    return KnownIdentifiers(_any(certain), _any(rf"(?<![\w.])0*{re.escape(run)}(?![\w]|\.\d)" for run in short))


def _any(patterns: Iterable[str]) -> re.Pattern[str] | None:
    together = "|".join(patterns)
    return re.compile(together, re.IGNORECASE) if together else None


def _runs(value: str) -> Iterator[str]:
    """Yield an id without its punctuation and leading zeros, and the numbers in it."""
    plain = "".join(char for char in value if char.isalnum())
    yield plain.lstrip("0") or plain
    yield from (run.lstrip("0") for run in re.findall(rf"\d{{{_LONG_ID},}}", plain))


def _spelled(run: str) -> str:
    return _IN_ID.join(map(re.escape, run))


def _name_patterns(names: Iterable[str]) -> Iterator[str]:
    groups = [
        [part.split() for part in re.split(r"[\^,]", group) if part.strip()] for n in names for group in n.split("=")
    ]
    parts = dict.fromkeys(part for group in groups for component in group for part in _parts(component))
    initials = "".join(sorted({re.escape(part[0].upper()) for part in parts}))
    for group in groups:
        yield from _whole_names(group)
    # The longest first: of "Smith-Jones" and "Smith" both begin alike.
    for part in sorted(parts, key=len, reverse=True):
        yield _with_initials(part, initials)
    small = {word for group in groups for component in group for word in component if word.lower() in function_words()}
    yield from (rf"\b{_POLITE}\s+(?-i:{re.escape(word.title())})(?!\w)" for word in sorted(small))


def _whole_names(components: list[list[str]]) -> Iterator[str]:
    """Yield names of several words, and family and given name in both orders, with or without blanks between them.

    Only here may a name hold function words and particles ("Li No", "van der Berg").
    """
    yield from (_bounded(_BETWEEN.join(map(_letters, component))) for component in components if len(component) > 1)
    words = [word for component in components[:2] for word in component if word.lower() not in _TITLES]
    first, second = (components[0], components[1]) if len(components) > 1 else (words[:-1], words[-1:])
    for one, other in permutations((first, second)):
        if one and other:
            yield _bounded(_BETWEEN.join(_letters(word) for word in (*one, *other)))


def _parts(component: list[str]) -> Iterator[str]:
    """Yield each word that is a name by itself, and the parts of those with hyphens and apostrophes."""
    for word in (word.strip('.()"') for word in component):
        low = word.lower()
        if low in function_words() or low in _TITLES or (len(component) > 1 and low in _PARTICLES):
            continue
        if len(word) >= _SHORTEST_NAME or _SCRIPTS_WITHOUT_BLANKS.search(word):
            yield word
        pieces = re.split(rf"[{_HYPHENS}]", word)
        pieces += [piece for piece in re.split(rf"[{_APOSTROPHES}]", word) if len(piece) >= _SHORTEST_LIST_NAME]
        yield from (p for p in pieces if p != word and len(p) >= _SHORTEST_NAME and p.lower() not in function_words())


def _with_initials(part: str, initials: str) -> str:
    """Let a name take the initials beside it along: "J. F. Doe", "Doe, J"."""
    if _SCRIPTS_WITHOUT_BLANKS.search(part):
        return re.escape(part)
    before = rf"(?:(?<!\w)(?-i:[{initials}])(?:\.\s?|\s)){{0,2}}"
    after = rf"(?:(?:,\s?|\s)(?-i:[{initials}])(?:\.\s?(?-i:[{initials}]))*(?:\.|(?=\s?(?:[,;:)]|\Z))))?"
    return f"{before}{_bounded(_letters(part))}{after}"


def _bounded(pattern: str) -> str:
    return rf"(?<![^\W\d_]){pattern}(?![^\W\d_])"


def _letters(name: str) -> str:
    """Spell a name so that it is found with other accents, hyphens and apostrophes, "ue" for "ü" and the reverse."""
    spelled, place = "", 0
    low = "".join(char.lower() if len(char.lower()) == 1 else char for char in name)
    while place < len(low):
        pair, char = low[place : place + 2], low[place]
        if pair in _PAIRS:
            spelled += f"(?:{pair}|[{_PAIRS[pair]}])"
            place += 1
        elif char in _HYPHENS + _APOSTROPHES + " ":
            spelled += _IN_NAME
        elif char in _EUROPEAN:
            spelled += f"(?:{_EUROPEAN[char]}|[{_accented(_base(char))}])"
        else:
            spelled += f"[{_accented(_base(char))}]" if char.isalpha() else re.escape(char)
        place += 1
    return spelled


def _base(char: str) -> str:
    """Give the letter under an accent."""
    plain = {"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "æ", "œ": "œ", "ß": "ß"}
    return plain.get(char) or unicodedata.normalize("NFD", char)[0]


@cache
def _accented(letter: str) -> str:
    """List a letter and all that are the same under their accent."""
    return "".join(dict.fromkeys((letter, *_accents().get(letter, ()))))


@cache
def _accents() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)):
        char = chr(code)
        if char.islower() and (base := _base(char)) != char:
            found.setdefault(base, []).append(char)
    return found
