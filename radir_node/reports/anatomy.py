"""Find the sites that a sentence names, with their sides, and link findings to them. Used by the parser."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from radir_node.domain.anatomy import SITES, AnatomyRef, is_at_or_below
from radir_node.reports.lexicon import Finding, Lexicon

SIDE_BEFORE = 45
SIDE_AFTER = 40
BOTH_AFTER = 18
"""Reach, in characters, of a side word before and after a mention, and of "bilateral" after it."""


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


@dataclass(frozen=True, slots=True)
class FindingMention:
    """A finding named at text[start:end]."""

    start: int
    end: int
    finding: Finding


def split_clauses(low: str, start: int, end: int, lexicon: Lexicon) -> tuple[Clause, ...]:
    """Cut a sentence at the words that begin another statement."""
    cuts = [start, *(match.start() for match in lexicon.clause_marks.finditer(low, start, end)), end]
    return tuple(Clause(a, b, tuple(lexicon.side_phrases.find(low, a, b))) for a, b in pairwise(cuts))


def find_sites(low: str, clause: Clause, lexicon: Lexicon) -> tuple[SiteMention, ...]:
    """List the sites named in a clause, each with its side."""
    found = lexicon.site_phrases.find(low, clause.start, clause.end)
    mentions = []
    for index, (start, end, key) in enumerate(found):
        site, _, side = key.partition(":")
        following = found[index + 1][0] if index + 1 < len(found) else clause.end
        side = side or read_side(low, clause, (start, end), following, lexicon)
        mentions.append(SiteMention(start, end, _ref(site, side)))
    return tuple(mentions)


def read_side(low: str, clause: Clause, mention: tuple[int, int], following: int, lexicon: Lexicon) -> str:
    """Tell the side of a mention: both by a word for it, else the nearest side word before, else one soon after.

    following: start of the next mention; a side word right before that one belongs to it.
    """
    start, end = mention
    before = [(word, side) for a, word, side in clause.sides if a < end and word > start - SIDE_BEFORE]
    after = [(word, side) for word, _, side in clause.sides if end <= word < end + SIDE_AFTER]
    if any(side == "bilateral" for _, side in before) or any(
        side == "bilateral" and word < end + BOTH_AFTER for word, side in after
    ):
        return "bilateral"
    if before:
        return before[-1][1]
    if after and after[0][0] < following:
        return after[0][1]
    return "bilateral" if lexicon.plural_sites.fullmatch(low, start, end) else ""


def link(
    mentions: Sequence[FindingMention], sites: Sequence[SiteMention], low: str, clause: Clause, lexicon: Lexicon
) -> list[tuple[FindingMention, AnatomyRef, str]]:
    """Pair each finding of a clause with its sites; the string names the rule that did it.

    A site goes to the nearest finding that may lie there; a finding left without one shares the nearest site of the
    clause that it may have; else it gets its own site, with the side that is read beside the finding.
    """
    owned: dict[int, list[SiteMention]] = {index: [] for index in range(len(mentions))}
    for site in sites:
        takers = [i for i, mention in enumerate(mentions) if mention.finding.accepts(site.ref.key)]
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
            pairs.append((mention, _own_site(mention, low, clause, lexicon), "default"))
    return pairs


def _own_site(mention: FindingMention, low: str, clause: Clause, lexicon: Lexicon) -> AnatomyRef:
    site, _, side = mention.finding.site.partition(":")
    side = side or read_side(low, clause, (mention.start, mention.end), clause.end, lexicon)
    return _ref(site, side)


def _shared(mention: FindingMention, sites: Sequence[SiteMention]) -> list[SiteMention]:
    possible = [site for site in sites if mention.finding.accepts(site.ref.key)]
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
