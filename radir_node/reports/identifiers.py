"""What an identifier in a sentence is, and the seam for those who find more of them. Used by scrub and its finders.

A site may plug in a recognizer of its own (a trained model, a list of its staff): what it finds is taken out beside
what the rules find, unless it is a word of medicine.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

REMOVED = "[removed]"


class Identifier(NamedTuple):
    """text[start:end] tells who is spoken of."""

    start: int
    end: int
    kind: str
    """What it is, in one word: person, date, phone. Never the text itself."""
    shown: str = REMOVED
    """What people see in its place."""

    def lies_within(self, spans: Iterable[tuple[int, int]]) -> bool:
        """Tell whether one of these spans holds all of it."""
        return any(start <= self.start and self.end <= end for start, end in spans)


class IdentifierRecognizer(Protocol):
    """Finds identifiers in one sentence of a report.

    It sees the sentence as written, so it must neither keep nor log nor send it. What it raises reaches the caller, for
    then nothing is shown. It is called from several threads at once.
    """

    def recognize(self, sentence: str) -> Iterable[Identifier]:
        """Give the identifiers of a sentence, in any order; they may overlap. `shown` is left as it is."""
        ...
