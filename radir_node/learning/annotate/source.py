"""What the annotation reads: reports, one after another. Implemented under sources/, and by node for its catalogue."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from radir_node.domain.study import Modality
from radir_node.errors import UserError
from radir_node.reports.lexicon import load_lexicon, lowered
from radir_node.reports.parser import LANGUAGE
from radir_node.reports.sections import split_sections


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One study's report."""

    id: str
    """Names the study in every file that is written; never an identifier of a patient."""
    image: str
    """Path of its image as training is to find it; empty where the source knows none."""
    text: str
    split: str
    where: str
    """File and row, for messages."""
    is_foreign: bool = False
    """The source knows that it is in a language without lexicon, whatever is left of its text."""


class ReportSource(Protocol):
    """A collection of reports."""

    @property
    def name(self) -> str:
        """What the data sheet calls it."""
        ...

    @property
    def modality(self) -> Modality:
        """Decides which list of nodes is annotated."""
        ...

    @property
    def remarks(self) -> Sequence[str]:
        """Its own limits, for the data sheet, a sentence or two each."""
        ...

    def reports(self, split: str) -> Iterator[SourceReport]:
        """Yield the reports of a split, always in the same order.

        Raises UserError, with file and row, for a split that does not exist and for what cannot be read.
        """
        ...


def spoken_text(text: str) -> str:
    """Give what of a report speaks of the images, without headings: findings, impression, addenda (reports spec 3).

    A text without headings is given whole. Sections are parted by blank lines.
    """
    sections = split_sections(lowered(text), load_lexicon(LANGUAGE))
    spoken = (text[section.start : section.end].strip() for section in sections if section.spoken)
    return "\n\n".join(section for section in spoken if section)


def known_split(split: str, known: Sequence[str], where: str) -> str:
    """Check that a split exists. Raises UserError."""
    if split not in known:
        raise UserError(f"--split: {where} has no split {split!r}; it has {', '.join(known) or 'none'}")
    return split
