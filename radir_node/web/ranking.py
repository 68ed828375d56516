"""A ranked answer as people read it: strength in words, shared findings marked, anatomies to choose from."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from radir_node.domain.embedding import GLOBAL
from radir_node.domain.match import Match, SimilarCases
from radir_node.web.ports import AnatomyChoice, MatchScale, StudyCard
from radir_node.web.tokens import StudyTokens

MOST_CHIPS = 12
"""More anatomies than this are chosen from a list; the chips keep those that the report speaks of."""


@dataclass(frozen=True, slots=True)
class Strength:
    """How a score is to be read. bars: 0 to 3, drawn beside the word."""

    word: str
    bars: int


@dataclass(frozen=True, slots=True)
class Finding:
    label: str
    shared: bool
    """The query's report has it too."""


@dataclass(frozen=True, slots=True)
class RankedCase:
    """One match, ready for a template."""

    match: Match
    token: str
    strength: Strength
    findings: tuple[Finding, ...]
    """Shared ones first."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """One answer, ready for a template."""

    similar: SimilarCases
    cases: tuple[RankedCase, ...]
    close: bool
    """The best score is a match at all."""
    tally: tuple[tuple[str, int], ...]
    """(finding, number of the ranked cases that have it), most frequent first."""


def strength(score: float, scale: MatchScale) -> Strength:
    """Put a cosine score into words."""
    if score >= scale.strong_from:
        return Strength("strong", 3)
    if score >= scale.moderate_from:
        return Strength("moderate", 2)
    if score >= scale.close_from:
        return Strength("weak", 1)
    return Strength("not close", 0)


def findings_of(labels: Iterable[str], shared: Iterable[str]) -> tuple[Finding, ...]:
    """Mark the shared labels and put them first; order is kept otherwise."""
    in_both = set(shared)
    marked = [Finding(label, label in in_both) for label in dict.fromkeys(labels)]
    return tuple(sorted(marked, key=lambda finding: not finding.shared))


def rank(similar: SimilarCases, scale: MatchScale, tokens: StudyTokens) -> Ranking:
    """Prepare an answer for the results page."""
    cases = tuple(
        RankedCase(
            match=match,
            token=tokens.seal(match.case_id),
            strength=strength(match.score, scale),
            findings=findings_of(match.findings, match.shared_findings),
        )
        for match in similar.matches
    )
    counts = Counter(label for match in similar.matches for label in dict.fromkeys(match.findings))
    return Ranking(
        similar=similar,
        cases=cases,
        close=bool(cases) and cases[0].strength.bars > 0,
        tally=tuple(counts.most_common(6)),
    )


def chips_for(card: StudyCard, chosen: str) -> tuple[AnatomyChoice, ...]:
    """Pick the anatomies shown as chips: overall first, then the report's own and the chosen one, then others."""
    others = [choice for choice in card.anatomies if choice.key != GLOBAL]
    if len(others) > MOST_CHIPS:
        wanted = [choice for choice in others if choice.in_report or choice.key == chosen]
        others = wanted[:MOST_CHIPS]
    return (AnatomyChoice(GLOBAL, "Overall"), *others)
