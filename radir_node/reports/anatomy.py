"""Find the sites that a sentence names, with their sides, and link findings to them. Used by the parser."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from radir_node.domain.anatomy import SITES, AnatomyRef, is_at_or_below
from radir_node.domain.report import Status
from radir_node.reports.context import SentenceCues, judge
from radir_node.reports.lexicon import Finding, Lexicon

SIDE_BEFORE = 45
SIDE_AFTER = 40
BOTH_AFTER = 18
"""Reach, in characters, of a side word before and after a mention, and of "bilateral" after it."""


_OF = re.compile(r"\bof (?:the )?\Z")
_SAME_PHRASE = re.compile(r"(?:[\s-]+(?!and\b|or\b|with\b|than\b)[\w-]+)*[\s-]+")


@dataclass(frozen=True, slots=True)
class Clause:
    """The part of a sentence within which findings and sites belong together."""

    start: int
    end: int
    sides: tuple[tuple[int, int, str], ...]
    """(start, end, left | right | bilateral) of each side word."""


@dataclass(frozen=True, slots=True)
class SiteMention:
    """A site named at text[start:end]."""

    start: int
    end: int
    ref: AnatomyRef
    negated: bool = False
    """The words about the site deny ("not in the middle lobe"): what is stated to be there is not here."""


@dataclass(frozen=True, slots=True)
class FindingMention:
    """A finding named at text[start:end]."""

    start: int
    end: int
    finding: Finding
    believed: bool
    """Stated or suspected."""

    def may_lie_in(self, site: SiteMention) -> bool:
        """Tell whether the finding can be at the site, and is not kept from it by a negation."""
        return self.finding.accepts(site.ref.key) and not (self.believed and site.negated)


def split_clauses(low: str, start: int, end: int, lexicon: Lexicon) -> tuple[Clause, ...]:
    """Cut a sentence at the words that begin another statement."""
    cuts = [start, *(match.start() for match in lexicon.clause_marks.finditer(low, start, end)), end]
    return tuple(Clause(a, b, tuple(lexicon.side_phrases.find(low, a, b))) for a, b in pairwise(cuts))


def find_sites(
    cues: SentenceCues, clause: Clause, mentions: Sequence[FindingMention], lexicon: Lexicon
) -> tuple[SiteMention, ...]:
    """List the sites named in a clause, each with its side. mentions: the findings named there."""
    low = cues.low
    found = lexicon.site_phrases.find(low, clause.start, clause.end)
    starts = [*(start for start, _, _ in found), *(mention.start for mention in mentions)]
    sites = []
    for start, end, key in found:
        site, _, side = key.partition(":")
        side = side or read_side(low, clause, (start, end), starts, lexicon)
        negated = judge(cues, (start, end))[0] is Status.ABSENT
        sites.append(SiteMention(start, end, _ref(site, side), negated))
    return tuple(sites)


def read_side(low: str, clause: Clause, mention: tuple[int, int], starts: Sequence[int], lexicon: Lexicon) -> str:
    """Tell the side of a mention: the nearest side word before it, else one soon after, else both for a plural.

    starts: where sites and findings are named; a side word before one of them ("and left base") belongs to that one,
    unless it follows the mention as "of the left lung" does.
    """
    start, end = mention
    before = [side for a, b, side in clause.sides if a < end and b > start - SIDE_BEFORE]
    if before:
        return before[-1]
    for a, b, side in clause.sides:
        if side == "bilateral" and end <= a < end + BOTH_AFTER and low.startswith("bilateral", a):
            return side
        if end <= a < end + SIDE_AFTER and (_OF.search(low, end, a) or not _leads_to(low, b, starts)):
            return side
    return "bilateral" if lexicon.plural_sites.fullmatch(low, start, end) else ""


def _leads_to(low: str, end: int, starts: Sequence[int]) -> bool:
    """Tell whether a side word that ends here stands before a mention of its own, with words of one phrase between."""
    return any(end < start <= end + 24 and _SAME_PHRASE.fullmatch(low, end, start) for start in starts)


def link(
    mentions: Sequence[FindingMention], sites: Sequence[SiteMention], low: str, clause: Clause, lexicon: Lexicon
) -> list[tuple[FindingMention, AnatomyRef, str]]:
    """Pair each finding of a clause with its sites; the string names the rule that did it.

    A site goes to the nearest finding that may lie there; a finding left without one shares the nearest site of the
    clause that it may have; else it gets its own site, with the side that is read beside the finding.
    """
    starts = [*(m.start for m in mentions), *(site.start for site in sites)]
    owned: dict[int, list[SiteMention]] = {index: [] for index in range(len(mentions))}
    for site in sites:
        takers = [i for i, mention in enumerate(mentions) if mention.may_lie_in(site)]
        if takers:
            owned[min(takers, key=lambda i: _distance(mentions[i], site))].append(site)
    pairs = []
    for index, mention in enumerate(mentions):
        rule = "nearest"
        chosen = owned[index]
        if not chosen:
            rule = "shared"
            chosen = _shared(mention, sites)
        if chosen:
            pairs += [(mention, ref, rule) for ref in _most_specific([site.ref for site in chosen])]
        else:
            pairs.append((mention, _own_site(mention, low, clause, starts, lexicon), "default"))
    return pairs


def _own_site(mention: FindingMention, low: str, clause: Clause, starts: Sequence[int], lexicon: Lexicon) -> AnatomyRef:
    site, _, side = mention.finding.site.partition(":")
    side = side or read_side(low, clause, (mention.start, mention.end), starts, lexicon)
    return _ref(site, side)


def _shared(mention: FindingMention, sites: Sequence[SiteMention]) -> list[SiteMention]:
    possible = [site for site in sites if mention.may_lie_in(site)]
    return [min(possible, key=lambda site: _distance(mention, site))] if possible else []


def _distance(mention: FindingMention, site: SiteMention) -> int:
    return max(site.start - mention.end, mention.start - site.end, 0)


def _most_specific(refs: Sequence[AnatomyRef]) -> list[AnatomyRef]:
    """Drop a whole that stands beside its part ("left lung base": not the lung too), and doubles."""
    unique = list(dict.fromkeys(refs))
    return [
        ref for ref in unique if not any(o != ref and is_at_or_below(AnatomyRef(o.site).key, ref.site) for o in unique)
    ]


def _ref(site: str, side: str) -> AnatomyRef:
    """Take a side only where the site has sides."""
    return AnatomyRef(site, side if SITES[site].side == "sided" else "")
