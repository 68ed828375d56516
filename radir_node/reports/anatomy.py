"""Find the sites that a clause names, with their sides; gather tags up the anatomy tree. Used by linking and others.

A side word is read before a mention, else soon after it; a list shares its side words and head words ("right upper and
left lower lobes"); a plural without a side means both.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from radir_node.domain.anatomy import SITES, AnatomyRef, ancestors
from radir_node.domain.report import Tag
from radir_node.reports.automaton import Hit
from radir_node.reports.lexicon import PART, PLURAL, SITE, Lexicon

_SIDE_BEFORE = 7
_SIDE_AFTER = 6
_BOTH_AFTER = 3
"""Reach, in words, of a side word before and after a mention, and of "bilateral" after it."""
_LEADS_WITHIN = 3
_PART_REACH = 8
_JOINING = frozenset(("and", "or"))
_PARTING = frozenset(("and", "or", "with", "than", "of", "in", "at", *",;:.()"))
"""Words that do not stand within one name."""


class SiteMention(NamedTuple):
    """A site named by words[start:end]."""

    start: int
    end: int
    key: str
    negated: bool = False
    """The words about the site deny ("not in the middle lobe"): what is stated to be there is not here."""


class SideReader(NamedTuple):
    """Reads the side of whatever a clause names."""

    words: Sequence[str]
    sides: Sequence[Hit]
    """Side words of the clause."""
    starts: Sequence[int]
    """Where sites and findings are named. A side word before one of them ("and left base") belongs to that one, unless
    it follows the mention directly or with "of" ("base of the left lung")."""

    def read(self, start: int, end: int, *, plural: bool = False, own: bool = False) -> str:
        """Tell the side of words[start:end]: left, right, bilateral, or nothing.

        own: whether a side word is for one thing alone; else things of a list share it ("left upper and lower lobes").
        """
        if not self.sides:
            return "bilateral" if plural else ""
        before = [(b, side) for a, b, side in self.sides if a < end and b > start - _SIDE_BEFORE]
        if before and not (own and self._is_taken(before[-1][0], start)):
            return before[-1][1]
        for a, b, side in self.sides:
            if side == "bilateral" and end <= a < end + _BOTH_AFTER:
                return side
            if end <= a < end + _SIDE_AFTER and self._speaks_of(end, a, b, plural):
                return side
        return "bilateral" if plural else ""

    def _speaks_of(self, end: int, first: int, after: int, plural: bool) -> bool:
        """Tell whether a side word after a mention is said of it; a plural ("bases, more on the left") stays one."""
        if first == end or self.words[first - 1] == "of" or self.words[first - 2 : first] == ["of", "the"]:
            return True
        return not plural and not self._leads_to_another(after)

    def _is_taken(self, end: int, start: int) -> bool:
        """Tell whether something else is named between a side word and what begins at start, and joined to it."""
        named = [place for place in self.starts if end <= place < start]
        return bool(named) and not _JOINING.isdisjoint(self.words[max(named) : start])

    def _leads_to_another(self, end: int) -> bool:
        """Tell whether a side word that ends here stands before a mention, with words of one phrase between."""
        return any(
            end <= start <= end + _LEADS_WITHIN and _PARTING.isdisjoint(self.words[end:start]) for start in self.starts
        )


def name_sites(words: Sequence[str], hits: Sequence[list[Hit]], lexicon: Lexicon) -> list[Hit]:
    """List the sites of a sentence, "upper" of "upper and lower lobes" among them."""
    shared: dict[int, Hit] = {}
    for start, end, part in hits[PART]:
        for begin, _, key in hits[SITE]:
            if end <= begin <= end + _PART_REACH and lexicon.connectors.issuperset(words[end:begin]):
                site = lexicon.sharing(part, key.removesuffix(PLURAL).partition(":")[0])
                if site:
                    shared[start] = (start, end, AnatomyRef(site).key)
                    break
    whole = [site for site in hits[SITE] if site[2] and (site[0] not in shared or site[1] > shared[site[0]][1])]
    return sorted([*shared.values(), *whole]) if shared else whole


def place(site: Hit, reader: SideReader) -> str:
    """Give the anatomy key of a named site, with the side that is said of it."""
    start, end, key = site
    name, _, side = key.removesuffix(PLURAL).partition(":")
    return with_side(name, side or reader.read(start, end, plural=key.endswith(PLURAL)))


def roll_up(tags: Iterable[Tag]) -> Mapping[str, tuple[Tag, ...]]:
    """Group tags by every anatomy that they speak of: their own and all that contain it, with and without side."""
    found: dict[str, list[Tag]] = {}
    for tag in tags:
        for key in (tag.anatomy, *_wholes(tag.anatomy)):
            found.setdefault(key, []).append(tag)
    return {key: tuple(those) for key, those in found.items()}


@lru_cache(maxsize=1024)
def with_side(site: str, side: str) -> str:
    """Spell the key of a site; the side is taken only where the site has sides."""
    return AnatomyRef(site, side if SITES[site].side == "sided" else "").key


_wholes = lru_cache(maxsize=1024)(ancestors)
