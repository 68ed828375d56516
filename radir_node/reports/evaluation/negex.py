"""Measure the reading of context on the NegEx sentences: is a marked phrase negated? Called by reports.evaluate.

The phrases are of all medicine, so the lexicon of findings is not asked; only the cues around the phrase are. The gold
(text/negex_annotations.tsv) knows Negated, which what is resolved is too, and Affirmed, which uncertain and historical
mentions are too.
"""

import re
from pathlib import Path

from radir_node.domain.report import Status
from radir_node.reports.evaluation.scores import Element, Measured, Miss, measured, rows
from radir_node.reports.evaluation.split import Split, is_in
from radir_node.reports.parser import status_of

COLLECTION = "negex"
FILE = "negex_annotations.tsv"
NEGATED = "Negated"
_STATUS_COLUMN = "negation_status (negated, affirmed, possible)"


def evaluate_negex(folder: Path, split: Split = "test") -> Measured:
    """Score the context rules on the sentences in a folder. Raises OSError when the file is missing."""
    pairs: list[tuple[set[Element], set[Element]]] = []
    misses: list[Miss] = []
    for row in rows(folder / FILE, "\t"):
        item, sentence = row["line number"], row["sentence"]
        if is_in(split, COLLECTION, item):
            gold: set[Element] = {(NEGATED,)} if row[_STATUS_COLUMN] == NEGATED else set()
            answer: set[Element] = {(NEGATED,)} if _is_negated(sentence, row["Condition"]) else set()
            pairs.append((gold, answer))
            if gold != answer:
                kind = "false positive" if answer else "false negative"
                misses.append(Miss(item, (NEGATED, row["Condition"]), kind, " ".join(sentence.split())))
    return measured((NEGATED,), pairs, misses)


def _is_negated(sentence: str, condition: str) -> bool:
    """Judge the phrase where the sentence has it in capitals, else where it has it at all, else at its end."""
    capitals, words = (r"\s+".join(map(re.escape, text.split())) for text in (condition.upper(), condition))
    found = re.search(capitals, sentence) or re.search(words, sentence, re.IGNORECASE)
    start, end = found.span() if found else (len(sentence), len(sentence))
    return status_of(sentence, start, end)[0] in (Status.ABSENT, Status.RESOLVED)
