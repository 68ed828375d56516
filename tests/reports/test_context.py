"""Whether a mentioned finding is there: the unit list that every version of the rules must answer."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (
            "There is no focal consolidation, pleural effusion or pneumothorax.",
            {"consolidation": "absent", "pleural_effusion": "absent", "pneumothorax": "absent"},
        ),
        ("No evidence of pneumothorax is seen.", {"pneumothorax": "absent"}),
        (
            "The lungs are clear without effusion or pneumothorax.",
            {"opacity": "absent", "pleural_effusion": "absent", "pneumothorax": "absent"},
        ),
        ("Interval resolution of the right pleural effusion.", {"pleural_effusion": "resolved"}),
        ("Pneumothorax has resolved.", {"pneumothorax": "resolved"}),
        ("Heart size is not enlarged.", {"cardiomegaly": "absent"}),
        ("Atelectasis versus pneumonia at the left base.", {"atelectasis": "uncertain", "pneumonia": "uncertain"}),
        ("No change in the small left pleural effusion.", {"pleural_effusion": "present"}),
        (
            "Stable small pleural effusion without pneumothorax.",
            {"pleural_effusion": "present", "pneumothorax": "absent"},
        ),
        ("Cannot exclude a small pneumothorax.", {"pneumothorax": "uncertain"}),
        (
            "There is likely atelectasis, but pneumonia is not excluded.",
            {"atelectasis": "uncertain", "pneumonia": "uncertain"},
        ),
        ("Free of consolidation.", {"consolidation": "absent"}),
        ("No interval increase in pulmonary edema.", {"edema": "present"}),
        ("Compared with prior, the previously seen nodule is no longer identified.", {"nodule": "resolved"}),
        ("Recommend CT to evaluate for pulmonary nodule.", {"nodule": "uncertain"}),
        ("Negative for pneumothorax.", {"pneumothorax": "absent"}),
        ("Pleural effusion: None.", {"pleural_effusion": "absent"}),
        ("Lungs: No nodule. Mild emphysema.", {"nodule": "absent", "emphysema": "present"}),
        ("Pneumothorax: small on the right.", {"pneumothorax": "present"}),
        ("Pleural effusion (left): none", {"pleural_effusion": "absent"}),
        ("Opacities which may be due to edema.", {"opacity": "present", "edema": "uncertain"}),
        ("The cardiac silhouette is normal in size.", {"cardiomegaly": "absent"}),
        ("Heart size is upper limits of normal.", {"cardiomegaly": "absent"}),
        ("Pneumonic infiltration was not observed.", {"infiltrate": "absent", "pneumonia": "absent"}),
        ("Partial resolution of the left effusion.", {"pleural_effusion": "present"}),
        ("Ground-glass opacities in both lower lobes.", {"ground_glass": "present"}),
        ("Tree-in-bud nodules and honeycombing.", {"tree_in_bud": "present", "honeycombing": "present"}),
        ("Non-calcified nodule and non-displaced fracture.", {"nodule": "present", "fracture": "present"}),
        ("Soft tissue density is normal. Inguinal hernia.", {"abnormality": "absent"}),
    ],
)
def test_the_context_of_a_mention_decides_its_status(
    sentence: str, expected: dict[str, str], statuses: Callable[[str], dict[str, set[str]]]
) -> None:
    """Negation, doubt, resolution and their look-alikes are told apart."""
    assert {finding: {status} for finding, status in expected.items()} == {
        finding: found for finding, found in statuses(sentence).items() if finding in expected or not expected
    }


def test_each_side_of_a_semicolon_has_its_own_status(places: Callable[[str], set[tuple[str, str]]]) -> None:
    """A finding denied on one side and stated on the other is two tags with two statuses."""
    from radir_node.reports.parser import parse

    text = "There is no pleural effusion on the right; a small pleural effusion is present on the left."

    found = {(tag.anatomy, tag.status.value) for tag in parse(text)}

    assert found == {("pleura:right", "absent"), ("pleura:left", "present")}
