"""Says in words what a similar-case answer holds: the one content model that every rendering of it prints.

The five elements of a report on content-based retrieval (Welter et al., JAMIA 2011;18:506): the system, the query
image, the reference database, the result images and their similarity. Beside them what a reader needs to trust it:
model, index snapshot, filters and limitations. Nothing in it identifies another patient. Called by enhanced.py.
"""

import datetime as dt
from dataclasses import dataclass

from radir_node.domain.match import Filters, Match, SimilarCases
from radir_node.domain.study import Modality

LIMITATIONS = (
    "This list was made by a program from image content alone and was not verified by a physician. "
    "It is for research and education, not for primary diagnosis.",
    "A high similarity does not mean the same diagnosis. Report sentences describe other patients, not this one; "
    "they are excerpts, and a finding that is not mentioned may still be present.",
    "Cases are limited to the reference database of this site. Similarity percentages are comparable within one "
    "list only: not between models, anatomies or index snapshots.",
)

_MODALITY_NAMES = {Modality.CXR: "chest radiograph", Modality.CT: "chest CT"}
_SEX_NAMES = {"F": "female", "M": "male", "O": "sex other"}
_MAX_SENTENCES = 3
_MAX_TAGS = 8


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """The observer of the document: this installation with its model."""

    name: str
    version: str
    device_uid: str
    """Changes with every change of model or software; see uids.device_uid."""
    manufacturer: str = "RadIR node project"


@dataclass(frozen=True, slots=True)
class Case:
    """One retrieved case, in words."""

    rank: int
    percent: int
    text: str


@dataclass(frozen=True, slots=True)
class Content:
    """The document's content in reading order."""

    system: str
    snapshot_id: str
    query: str
    reference: str
    results: str
    cases: tuple[Case, ...]
    limitations: tuple[str, ...]


def content_of(
    cases: SimilarCases, identity: NodeIdentity, computed: dt.datetime, *, query_images: int, reference: str
) -> Content:
    """Build the content; query_images: number of images that were compared, reference: name of what was searched."""
    kind = _MODALITY_NAMES[cases.modality]
    return Content(
        system=f"CBIR system: {identity.name} {identity.version}, model {cases.model_id}, "
        f"index snapshot {cases.snapshot_id}, computed {computed:%Y-%m-%d %H:%M:%S}, "
        f"number of cases asked for: {cases.query.k}.",
        snapshot_id=cases.snapshot_id,
        query=f"Query image: {_images(query_images)} of this study ({kind}), anatomy: {_anatomy(cases)}.",
        reference=f"Reference database: {reference}, {cases.reference_size} studies with a vector for this anatomy, "
        f"{cases.eligible} eligible. Filters: {_filters(cases.query.filters)}.",
        results=_results(cases),
        cases=tuple(Case(match.rank, match.percent, _case(match)) for match in cases.matches),
        limitations=LIMITATIONS,
    )


def _images(number: int) -> str:
    return "1 image" if number == 1 else f"{number} images"


def _anatomy(cases: SimilarCases) -> str:
    if not cases.mapped_from:
        return cases.anatomy_label
    return f"{cases.anatomy_label} (searched in place of {cases.mapped_from}, for which there is no index)"


def _filters(filters: Filters) -> str:
    parts = [
        "cases of the same patient included" if filters.include_same_patient else "cases of the same patient excluded"
    ]
    if filters.sex:
        parts.append(f"sex {filters.sex}")
    if filters.age_min is not None or filters.age_max is not None:
        parts.append(f"age {_bound(filters.age_min)} to {_bound(filters.age_max)} years")
    if filters.date_from or filters.date_to:
        parts.append(f"study date {filters.date_from or 'any'} to {filters.date_to or 'any'}")
    return "; ".join(parts)


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"


def _results(cases: SimilarCases) -> str:
    found = len(cases.matches)
    if not found:
        return "Result images: no similar case was found in the reference database under these filters."
    noun = "case" if found == 1 else "cases"
    return (
        f"Result images: {found} similar {noun}, most similar first. "
        "Similarity = cosine of the image vectors, in percent (100 % = same vector)."
    )


def _case(match: Match) -> str:
    described = ", ".join(part for part in (_MODALITY_NAMES[match.modality], *_demographics(match)) if part)
    sentences = [
        f"Similar case {match.rank}: similarity {match.percent} %. Case {match.case_id}, {described}.",
    ]
    if match.findings:
        sentences.append(f"Findings: {_tags(match.findings)}.")
    if match.shared_findings:
        sentences.append(f"In common with the report of this study: {_tags(match.shared_findings)}.")
    if match.sentences:
        quoted = " ".join(sentence.strip() for sentence in match.sentences[:_MAX_SENTENCES])
        sentences.append(f"From its report: {quoted}")
    if match.report_note:
        sentences.append(f"{match.report_note}.")
    elif not match.has_report:
        sentences.append("No report is held for this case.")
    return " ".join(sentences)


def _demographics(match: Match) -> tuple[str, str, str]:
    """Coarse enough not to single a person out: sex, decade of age, year of study."""
    age = "" if match.age_years is None else _decade(match.age_years)
    year = "" if match.study_date is None else f"{match.study_date.year}"
    return _SEX_NAMES.get(match.sex, ""), age, year


def _decade(age_years: float) -> str:
    if age_years >= 90:  # ages above 89 are identifying (45 CFR 164.514)
        return "90 years or older"
    low = int(age_years // 10) * 10
    return f"{low}-{low + 9} years"


def _tags(tags: tuple[str, ...]) -> str:
    more = len(tags) - _MAX_TAGS
    return "; ".join(tags[:_MAX_TAGS]) + (f"; and {more} more" if more > 0 else "")
