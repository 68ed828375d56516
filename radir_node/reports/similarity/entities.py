"""Tags to typed entities, overall or at some anatomies: what RaTEScore compares (method spec 4.2).

The parser takes the place of RaTEScore's entity recogniser. One tag is two entities: the finding with its place
("consolidation, right lower lobe"), and the place by itself, once a sentence however much is said of it. The place
belongs to the finding's own words because entities carry no relations: without it, right effusion with left
pneumothorax would equal its mirror image.

present, uncertain   ABNORMALITY, or DISEASE for a disease: a doubt is no denial, and RaTEScore has no type for it
absent, resolved     NON-ABNORMALITY, NON-DISEASE: both say that it is not there now
historical           no entity, nor one of its place: it tells of the past, not of these images
change               left out: new, increased or stable cannot be seen in one examination
"""

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from radir_node.domain.anatomy import AnatomyRef, label
from radir_node.domain.embedding import GLOBAL
from radir_node.domain.report import Status, Tag
from radir_node.reports.lexicon import lies_in
from radir_node.reports.parser import finding_kind, finding_label

OVERALL = (GLOBAL,)
BETWEEN = ", "
"""Stands between a finding and its place in the string of an entity."""

_DENIED = frozenset((Status.ABSENT, Status.RESOLVED))


class EntityType(StrEnum):
    """The five types of RaTE-NER, in the order of the weight tables; a present one sorts before its denial."""

    ABNORMALITY = "ABNORMALITY"
    ANATOMY = "ANATOMY"
    DISEASE = "DISEASE"
    NON_ABNORMALITY = "NON-ABNORMALITY"
    NON_DISEASE = "NON-DISEASE"


class Entity(NamedTuple):
    """One entity of a report. Entities sort by text, then by type; that order decides ties between matches."""

    text: str
    type: EntityType


def entities_of(tags: Iterable[Tag], anatomies: Collection[str] = OVERALL) -> tuple[Entity, ...]:
    """List the entities of a report's tags at or below any of some anatomies, sorted, repeated ones included.

    A finding on both sides is, at an anatomy of one side, a finding of that side. Empty where the report says nothing
    there. Raises UnknownAnatomy.
    """
    found: list[Entity] = []
    places: set[tuple[int, Entity]] = set()
    wanted = tuple(anatomies)
    for tag in tags:
        key = None if tag.status is Status.HISTORICAL else _seen_from(tag.anatomy, wanted)
        if key is not None:
            finding, place = _entities(tag.finding, tag.status in _DENIED, key)
            found.append(finding)
            if (tag.sentence_start, place) not in places:
                places.add((tag.sentence_start, place))
                found.append(place)
    return tuple(sorted(found))


def speaks_of(tag: Tag, anatomies: Collection[str] = OVERALL) -> bool:
    """Tell whether a tag gives entities at or below any of some anatomies. Raises UnknownAnatomy."""
    return tag.status is not Status.HISTORICAL and _seen_from(tag.anatomy, tuple(anatomies)) is not None


@lru_cache(maxsize=65_536)
def _seen_from(key: str, anatomies: Sequence[str]) -> str | None:
    """Spell a key as the first anatomy that holds it sees it: of both sides, its own. None where none holds it."""
    holder = next((anatomy for anatomy in anatomies if lies_in(key, anatomy)), None)
    if holder is None or holder == GLOBAL:
        return None if holder is None else key
    ref, side = AnatomyRef.from_key(key), AnatomyRef.from_key(holder).side
    return AnatomyRef(ref.site, side).key if ref.side == "bilateral" and side in ("left", "right") else key


@lru_cache(maxsize=65_536)
def _entities(finding: str, denied: bool, key: str) -> tuple[Entity, Entity]:
    """Spell a finding at its place, and the place. The same two objects each time: an archive holds many millions."""
    place = label(key)
    if finding_kind(finding) == "disease":
        kind = EntityType.NON_DISEASE if denied else EntityType.DISEASE
    else:
        kind = EntityType.NON_ABNORMALITY if denied else EntityType.ABNORMALITY
    return Entity(f"{finding_label(finding)}{BETWEEN}{place}", kind), Entity(place, EntityType.ANATOMY)
