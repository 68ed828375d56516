"""Where a finding is: sites, sides, and the site that goes without saying."""

from collections.abc import Callable

import pytest

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
