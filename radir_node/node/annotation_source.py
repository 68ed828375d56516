"""The node's own archive as a source of annotation: reports without identifiers, under the pseudonyms of cases."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from radir_node.catalog.annotation import ReportedStudies
from radir_node.catalog.cases import Case, CaseReport, Cases
from radir_node.domain.report import Status, Tag
from radir_node.domain.study import Modality
from radir_node.learning.annotate.source import SourceReport, known_split
from radir_node.reports.display import NOTHING_SETTLED, SiteRules, tagged_sentences
from radir_node.reports.similarity.entities import speaks_of

SPLITS = {"train": 80, "validation": 10, "test": 10}
"""Patients of a hundred. All studies of a patient are in one split, which never moves."""
FEWEST_PATIENTS = 5
"""What fewer patients of the archive have could name one of them (reports spec 8, rare-case suppression)."""

Rare = Collection[tuple[str, str]]
"""Finding and anatomy key."""


@dataclass(frozen=True)
class ArchiveSource:
    """Implements radir_node.learning.annotate.source.ReportSource over the catalogue."""

    cases: Cases
    studies: ReportedStudies
    modality: Modality
    site: SiteRules = NOTHING_SETTLED
    fewest_patients: int = FEWEST_PATIENTS
    name: str = "archive"

    @property
    def remarks(self) -> Sequence[str]:
        return (
            "Texts are the sentences that a finding stands in, scrubbed as they are when they are shown; nothing of a "
            "report in another language. What no finding is about is not there.",
            f"A sentence with a finding at a place that fewer than {self.fewest_patients} patients of the archive have "
            "is left out, with whatever else it says; all splits count together.",
        )

    def reports(self, split: str) -> Iterator[SourceReport]:
        """Yield the indexed studies of a split that have a report, in the order of their arrival. Raises UserError.

        A text may be empty: nothing in the report speaks of a finding, or all that does is rare.
        """
        known_split(split, tuple(SPLITS), "the archive")
        rare = self.studies.rare(self.modality, self.fewest_patients)
        for page in self.studies.pages(self.modality):
            cases = self.cases.many(page)
            for case in (cases[number] for number in page if number in cases):
                if split_of(case.patient_code) == split:
                    text = "\n\n".join(scrubbed_sentences(case, rare, self.site))
                    is_foreign = not any(report.language for report in case.reports)
                    yield SourceReport(case.case_id, "", text, split, f"case {case.case_id}", is_foreign)


def split_of(patient_code: int) -> str:
    """Give the split of a patient: by the hash of the code alone."""
    bucket = int.from_bytes(hashlib.sha256(f"annotation-{patient_code}".encode()).digest()[:8], "big") % 100
    for name, share in SPLITS.items():
        bucket -= share
        if bucket < 0:
            return name
    raise AssertionError("the shares of SPLITS do not sum to 100")


def scrubbed_sentences(case: Case, rare: Rare = (), site: SiteRules = NOTHING_SETTLED) -> Sequence[str]:
    """Give the sentences of a case that entities come from, scrubbed with the identifiers of all its reports.

    A sentence that says anything rare, other than to deny it, is left out.
    """
    identifiers = dict.fromkeys((*case.identifiers, *(name for report in case.reports for name in report.identifiers)))
    return [
        sentence
        for report in case.reports
        for sentence in tagged_sentences(
            report.text, _told(report, rare), tuple(identifiers), study_date=case.study_date, site=site
        )
    ]


def _told(report: CaseReport, rare: Rare) -> Sequence[Tag]:
    hidden = {
        tag.sentence_start
        for tag in report.tags
        if tag.status is not Status.ABSENT and (tag.finding, tag.anatomy) in rare
    }
    return [tag for tag in report.tags if speaks_of(tag) and tag.sentence_start not in hidden]
