"""Anatomy keys: free text to "lower_lobe:right", to its parents, to the index partition that answers for it, to codes.

Used by every room: the parser tags with these keys, encoders name their conditioned vectors by them, the index its
partitions, the SR its codes. The vocabulary itself is radir_node.domain.anatomy_table.
"""

import difflib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from radir_node.domain.anatomy_table import ABBREVIATIONS, EQUIVALENTS, SITES, Anatomy
from radir_node.domain.embedding import GLOBAL
from radir_node.errors import UnknownAnatomy

__all__ = [
    "SIDES",
    "SITES",
    "Anatomy",
    "AnatomyRef",
    "ancestors",
    "code",
    "is_at_or_below",
    "label",
    "laterality_code",
    "nearest",
    "resolve",
]

SIDES = ("left", "right", "bilateral")
PRIVATE_SCHEME = "99RADIR"
"""Coding scheme designator (PS3.3 8.2) of the concepts that DICOM does not code."""

_LATERALITY_CODES = {
    "left": ("7771000", "SCT", "Left"),
    "right": ("24028007", "SCT", "Right"),
    "bilateral": ("51440002", "SCT", "Bilateral"),
}
_SIDE_WORDS = {
    "left": "left", "l": "left", "lt": "left", "right": "right", "r": "right", "rt": "right",
    "bilateral": "bilateral", "both": "bilateral",
}  # fmt: skip
_EMPTY_WORDS = frozenset({"the", "of", "in", "and", "side", "sided", "a", "an"})


@dataclass(frozen=True, slots=True)
class AnatomyRef:
    """A site of the vocabulary and a side of it. A site that exists on one side only always carries that side.

    Raises UnknownAnatomy for a site outside the vocabulary, or a side that the site cannot have.
    """

    site: str
    side: str = ""

    def __post_init__(self) -> None:
        entry = SITES.get(self.site)
        if entry is None:
            raise UnknownAnatomy(_unknown(self.site))
        if entry.side in ("left", "right") and self.side == "":
            object.__setattr__(self, "side", entry.side)
        if not _may_have(entry, self.side):
            raise UnknownAnatomy(f"anatomy {self.site!r} has no side {self.side!r}")

    @property
    def key(self) -> str:
        """The canonical spelling: "site" or "site:side"."""
        return f"{self.site}:{self.side}" if self.side else self.site

    @property
    def label(self) -> str:
        """What people read: "right lower lobe"."""
        entry = SITES[self.site]
        name = entry.names[0]
        if not self.side or entry.side != "sided":
            return name
        return f"{name}, both sides" if self.side == "bilateral" else f"{self.side} {name}"

    @classmethod
    def from_key(cls, key: str) -> "AnatomyRef":
        """Read a key. Raises UnknownAnatomy."""
        site, _, side = key.partition(":")
        return cls(site, side)


def resolve(text: str) -> AnatomyRef:
    """Find the site and side that free text, an abbreviation or a key names ("RLL", "left CP angle", "Lungs").

    Raises UnknownAnatomy, with up to three close names in the message.
    """
    if text in _EVERY_KEY:
        return AnatomyRef.from_key(text)
    words = [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]
    if len(words) == 1 and words[0] in ABBREVIATIONS:
        return AnatomyRef(*ABBREVIATIONS[words[0]])
    sides = {_SIDE_WORDS[word] for word in words if word in _SIDE_WORDS}
    site = _BY_NAME.get(_normal([word for word in words if word not in _SIDE_WORDS]))
    if site is None:
        raise UnknownAnatomy(_unknown(text))
    entry = SITES[site]
    side = "" if not sides else "bilateral" if len(sides) > 1 else sides.pop()
    if entry.side == "midline":
        return AnatomyRef(site)
    if not _may_have(entry, side or (entry.side if entry.side != "sided" else "")):
        raise UnknownAnatomy(
            f"{text.strip()!r} does not exist: the {entry.id.replace('_', ' ')} is on the {entry.side}"
        )
    return AnatomyRef(site, side)


def ancestors(key: str) -> tuple[str, ...]:
    """List what contains an anatomy, nearest first, each parent with the side (where it has one) before without it.

    "lower_lobe:right" -> ("lower_lobe", "lung:right", "lung", "thorax"). Raises UnknownAnatomy.
    """
    ref = AnatomyRef.from_key(key)
    return tuple(step.key for step in _upwards(ref) if step.key != ref.key)


def nearest(key: str, available: Collection[str]) -> str | None:
    """Pick the partition that answers for an anatomy: itself, else an equivalent region, else the nearest ancestor.

    available: anatomy keys, as the encoder spells them (the side of a one-sided site may be left out).
    None when even the root is not there. Raises UnknownAnatomy.
    """
    spelled = {AnatomyRef.from_key(name).key: name for name in available if name != GLOBAL}
    for step in _upwards(AnatomyRef.from_key(key)):
        for candidate in (step.key, *_equivalents(step)):
            if candidate in spelled:
                return spelled[candidate]
    return None


def is_at_or_below(key: str, anatomy: str) -> bool:
    """Tell whether key names the anatomy itself or a part of it. Bilateral holds both sides. Raises UnknownAnatomy."""
    if anatomy == GLOBAL:
        return True
    ref, wanted = AnatomyRef.from_key(key), AnatomyRef.from_key(anatomy).key
    if any(step.key == wanted for step in _upwards(ref)):
        return True
    return ref.side == "bilateral" and any(
        step.key == wanted for side in ("left", "right") for step in _upwards(AnatomyRef(ref.site, side))
    )


def label(key: str) -> str:
    """Name a key for people; the global partition is "overall". Raises UnknownAnatomy."""
    return "overall" if key == GLOBAL else AnatomyRef.from_key(key).label


def code(key: str) -> tuple[str, str, str]:
    """Give (code value, coding scheme designator, code meaning) of a key's site. Raises UnknownAnatomy.

    Where DICOM codes site and side as one concept ("Right atrium"), that concept.
    """
    ref = AnatomyRef.from_key(key)
    entry = SITES[ref.site]
    if ref.side in entry.sided_codes:
        value, meaning = entry.sided_codes[ref.side]
        return value, "SCT", meaning
    if entry.sct_code is None:
        return entry.id, PRIVATE_SCHEME, entry.meaning
    return entry.sct_code, "SCT", entry.meaning


def laterality_code(side: str) -> tuple[str, str, str] | None:
    """Give the code of left, right or bilateral (PS3.16 CID 244); None for no side."""
    return _LATERALITY_CODES.get(side)


def _may_have(entry: Anatomy, side: str) -> bool:
    if entry.side == "sided":
        return side in ("", *SIDES)
    return side == ("" if entry.side == "midline" else entry.side)


def _upwards(ref: AnatomyRef) -> Iterator[AnatomyRef]:
    """The anatomy itself, then what contains it: at each level with the side, then without."""
    site: str | None = ref.site
    while site is not None:
        entry = SITES[site]
        if ref.side and _may_have(entry, ref.side):
            yield AnatomyRef(site, ref.side)
        if entry.side in ("sided", "midline"):
            yield AnatomyRef(site)
        site = entry.parent


def _equivalents(ref: AnatomyRef) -> Iterator[str]:
    """Keys of nearly the same region, on the same side where the other site has sides."""
    yield from EQUIVALENTS.get(ref.key, ())
    for site in EQUIVALENTS.get(ref.site, ()) if ":" not in ref.key or SITES[ref.site].side == "sided" else ():
        if ref.side and _may_have(SITES[site], ref.side):
            yield AnatomyRef(site, ref.side).key
        elif not ref.side or SITES[site].side == "midline":
            yield AnatomyRef(site).key


def _normal(words: list[str]) -> str:
    """Words without the empty ones, each in the singular as far as a final s tells."""
    kept = (word for word in words if word not in _EMPTY_WORDS)
    return " ".join(_singular(word) for word in kept)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] not in "sui" else word


def _names_index() -> dict[str, str]:
    index: dict[str, str] = {}
    for entry in SITES.values():
        for name in (entry.id.replace("_", " "), *entry.names):
            words = [word for word in re.split(r"[^a-z0-9]+", name) if word not in _SIDE_WORDS]
            index.setdefault(_normal(words), entry.id)
    return index


def _keys() -> frozenset[str]:
    sided = (f"{site}:{side}" for site, entry in SITES.items() for side in SIDES if _may_have(entry, side))
    return frozenset((*SITES, *sided))


def _unknown(text: str) -> str:
    shown = " ".join(text.split())[:60]
    close = difflib.get_close_matches(shown.lower(), sorted(_SUGGESTIONS), n=3, cutoff=0.5)
    hint = f"; did you mean {', '.join(close)}?" if close else "; try lung, pleura, heart or right lower lobe"
    return f"unknown anatomy {shown!r}{hint}"


_BY_NAME = _names_index()
_EVERY_KEY = _keys()
_SUGGESTIONS = frozenset(
    f"{side} {entry.names[0]}".strip()
    for entry in SITES.values()
    for side in (("", "left", "right") if entry.side == "sided" else ("",))
)
