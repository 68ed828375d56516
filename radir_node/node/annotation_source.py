"""The node's own archive as a source of annotation: reports without identifiers, under the pseudonyms of cases."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from radir_node.catalog.annotation import ReportedStudies
from radir_node.catalog.cases import Case, CaseReport, Cases
from radir_node.domain.study import Modality
from radir_node.learning.annotate.source import SourceReport, known_split, spoken_text
from radir_node.reports.dates import read_order
from radir_node.reports.lexicon import lowered
from radir_node.reports.people import is_communication
from radir_node.reports.scrub import scrubber
from radir_node.reports.sentences import split_sentences

SPLITS = {"train": 80, "validation": 10, "test": 10}
"""Patients of a hundred. All studies of a patient are in one split, which never moves."""


@dataclass(frozen=True)
class ArchiveSource:
    """Implements radir_node.learning.annotate.source.ReportSource over the catalogue."""

    cases: Cases
    studies: ReportedStudies
    modality: Modality
    name: str = "archive"

    def reports(self, split: str) -> Iterator[SourceReport]:
        """Yield the indexed studies of a split that have a report, in the order of their arrival. Raises UserError."""
        known_split(split, tuple(SPLITS), "the archive")
        for page in self.studies.pages(self.modality):
            cases = self.cases.many(page)
            for case in (cases[number] for number in page if number in cases):
                if split_of(case.patient_code) == split:
                    text = "\n\n".join(filter(None, (scrubbed(report, case) for report in case.reports)))
                    yield SourceReport(case.case_id, "", text, split, f"case {case.case_id}")


def split_of(patient_code: int) -> str:
    """Give the split of a patient: by the hash of the code alone."""
    bucket = int.from_bytes(hashlib.sha256(f"annotation-{patient_code}".encode()).digest()[:8], "big") % 100
    for name, share in SPLITS.items():
        bucket -= share
        if bucket < 0:
            return name
    raise AssertionError("the shares of SPLITS do not sum to 100")


def scrubbed(report: CaseReport, case: Case) -> str:
    """Give the sentences that speak of the images, one a line, scrubbed as they are when they are shown."""
    text = spoken_text(report.text)
    order = read_order(text, case.study_date)
    scrub = scrubber((*case.identifiers, *report.identifiers), study_date=case.study_date, order=order).scrub
    spans = split_sentences(text, lowered(text), 0, len(text))
    sentences = (" ".join(text[start:end].split()) for start, end in spans)
    return "\n".join(scrub(sentence) for sentence in sentences if not is_communication(sentence))
