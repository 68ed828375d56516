"""Where a finding is: sites, sides, and the site that goes without saying."""

import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from radir_node.domain.anatomy import SITES, AnatomyRef
from radir_node.reports.lexicon import load_lexicon

Places = Callable[[str], set[tuple[str, str]]]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (
            "Streaky opacities in the right upper and left lower lobes.",
            {("opacity", "upper_lobe:right"), ("opacity", "lower_lobe:left")},
        ),
        (
            "Right middle and lower lobe consolidation.",
            {("consolidation", "middle_lobe:right"), ("consolidation", "lower_lobe:right")},
        ),
        ("Bibasilar atelectasis, left greater than right.", {("atelectasis", "lower_zone_base:bilateral")}),
        ("Scarring at the lung bases.", {("scarring", "lower_zone_base:bilateral")}),
        ("Scarring at the left lung base.", {("scarring", "lower_zone_base:left")}),
        ("Opacity in the base of the left lung.", {("opacity", "lower_zone_base:left")}),
        ("Left and right hilar calcifications.", {("calcification", "hilum:bilateral")}),
        (
            "Opacity in the apex and left base.",
            {("opacity", "lung_apex"), ("opacity", "lower_zone_base:left")},
        ),
        (
            "Opacity in the lingula and at the left lung base.",
            {("opacity", "lingula:left"), ("opacity", "lower_zone_base:left")},
        ),
        ("RLL pneumonia.", {("pneumonia", "lower_lobe:right")}),
        ("Nodule in the left lung, not the middle lobe.", {("nodule", "lung:left")}),
        (
            "Bilateral small pleural effusions and left base atelectasis.",
            {("pleural_effusion", "pleura:bilateral"), ("atelectasis", "lower_zone_base:left")},
        ),
        ("Atelectasis and consolidation at the left base.",
         {("atelectasis", "lower_zone_base:left"), ("consolidation", "lower_zone_base:left")}),
        ("Effusion is seen on the right.", {("pleural_effusion", "pleura:right")}),
        ("Moderate effusion.", {("pleural_effusion", "pleura")}),
        ("Cardiomegaly, more so on the left.", {("cardiomegaly", "heart")}),
        ("Blunting of both costophrenic angles.", {("costophrenic_angle_blunting", "costophrenic_angle:bilateral")}),
        ("Mild elevation of the right hemidiaphragm.", {("diaphragm_elevation", "diaphragm:right")}),
        ("Degenerative changes of the thoracic spine.", {("degenerative_change", "thoracic_spine")}),
        ("Old healed right posterior rib fractures.", {("fracture", "rib:right")}),
        (
            "Low lung volumes with elevated left hemidiaphragm.",
            {("low_lung_volumes", "lung"), ("diaphragm_elevation", "diaphragm:left")},
        ),
        ("Biapical pleural thickening.",
         {("pleural_thickening", "lung_apex:bilateral"), ("pleural_thickening", "pleura:bilateral")}),
        ("Calcific plaques in the aorta and the coronary arteries. Atherosclerosis of the coronary arteries.",
         {("atherosclerosis", "aorta"), ("atherosclerosis", "coronary_artery")}),
        ("Enlarged mediastinal and right hilar lymph nodes.",
         {("lymphadenopathy", "mediastinal_node"), ("lymphadenopathy", "hilar_node:right")}),
        ("Emphysema. Pericardial effusion. Hiatal hernia.",
         {("emphysema", "lung"), ("pericardial_effusion", "pericardium"), ("hernia", "esophageal_hiatus")}),
    ],
)  # fmt: skip
def test_findings_are_placed_where_the_report_says(
    sentence: str, expected: set[tuple[str, str]], places: Places
) -> None:
    """Lists share their side words rightly, plurals mean both sides, and midline sites take none."""
    assert expected == places(sentence)


def test_a_finding_does_not_take_a_site_it_cannot_have(places: Places) -> None:
    """A rib fracture beside a lung opacity keeps each in its organ."""
    assert places("Left rib fracture and right lower lobe opacity.") == {
        ("fracture", "rib:left"),
        ("opacity", "lower_lobe:right"),
    }


def test_a_denial_is_said_of_its_own_site_alone(places: Places) -> None:
    """The heart of the statement beside it is not what is clear."""
    assert places("The heart is not enlarged and the lungs are clear.") == {
        ("cardiomegaly", "heart"),
        ("opacity", "lung"),
    }


@pytest.mark.parametrize("site", sorted(SITES))
def test_every_site_of_the_vocabulary_is_known_by_its_name(site: str, places: Places) -> None:
    """All structures of the anatomy table have words in the lexicon."""
    found = places(f"Lesion in the {SITES[site].names[0]}.")

    assert {AnatomyRef(site).key} == {place for finding, place in found if finding == "lesion"}


def test_code_and_side_shown_in_the_lexicon_are_those_of_the_vocabulary(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A lexicon that disagrees with the vocabulary does not load."""
    folder = tmp_path / "lexicon" / "en"
    shutil.copytree(resources.files("radir_node.reports") / "lexicon" / "en", folder)
    anatomy = (folder / "anatomy.yaml").read_text()
    (folder / "anatomy.yaml").write_text(anatomy.replace("code: '39607008'", "code: '39607009'"))
    monkeypatch.setattr("radir_node.reports.lexicon.resources.files", lambda package: tmp_path)

    with pytest.raises(ValueError, match="lung has side and code"):
        load_lexicon.__wrapped__("en")
