"""Rank the cases like a study. Called by the pages, the command line, the DICOM virtual series and the push job."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from radir_node.domain import anatomy
from radir_node.domain.embedding import GLOBAL, ModelVersion
from radir_node.domain.index_rows import PartitionKey
from radir_node.domain.match import Match, Query, SimilarCases
from radir_node.domain.report import Tag
from radir_node.domain.study import Modality
from radir_node.errors import NothingIndexed, UnknownAnatomy, UnknownStudy
from radir_node.reports.display import (
    NOTHING_SETTLED,
    SiteRules,
    finding_labels,
    reason_not_parsed,
    shared_findings,
    shown_sentences,
)

if TYPE_CHECKING:
    from radir_node.catalog.cases import Case, Cases
    from radir_node.catalog.vectors import Vectors
    from radir_node.index.similarity import Hits, SimilarityIndex

OVERALL = "overall"


@dataclass(frozen=True)
class Search:
    """The collaborators of a search, and the models whose vectors it may compare."""

    cases: "Cases"
    vectors: "Vectors"
    index: "SimilarityIndex"
    models: Mapping[Modality, ModelVersion]
    site: SiteRules = NOTHING_SETTLED

    def similar(self, query: Query) -> SimilarCases:
        """Answer one query. Raises UnknownStudy, UnknownAnatomy, NothingIndexed or DatabaseDown."""
        case = self._query_case(query)
        modality = self._modality(case, query)
        model = self.models[modality]
        partition, label, mapped_from = searched(query.anatomy, model)
        hits = self._hits(case, query, PartitionKey(model.id, partition))
        return SimilarCases(
            query=query,
            modality=modality,
            anatomy_used=partition,
            anatomy_label=label,
            model_id=model.id,
            snapshot_id=hits.snapshot_id,
            reference_size=hits.reference_size,
            eligible=hits.eligible,
            matches=self._matches(case, query, modality, partition, hits),
            mapped_from=mapped_from,
        )

    def disclose(self, actor: str, answer: SimilarCases) -> None:
        """Record that the cases of an answer were shown to somebody."""
        asked = answer.query.study_instance_uid
        known = self.cases.by_uids([asked, *(match.study_instance_uid for match in answer.matches)])
        query = known.pop(asked, None)
        if query is not None:
            self.cases.disclosed(actor, query.id, [case.id for case in known.values()])

    def sentences(self, case: "Case", partition: str) -> tuple[str, ...]:
        """Return the scrubbed report sentences of a case that speak of an anatomy key, or of any finding (GLOBAL)."""
        known = (*case.identifiers, *(name for report in case.reports for name in report.identifiers))
        return tuple(
            sentence
            for report in case.reports
            for sentence in shown_sentences(
                report.text, report.tags, partition, known, study_date=case.study_date, site=self.site
            )
        )

    def snapshot_ids(self, partition: str) -> dict[Modality, str]:
        """Return for each modality the identity of a partition's content now, without searching it."""
        held = self.index.sync().partitions
        found = {modality: held.get(PartitionKey(model.id, partition)) for modality, model in self.models.items()}
        return {modality: content.fingerprint if content else "" for modality, content in found.items()}

    def _query_case(self, query: Query) -> "Case":
        case = self.cases.by_uid(query.study_instance_uid)
        if case is None:
            raise UnknownStudy("unknown study: the catalogue holds no study with this Study Instance UID")
        if not case.has_vectors:
            why = f": {case.reason}" if case.reason else ""
            raise UnknownStudy(f"the study is known but not searchable, its state is {case.state}{why}")
        return case

    def _modality(self, case: "Case", query: Query) -> Modality:
        assert case.modality is not None  # a study with vectors has one
        wanted = query.filters.modality
        if wanted is not None and wanted is not case.modality:
            raise NothingIndexed(f"no {wanted} vector can be compared with this study: it is a {case.modality} study")
        if case.modality not in self.models:
            raise NothingIndexed(f"no encoder for {case.modality} is installed")
        return case.modality

    def _hits(self, case: "Case", query: Query, key: PartitionKey) -> "Hits":
        vectors = self.vectors.of_study(case.id, key.model, key.anatomy)
        if not len(vectors):
            raise NothingIndexed(f"the study has no vector of the current model {key.model}; it must be encoded again")
        same_patient = query.filters.include_same_patient
        return self.index.search(
            key,
            vectors,
            query.k,
            query.filters,
            exclude_patient=None if same_patient else case.patient_code,
            exclude_study=case.id,
        )

    def _matches(
        self, case: "Case", query: Query, modality: Modality, partition: str, hits: "Hits"
    ) -> tuple[Match, ...]:
        found = self.cases.many([hit.study_id for hit in hits.hits])
        # The catalogue is the truth: a case that was removed, or whose patient was merged with the query's, is dropped.
        kept = [
            (found[hit.study_id], hit.score)
            for hit in hits.hits
            if hit.study_id in found
            and (query.filters.include_same_patient or found[hit.study_id].patient_code != case.patient_code)
        ]
        own = _tags(case)
        plain = [self._match(rank, other, score, modality, partition) for rank, (other, score) in enumerate(kept, 1)]
        return tuple(
            replace(match, shared_findings=shared_findings(own, _tags(other), partition))
            for match, (other, _) in zip(plain, kept, strict=True)
        )

    def _match(self, rank: int, other: "Case", score: float, modality: Modality, partition: str) -> Match:
        return Match(
            rank=rank,
            score=score,
            study_instance_uid=other.study_instance_uid,
            case_id=other.case_id,
            modality=modality,
            study_date=other.study_date,
            age_years=other.age_years,
            sex=other.sex,
            sentences=self.sentences(other, partition),
            findings=finding_labels(_tags(other)),
            has_report=bool(other.reports),
            report_note=report_note(other),
            completion=other.completion,
        )


def report_note(case: "Case") -> str:
    """Say what keeps a report of a case from being read, as people are told; empty where all were read."""
    reasons = (reason_not_parsed(report.language) for report in case.reports)
    return next((f"Report {reason}" for reason in reasons if reason), "")


def searched(asked: str, model: ModelVersion) -> tuple[str, str, str]:
    """Return (partition, its label, label of what was asked when a relative is searched in its place).

    Raises UnknownAnatomy when the text is no anatomy, or the model has no vector for it or any relative.
    """
    if asked in ("", GLOBAL, OVERALL):
        return GLOBAL, OVERALL, ""
    wanted = anatomy.resolve(asked)
    key = anatomy.nearest(wanted.key, model.anatomies)
    if key is None:
        names = ", ".join(anatomy.AnatomyRef.from_key(k).label for k in model.anatomies)
        raise UnknownAnatomy(f"{model.modality} cannot be searched by {wanted.label!r}; it can by: {names}")
    label = anatomy.AnatomyRef.from_key(key).label
    return key, label, "" if key == wanted.key else wanted.label


def _tags(case: "Case") -> list[Tag]:
    return [tag for report in case.reports for tag in report.tags]
