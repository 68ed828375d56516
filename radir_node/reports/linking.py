"""Tell where each finding of a sentence lies: clauses, the sites named in them, who gets which. Used by the parser."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import NamedTuple

from radir_node.domain.anatomy import SITES
from radir_node.domain.report import Status
from radir_node.reports.anatomy import SideReader, SiteMention, name_sites, place, with_side
from radir_node.reports.automaton import Hit
from radir_node.reports.context import Cues, judge
from radir_node.reports.lexicon import CLAUSE, SIDE, SITE, Finding, Lexicon, lies_in

DENIAL = "denied"
"""Rule of a phrase that by itself denies its finding."""
_VAGUE = frozenset(("lung_segment",))
"""Sites that say less than any other part of the same organ."""
_JOINING = frozenset(("and", "with", "without", ","))
_JOINED = 3
_ONE_PLACE = frozenset(("of", "the", "in", "left", "right", "both"))
"""Words between a part and its whole that together name one place ("apex of the left lung")."""


class FindingMention(NamedTuple):
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
    def span(self) -> tuple[int, int]:
        """First word and the word after the last."""
        return self.start, self.end

    @property
    def believed(self) -> bool:
        """Stated or suspected."""
        return self.status is Status.PRESENT or self.status is Status.UNCERTAIN

    def may_lie_in(self, site: SiteMention) -> bool:
        """Tell whether the finding can be at the site, and is not kept from it by a negation."""
        if site.negated and self.believed:
            return False
        return site.key in self.finding.places or (self.holds(site) and site.key in self.finding.parts)

    def holds(self, site: SiteMention) -> bool:
        """Tell whether the site is named within the words of the finding."""
        return self.start <= site.start < self.end

    def distance(self, site: SiteMention, marks: Sequence[int]) -> int:
        """Measure the way between finding and site along the marks of their clause."""
        return max(marks[max(self.start, site.start)] - marks[min(self.end, site.end)], 0)


class Clause(NamedTuple):
    """The part of a sentence within which findings and sites belong together."""

    start: int
    end: int
    mentions: Sequence[FindingMention]
    sites: Sequence[SiteMention]
    reader: SideReader
    marks: Sequence[int]
    """How far each word is from the first; a conjunction counts more, for what it joins may be another thing."""


def split_clauses(
    words: Sequence[str], hits: Sequence[list[Hit]], mentions: Sequence[FindingMention], cues: Cues, lexicon: Lexicon
) -> list[Clause]:
    """Cut a sentence at the words that begin another statement, and place the sites in each part that has findings."""
    cuts = sorted({0, len(words), *(start for start, _, _ in hits[CLAUSE])}) if hits[CLAUSE] else [0, len(words)]
    named = name_sites(words, hits, lexicon) if hits[SITE] else []
    marks = [0, *accumulate(_JOINED if word in _JOINING else 1 for word in words)] if named else []
    clauses = []
    for start, end in pairwise(cuts):
        inside = [mention for mention in mentions if start <= mention.start < end]
        if inside:
            here = [site for site in named if start <= site[0] < end]
            starts = [*(site[0] for site in here), *(mention.start for mention in inside)]
            reader = SideReader(words, [side for side in hits[SIDE] if start <= side[0] < end], starts)
            heeds = bool(cues.before or cues.after) and any(mention.believed for mention in inside)
            sites = [SiteMention(s[0], s[1], place(s, reader), heeds and _is_denied(s, cues, lexicon)) for s in here]
            places = _places(sites, words) if len(sites) > 1 else sites
            clauses.append(Clause(start, end, inside, places, reader, marks))
    return clauses


def link(clause: Clause) -> list[tuple[FindingMention, str, str]]:
    """Pair each finding of a clause with its sites; the last string names the rule that did it.

    A site goes to the nearest finding that may lie there; a finding left without one shares the nearest site of the
    clause that it may have; else it gets its own site, with the side that is read beside the finding. A site within the
    words of a finding ("pleural effusion") is for no other.
    """
    if not clause.sites:
        return [(mention, key, "default") for mention in clause.mentions for key in _own_site(mention, clause, ())]
    pairs = []
    shares = _share_out(clause)
    for mention, owned in zip(clause.mentions, shares, strict=True):
        outside = [site for site in owned if not mention.holds(site)]
        says_all = outside or (owned and mention.why == DENIAL)  # "the lungs are clear" is said of the lungs alone
        sites = owned if says_all else [*owned, *_nearest(mention, clause, shares)]
        rule = "nearest" if owned else "shared" if sites else "default"
        keys = _most_specific(_sided(mention, sites, clause)) if sites else []
        if not sites or mention.finding.keeps_site:
            keys += _own_site(mention, clause, keys)
        pairs += [(mention, key, rule) for key in dict.fromkeys(keys)]
    return pairs


def _is_denied(site: Hit, cues: Cues, lexicon: Lexicon) -> bool:
    return judge(cues, site[:2], lexicon)[0] is Status.ABSENT


def _share_out(clause: Clause) -> list[list[SiteMention]]:
    """Give each site to the nearest finding that may have it."""
    owned: list[list[SiteMention]] = [[] for _ in clause.mentions]
    for site in clause.sites:
        around = [index for index, mention in enumerate(clause.mentions) if mention.holds(site)]
        takers = [index for index in around or range(len(owned)) if clause.mentions[index].may_lie_in(site)]
        if len(takers) > 1:
            takers.sort(key=lambda index: clause.mentions[index].distance(site, clause.marks))
        if takers:
            owned[takers[0]].append(site)
    return owned


def _nearest(mention: FindingMention, clause: Clause, shares: Sequence[Sequence[SiteMention]]) -> list[SiteMention]:
    """Give the nearest site outside the finding's words, but not one of a finding that is there if this is not."""
    others: set[SiteMention] = set()
    if any(other.believed != mention.believed for other in clause.mentions):
        pairs = zip(clause.mentions, shares, strict=True)
        others = {site for other, owned in pairs for site in owned if other.believed != mention.believed}
    possible = [s for s in clause.sites if s not in others and mention.may_lie_in(s) and not mention.holds(s)]
    return [min(possible, key=lambda site: mention.distance(site, clause.marks))] if possible else []


def _places(sites: Sequence[SiteMention], words: Sequence[str]) -> list[SiteMention]:
    """Leave a whole out that is named with its part as one place."""
    return [site for site in sites if not any(_is_one_place(site, part, words) for part in sites)]


def _is_one_place(whole: SiteMention, part: SiteMention, words: Sequence[str]) -> bool:
    if whole is part or not _is_whole_of(whole.key, part.key):
        return False
    return _ONE_PLACE.issuperset(words[min(whole.end, part.end) : max(whole.start, part.start)])


def _own_site(mention: FindingMention, clause: Clause, named: Sequence[str]) -> list[str]:
    """Give the site that goes without saying, if there is one, with the side of the sites that were named."""
    site, _, side = mention.finding.site.partition(":")
    if not site or any(key.partition(":")[0] == site for key in named):
        return []
    if not side and SITES[site].side == "sided":
        side = _common_side(named) or clause.reader.read(mention.start, mention.end, own=True)
        side = side or _lent_side(mention, clause) or ("bilateral" if mention.plural else "")
    return [with_side(site, side)]


def _sided(mention: FindingMention, sites: Sequence[SiteMention], clause: Clause) -> list[str]:
    """Give a site within the finding's words the side of those beside it ("pleural thickening at the left apex")."""
    keys = [site.key for site in sites]
    if all(":" in key for key in keys):
        return keys
    side = _common_side(keys) or _lent_side(mention, clause)
    return [with_side(s.key, side) if side and ":" not in s.key and mention.holds(s) else s.key for s in sites]


def _common_side(keys: Sequence[str]) -> str:
    sides = {side for side in (key.partition(":")[2] for key in keys) if side}
    return sides.pop() if len(sides) == 1 else ""


def _lent_side(mention: FindingMention, clause: Clause) -> str:
    """Give the side of a neighbour that tells the finding's own ("effusion in the left hemithorax")."""
    if not mention.finding.side_from:
        return ""
    lenders = [
        site
        for site in clause.sites
        if ":" in site.key
        and not site.negated
        and any(lies_in(site.key, region) for region in mention.finding.side_from)
    ]
    if not lenders:
        return ""
    return min(lenders, key=lambda site: mention.distance(site, clause.marks)).key.partition(":")[2]


def _most_specific(keys: Sequence[str]) -> list[str]:
    """Drop a whole that stands beside its part ("left lung base": not the lung too), and doubles."""
    unique = list(dict.fromkeys(keys))
    if len(unique) == 1:
        return unique
    return [key for key in unique if not any(other != key and _is_whole_of(key, other) for other in unique)]


@lru_cache(maxsize=4096)
def _is_whole_of(key: str, other: str) -> bool:
    """Tell whether a key names the whole of what the other names; a whole with a side not one of the other side."""
    if key.partition(":")[0] in _VAGUE:
        return other.partition(":")[0] not in (*_VAGUE, "lung") and lies_in(other, "lung")
    return lies_in(other, key) or (":" in key and ":" not in other and lies_in(other, key.partition(":")[0]))
