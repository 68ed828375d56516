"""Take identifiers out of report sentences before anyone sees them. Used by display only.

Known identifiers of the very study come first, then what looks like a date, a person or a number, then what a
recognizer of the site finds. What is taken out leaves REMOVED behind, so that a reader sees that something stood there.
Where signs collide, a known identifier wins over a word of medicine, a word of medicine over every guess; words that
deny or doubt stay always. Nothing of this is ever logged.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from radir_node.reports.dates import DateOrder, find_dates
from radir_node.reports.identifiers import REMOVED, Identifier, IdentifierRecognizer
from radir_node.reports.known import KnownIdentifiers, known_identifiers
from radir_node.reports.medical_words import protected, without_medicine
from radir_node.reports.numbers import find_ages, find_numbers
from radir_node.reports.people import find_people

_JOINING = re.compile(r"[\s/_-]{0,2}")
"""Between two parts of one name, or a date and its time."""


@dataclass(frozen=True, slots=True)
class Scrubber:
    """Scrubs the sentences of one report."""

    known: KnownIdentifiers
    study_date: dt.date | None = None
    """Day of the study, which dates are told from; without it they are taken out."""
    order: DateOrder | None = None
    """Which of day and month stands first in the report; without it a date that may be two is taken out."""
    recognizer: IdentifierRecognizer | None = None

    def scrub(self, sentence: str) -> str:
        """Replace every identifier: dates by what they are from the study, great ages by "90+", all else by REMOVED."""
        sentence = unicodedata.normalize("NFC", sentence)
        clean, place = "", 0
        for start, end, _, shown in _joined(self._found(sentence), sentence):
            clean += sentence[place:start] + shown
            place = end
        return clean + sentence[place:]

    def _found(self, sentence: str) -> Iterator[Identifier]:
        kept = protected(sentence)
        yield from self.known.find(sentence)
        yield from find_people(sentence)
        yield from find_ages(sentence)
        guesses = (
            *self.known.suspect(sentence),
            *find_dates(sentence, self.study_date, self.order),
            *find_numbers(sentence),
        )
        yield from (guess for guess in guesses if not guess.lies_within(kept))
        if self.recognizer:
            for guess in self.recognizer.recognize(sentence):
                yield from without_medicine(guess._replace(shown=REMOVED), sentence)


def scrubber(
    identifiers: Collection[str],
    *,
    study_date: dt.date | None = None,
    order: DateOrder | None = None,
    recognizer: IdentifierRecognizer | None = None,
) -> Scrubber:
    """Make the scrubber of a study's reports; identifiers: see known_identifiers."""
    return Scrubber(known_identifiers(identifiers), study_date, order, recognizer)


def _joined(found: Iterable[Identifier], sentence: str) -> list[Identifier]:
    """Put what overlaps and what is beside each other into one, left to right."""
    joined: list[Identifier] = []
    for one in sorted(set(found)):
        last = joined[-1] if joined else None
        if last and one.start < last.end:
            is_part = one.end <= last.end and one.kind == last.kind
            joined[-1] = last if is_part else Identifier(last.start, max(last.end, one.end), last.kind)
        elif last and last.shown == one.shown == REMOVED and _JOINING.fullmatch(sentence, last.end, one.start):
            joined[-1] = last._replace(end=one.end)
        else:
            joined.append(one)
    return joined
