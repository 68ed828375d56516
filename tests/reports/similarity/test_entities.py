"""From tags to typed entities, overall and at one anatomy."""

import pytest

from radir_node.domain.report import Status, Tag
from radir_node.errors import UnknownAnatomy
from radir_node.reports.parser import parse
from radir_node.reports.similarity.entities import Entity, EntityType, entities_of, speaks_of

ABNORMALITY, ANATOMY, DISEASE, NON_ABNORMALITY, NON_DISEASE = EntityType


def tag(finding: str, anatomy: str, status: Status = Status.PRESENT, sentence: int = 0) -> Tag:
    return Tag(finding, anatomy, status, sentence, sentence + 1, sentence, sentence + 1, "by hand")


@pytest.mark.parametrize(
    ("finding", "status", "expected"),
    [
        ("consolidation", Status.PRESENT, ABNORMALITY),
        ("consolidation", Status.UNCERTAIN, ABNORMALITY),
        ("consolidation", Status.ABSENT, NON_ABNORMALITY),
        ("consolidation", Status.RESOLVED, NON_ABNORMALITY),
        ("pneumonia", Status.PRESENT, DISEASE),
        ("pneumonia", Status.UNCERTAIN, DISEASE),
        ("pneumonia", Status.ABSENT, NON_DISEASE),
        ("pneumonia", Status.RESOLVED, NON_DISEASE),
        ("support_device", Status.PRESENT, ABNORMALITY),
    ],
)
def test_kind_and_status_give_the_type(finding, status, expected):
    """Diseases are DISEASE, all else ABNORMALITY; what is denied or gone is their NON-form; a doubt is no denial."""
    types = [entity.type for entity in entities_of([tag(finding, "lung", status)])]

    assert sorted([expected, ANATOMY]) == sorted(types)


def test_history_is_no_entity():
    """What was once says nothing of these images, not even that they show the place."""
    tags = [tag("pneumonia", "lung", Status.HISTORICAL)]

    assert () == entities_of(tags)
    assert not speaks_of(tags[0])


def test_a_finding_carries_its_place():
    """The place stands in the finding's own words and beside it."""
    expected = (Entity("consolidation, right lower lobe", ABNORMALITY), Entity("right lower lobe", ANATOMY))

    assert expected == entities_of(parse("Consolidation in the right lower lobe."))


def test_change_is_not_an_entity():
    """New, stable or larger cannot be seen in one examination."""
    assert entities_of(parse("New pleural effusion.")) == entities_of(parse("Stable pleural effusion."))


def test_a_place_counts_once_a_sentence():
    """Two denials in one sentence name the pleura once, in two sentences twice; findings count each time."""
    one = entities_of(parse("No pleural effusion or pneumothorax."))
    two = entities_of(parse("No pleural effusion. No pneumothorax. No pleural effusion."))

    assert [1, 3] == [[entity.type for entity in found].count(ANATOMY) for found in (one, two)]
    assert [2, 3] == [[entity.type for entity in found].count(NON_ABNORMALITY) for found in (one, two)]


def test_an_anatomy_has_what_lies_at_or_below_it():
    """The right lung has its lobes, not the left one, nor what is said of both lungs without a side."""
    tags = [tag("nodule", "lower_lobe:right"), tag("nodule", "upper_lobe:left"), tag("edema", "lung")]

    found = {entity.text for entity in entities_of(tags, ("lung:right",))}

    assert {"nodule, right lower lobe", "right lower lobe"} == found
    assert 6 == len(entities_of(tags, ("lung",)))
    assert () == entities_of(tags, ("heart",))


def test_both_sides_are_seen_as_the_side_that_is_asked():
    """An effusion on both sides is, at the right pleura, an effusion of the right pleura."""
    both, right = tag("pleural_effusion", "pleura:bilateral"), tag("pleural_effusion", "pleura:right")

    assert entities_of([right]) == entities_of([both], ("pleura:right",))
    assert "pleura, both sides" in {entity.text for entity in entities_of([both], ("pleura",))}


def test_several_anatomies_count_a_tag_once():
    """A node that is several keys has each tag once, by the first key that holds it."""
    tags = [tag("nodule", "lower_lobe:right")]

    assert entities_of(tags) == entities_of(tags, ("lung", "lower_lobe", "thorax"))


def test_unknown_anatomy_is_named():
    """A key outside of the vocabulary is an error, not an empty report."""
    with pytest.raises(UnknownAnatomy, match="knee"):
        entities_of([tag("nodule", "lung")], ("knee",))
