"""Find the sites that a sentence names, with their sides, and link findings to them. Used by the parser."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from radir_node.domain.anatomy import SITES, AnatomyRef, ancestors
from radir_node.domain.report import Status, Tag
from radir_node.reports.automaton import Hit
from radir_node.reports.context import Cues, Span, judge
from radir_node.reports.lexicon import CLAUSE, PART, PLURAL, SIDE, SITE, Finding, Lexicon, lies_in

_SIDE_BEFORE = 7
_SIDE_AFTER = 6
_BOTH_AFTER = 3
"""Reach, in words, of a side word before and after a mention, and of "bilateral" after it."""
_LEADS_WITHIN = 3
_PART_REACH = 8
_PARTING = frozenset(("and", "or", "with", "than", "of", "in", "at", *",;:.()"))
"""Words that do not stand within one name."""


@dataclass(frozen=True, slots=True)
class SiteMention:
    """A site named by words[start:end]."""

    start: int
    end: int
    key: str
    negated: bool = False
    """The words about the site deny ("not in the middle lobe"): what is stated to be there is not here."""


@dataclass(frozen=True, slots=True)
class FindingMention:
    """A finding named by words[start:end], judged."""

    start: int
    end: int
    finding: Finding
    status: Status
    why: str
    """Rule that decided the status."""
    plural: bool = False
    """Several of them, on both sides unless one is named."""

    @property
    def believed(self) -> bool:
        """Stated or suspected."""
        return self.status is Status.PRESENT or self.status is Status.UNCERTAIN

    def may_lie_in(self, site: SiteMention) -> bool:
        """Tell whether the finding can be at the site, and is not kept from it by a negation."""
        return self.finding.accepts(site.key) and not (site.negated and self.believed)

    def names(self, site: SiteMention) -> bool:
        """Tell whether the site is named within the words of the finding, and is its own ("flattened diaphragms")."""
        return self.start <= site.start < self.end and lies_in(site.key, self.finding.site or "thorax")


@dataclass(slots=True)
class Clause:
    """The part of a sentence within which findings and sites belong together."""

    words: Sequence[str]
    start: int
    end: int
    sides: list[Hit]
    mentions: list[FindingMention]
    sites: list[SiteMention]

    @property
    def starts(self) -> list[int]:
        """Where sites and findings are named."""
        return [*(site.start for site in self.sites), *(mention.start for mention in self.mentions)]


def roll_up(tags: Iterable[Tag]) -> Mapping[str, tuple[Tag, ...]]:
    """Group tags by every anatomy that they speak of: their own and all that contain it, with and without side."""
    found: dict[str, list[Tag]] = {}
    for tag in tags:
        for key in (tag.anatomy, *_wholes(tag.anatomy)):
            found.setdefault(key, []).append(tag)
    return {key: tuple(those) for key, those in found.items()}


def split_clauses(
    words: Sequence[str], hits: Sequence[list[Hit]], mentions: Sequence[FindingMention], cues: Cues, lexicon: Lexicon
) -> list[Clause]:
    """Cut a sentence at the words that begin another statement, and place the sites in each part."""
    cuts = sorted({0, len(words), *(start for start, _, _ in hits[CLAUSE])})
    named = _name_sites(words, hits, lexicon) if hits[SITE] else []
    clauses = []
    for start, end in pairwise(cuts):
        inside = [mention for mention in mentions if start <= mention.start < end]
        if inside:
            clause = Clause(words, start, end, [s for s in hits[SIDE] if start <= s[0] < end], inside, [])
            here = [site for site in named if start <= site[0] < end]
            starts = [*(site[0] for site in here), *(mention.start for mention in inside)]
            clause.sites = [_place(site, clause, starts, cues, lexicon) for site in here]
            clauses.append(clause)
    return clauses


def _name_sites(words: Sequence[str], hits: Sequence[list[Hit]], lexicon: Lexicon) -> list[Hit]:
    """List the sites of a sentence, "upper" of "upper and lower lobes" among them."""
    shared: dict[int, Hit] = {}
    for start, end, part in hits[PART]:
        for begin, _, key in hits[SITE]:
            if end <= begin <= end + _PART_REACH and lexicon.connectors.issuperset(words[end:begin]):
                site = lexicon.sharing(part, _site_of(key))
                if site:
                    shared[start] = (start, end, AnatomyRef(site).key)
                    break
    whole = [site for site in hits[SITE] if site[2] and (site[0] not in shared or site[1] > shared[site[0]][1])]
    return sorted([*shared.values(), *whole]) if shared else whole


def _place(site: Hit, clause: Clause, starts: Sequence[int], cues: Cues, lexicon: Lexicon) -> SiteMention:
    start, end, key = site
    name, _, side = key.removesuffix(PLURAL).partition(":")
    side = side or read_side(clause, (start, end), starts) or ("bilateral" if key.endswith(PLURAL) else "")
    negated = bool(cues.before or cues.after) and judge(cues, (start, end), lexicon)[0] is Status.ABSENT
    return SiteMention(start, end, _key(name, side), negated)


def read_side(clause: Clause, mention: Span, starts: Sequence[int]) -> str:
    """Tell the side of a mention: the nearest side word before it, else one soon after; empty for none.

    starts: where sites and findings are named; a side word before one of them ("and left base") belongs to that one,
    unless it follows the mention as "of the left lung" does.
    """
    start, end = mention
    before = [side for a, b, side in clause.sides if a < end and b > start - _SIDE_BEFORE]
    if before:
        return before[-1]
    for a, b, side in clause.sides:
        if side == "bilateral" and end <= a < end + _BOTH_AFTER:
            return side
        if end <= a < end + _SIDE_AFTER and (
            a == end or _follows_of(clause.words, a) or not _leads_to(clause.words, b, starts)
        ):
            return side
    return ""


def link(clause: Clause) -> list[tuple[FindingMention, str, str]]:
    """Pair each finding of a clause with its sites; the last string names the rule that did it.

    A site goes to the nearest finding that may lie there; a finding left without one shares the nearest site of the
    clause that it may have; else it gets its own site, with the side that is read beside the finding. A site within the
    words of a finding ("pleural effusion") is for no other.
    """
    owned: list[list[SiteMention]] = [[] for _ in clause.mentions]
    for site in clause.sites:
        around = [i for i, mention in enumerate(clause.mentions) if mention.start <= site.start < mention.end]
        takers = [
            i
            for i in around or range(len(owned))
            if clause.mentions[i].may_lie_in(site) or clause.mentions[i].names(site)
        ]
        if takers:
            owned[min(takers, key=lambda i: _distance(clause.mentions[i], site))].append(site)
    pairs = []
    for mention, own in zip(clause.mentions, owned, strict=True):
        rule = "nearest" if own else "shared"
        sites = own or _shared(mention, clause.sites)
        keys = _most_specific(_sided(mention, sites))
        if not sites or mention.finding.keeps_site:
            keys += _own_site(mention, clause, keys)
        pairs += [(mention, key, rule if sites else "default") for key in dict.fromkeys(keys)]
    return pairs


def _own_site(mention: FindingMention, clause: Clause, named: Sequence[str]) -> list[str]:
    """Give the site that goes without saying, if there is one, with the side of the sites that were named."""
    if not mention.finding.site:
        return []
    site, _, side = mention.finding.site.partition(":")
    if any(key.partition(":")[0] == site for key in named):
        return []
    if not side and SITES[site].side == "sided":
        side = _common_side(named) or read_side(clause, (mention.start, mention.end), clause.starts)
    return [_key(site, side or ("bilateral" if mention.plural else ""))]


def _sided(mention: FindingMention, sites: Sequence[SiteMention]) -> list[str]:
    """Give a site within the finding's words the side of those beside it ("pleural thickening at the left apex")."""
    keys = [site.key for site in sites]
    side = _common_side(keys) if len(keys) > 1 else ""
    if not side:
        return keys
    return [_key(s.key, side) if ":" not in s.key and mention.start <= s.start < mention.end else s.key for s in sites]


def _common_side(keys: Sequence[str]) -> str:
    sides = {side for side in (key.partition(":")[2] for key in keys) if side}
    return sides.pop() if len(sides) == 1 else ""


def _shared(mention: FindingMention, sites: Sequence[SiteMention]) -> list[SiteMention]:
    possible = [site for site in sites if mention.may_lie_in(site)]
    return [min(possible, key=lambda site: _distance(mention, site))] if possible else []


def _distance(mention: FindingMention, site: SiteMention) -> int:
    return max(site.start - mention.end, mention.start - site.end, 0)


def _most_specific(keys: Sequence[str]) -> list[str]:
    """Drop a whole that stands beside its part ("left lung base": not the lung too), and doubles."""
    unique = list(dict.fromkeys(keys))
    if len(unique) == 1:
        return unique
    return [key for key in unique if not any(other != key and _is_whole_of(key, other) for other in unique)]


@lru_cache(maxsize=4096)
def _is_whole_of(key: str, other: str) -> bool:
    return lies_in(other, key) or (":" in other and lies_in(AnatomyRef(_site_of(other)).key, _site_of(key)))


def _follows_of(words: Sequence[str], place: int) -> bool:
    before = words[place - 2 : place]
    return before[-1:] == ["of"] or before == ["of", "the"]


def _leads_to(words: Sequence[str], end: int, starts: Sequence[int]) -> bool:
    """Tell whether a side word that ends here stands before a mention of its own, with words of one phrase between."""
    return any(end <= start <= end + _LEADS_WITHIN and _PARTING.isdisjoint(words[end:start]) for start in starts)


def _site_of(key: str) -> str:
    return key.removesuffix(PLURAL).partition(":")[0]


@lru_cache(maxsize=1024)
def _key(site: str, side: str) -> str:
    """Take a side only where the site has sides."""
    return AnatomyRef(site, side if SITES[site].side == "sided" else "").key


_wholes = lru_cache(maxsize=1024)(ancestors)
