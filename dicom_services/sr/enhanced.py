"""Renders the content as an Enhanced SR content tree by TID 2000 (PS3.16), the form that people read in any viewer.

Values stand in TEXT, because viewers show text; score, site and snapshot are repeated below it as coded items for
programs. TID 2000 is extensible, so validators remark on these items but find no fault. There is no IMAGE item: one
common viewer prints "not supported" in its place, and the evidence of the document names the query images.
Called by document.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    NumContentItem,
    RelationshipTypeValues,
    TextContentItem,
    UIDRefContentItem,
)
from pydicom.dataset import Dataset

from dicom_services.sr import codes
from dicom_services.sr.codes import Code
from dicom_services.sr.content import Case, Content, NodeIdentity


@dataclass(frozen=True, slots=True)
class Site:
    """The anatomy that was compared."""

    code: Code
    laterality: Code | None


_CONTAINS = RelationshipTypeValues.CONTAINS
_CONTEXT = RelationshipTypeValues.HAS_OBS_CONTEXT
_MODIFIER = RelationshipTypeValues.HAS_CONCEPT_MOD
_PROPERTY = RelationshipTypeValues.HAS_PROPERTIES


def content_tree(content: Content, identity: NodeIdentity, site: Site | None) -> Dataset:
    """Return the root CONTAINER; site: the anatomy that was compared, None for the whole image."""
    root = ContainerContentItem(
        codes.DIAGNOSTIC_IMAGING_REPORT.concept(), is_content_continuous=False, template_id="2000"
    )
    root.ContentSequence = [
        CodeContentItem(codes.LANGUAGE.concept(), codes.ENGLISH.concept(), _MODIFIER),
        *_observer(identity),
        _section(
            codes.PROCEDURE_DESCRIPTIONS,
            [
                _system(content),
                _query(content, site),
                _text(codes.PROCEDURE_DESCRIPTION, content.reference),
            ],
        ),
        _section(
            codes.FINDINGS,
            [_text(codes.FINDING, content.results), *map(_case, content.cases)],
        ),
        _section(codes.CONCLUSIONS, [_text(codes.CONCLUSION, text) for text in content.limitations]),
    ]
    return root  # type: ignore[no-any-return]  # highdicom is not typed here


def _observer(identity: NodeIdentity) -> list[Any]:
    """TID 1002 and 1004: the observer is a device."""
    return [
        CodeContentItem(codes.OBSERVER_TYPE.concept(), codes.DEVICE.concept(), _CONTEXT),
        UIDRefContentItem(codes.DEVICE_OBSERVER_UID.concept(), identity.device_uid, _CONTEXT),
        TextContentItem(codes.DEVICE_OBSERVER_NAME.concept(), identity.name, _CONTEXT),
        TextContentItem(codes.DEVICE_OBSERVER_MANUFACTURER.concept(), identity.manufacturer, _CONTEXT),
        TextContentItem(codes.DEVICE_OBSERVER_MODEL.concept(), f"{identity.name} {identity.version}", _CONTEXT),
    ]


def _section(heading: Code, items: Sequence[Any]) -> Any:
    container = ContainerContentItem(heading.concept(), is_content_continuous=False, relationship_type=_CONTAINS)
    container.ContentSequence = list(items)
    return container


def _text(name: Code, text: str) -> Any:
    return TextContentItem(name.concept(), text, _CONTAINS)


def _system(content: Content) -> Any:
    item = _text(codes.PROCEDURE_DESCRIPTION, content.system)
    item.ContentSequence = [TextContentItem(codes.INDEX_SNAPSHOT.concept(), content.snapshot_id, _PROPERTY)]
    return item


def _query(content: Content, site: Site | None) -> Any:
    item = _text(codes.PROCEDURE_DESCRIPTION, content.query)
    if site is not None:
        item.ContentSequence = [_finding_site(site)]
    return item


def _case(case: Case) -> Any:
    item = _text(codes.FINDING, case.text)
    score, percent = codes.SIMILARITY_SCORE.concept(), codes.PERCENT.concept()
    item.ContentSequence = [NumContentItem(score, case.percent, percent, None, _PROPERTY)]
    return item


def _finding_site(site: Site) -> Any:
    item = CodeContentItem(codes.FINDING_SITE.concept(), site.code.concept(), _PROPERTY)
    if site.laterality is not None:
        side = CodeContentItem(codes.LATERALITY.concept(), site.laterality.concept(), _MODIFIER)
        item.ContentSequence = [side]
    return item
