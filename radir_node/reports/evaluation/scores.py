"""Counts, measures and errors of an evaluation. Used by the three evaluations and by the verb that prints them."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from radir_node.domain.report import Status, Tag

Element = tuple[str, ...]
"""What gold and answer are sets of: (label,) or (label, side)."""


@dataclass(frozen=True, slots=True)
class Score:
    """Counts over items and labels, and the measures of them, each in [0, 1]."""

    true_positive: int
    false_positive: int
    false_negative: int

    @property
    def precision(self) -> float:
        return self.true_positive / max(1, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float:
        return self.true_positive / max(1, self.true_positive + self.false_negative)

    @property
    def f1(self) -> float:
        return 2 * self.true_positive / max(1, 2 * self.true_positive + self.false_positive + self.false_negative)


@dataclass(frozen=True, slots=True)
class Miss:
    """One disagreement with the gold."""

    item: str
    element: Element
    kind: str
    """false positive | false negative."""
    evidence: str
    """Sentences that were read so; where nothing was found, the whole text."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One evaluation: scores per label, and every disagreement."""

    n: int
    """Items (reports or sentences) evaluated."""
    labels: Mapping[str, Score]
    misses: tuple[Miss, ...]

    @property
    def micro(self) -> Score:
        """All labels counted together."""
        scores = self.labels.values()
        return Score(
            sum(score.true_positive for score in scores),
            sum(score.false_positive for score in scores),
            sum(score.false_negative for score in scores),
        )

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the labels that occur in the gold or in the answer."""
        found = [s.f1 for s in self.labels.values() if s.true_positive + s.false_positive + s.false_negative]
        return sum(found) / max(1, len(found))

    @property
    def accuracy(self) -> float:
        """Share of the items without a disagreement."""
        return 1 - len({miss.item for miss in self.misses}) / max(1, self.n)


def is_likely(tag: Tag) -> bool:
    """Tell whether an annotator who marks only positives marks the tag.

    Stated findings, those called probable, and each of two alternatives ("atelectasis versus pneumonia"): in the
    development reports 44 of 51 such mentions are marked, against 7 of 102 that may or could be there.
    """
    return tag.status is Status.PRESENT or (
        tag.status is Status.UNCERTAIN and tag.rule.partition("/")[0].endswith(("-alternative", "-choice", "-probable"))
    )


def compare(
    labels: Iterable[str],
    texts: Mapping[str, str],
    tags: Mapping[str, tuple[Tag, ...]],
    gold: Mapping[str, set[Element]],
    read: Callable[[Tag], set[Element]],
) -> Measured:
    """Hold what is read from the tags of each report against its gold; reports without gold are left out.

    read: the elements that one tag states.
    """
    items = [item for item in tags if item in gold]
    answers = {item: {element for tag in tags[item] for element in read(tag)} for item in items}
    misses = [
        Miss(item, element, kind, _evidence(texts[item], element, tags[item], read))
        for item in items
        for kind, elements in (
            ("false positive", answers[item] - gold[item]),
            ("false negative", gold[item] - answers[item]),
        )
        for element in sorted(elements)
    ]
    return measured(labels, ((gold[item], answers[item]) for item in items), misses)


def measured(
    labels: Iterable[str], pairs: Iterable[tuple[set[Element], set[Element]]], misses: Iterable[Miss]
) -> Measured:
    """Count (gold, answer) pairs per label."""
    tally = {label: [0, 0, 0] for label in labels}
    n = 0
    for gold, answer in pairs:
        n += 1
        for element in gold | answer:
            tally[element[0]][0 if element in gold & answer else 1 if element in answer else 2] += 1
    return Measured(n, {label: Score(*counts) for label, counts in tally.items()}, tuple(misses))


def rows(file: Path, delimiter: str = ",") -> Iterator[dict[str, str]]:
    """Read a table with a header line. Raises OSError."""
    with file.open(encoding="utf-8", newline="") as handle:
        yield from csv.DictReader(handle, delimiter=delimiter)


def _evidence(text: str, element: Element, tags: Iterable[Tag], read: Callable[[Tag], set[Element]]) -> str:
    spans = dict.fromkeys((tag.sentence_start, tag.sentence_end) for tag in tags if element in read(tag))
    return " ".join(" ".join(text[a:b] for a, b in spans).split() or text.split())
