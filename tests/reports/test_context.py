"""Whether a mentioned finding is there: the unit list that every version of the rules must answer."""

from collections.abc import Callable

import pytest

from radir_node.reports.parser import parse

UNIT_LIST = [
    (
        "There is no focal consolidation, pleural effusion or pneumothorax.",
        ["consolidation absent", "pleural_effusion absent", "pneumothorax absent"],
    ),
    ("No evidence of pneumothorax is seen.", ["pneumothorax absent"]),
    (
        "The lungs are clear without effusion or pneumothorax.",
        ["opacity absent", "pleural_effusion absent", "pneumothorax absent"],
    ),
    ("Interval resolution of the right pleural effusion.", ["pleural_effusion resolved"]),
    ("Pneumothorax has resolved.", ["pneumothorax resolved"]),
    ("Heart size is not enlarged.", ["cardiomegaly absent"]),
    ("Atelectasis versus pneumonia at the left base.", ["atelectasis uncertain", "pneumonia uncertain"]),
    ("No change in the small left pleural effusion.", ["pleural_effusion present stable"]),
    ("Stable small pleural effusion without pneumothorax.", ["pleural_effusion present stable", "pneumothorax absent"]),
    ("Cannot exclude a small pneumothorax.", ["pneumothorax uncertain"]),
    ("There is likely atelectasis, but pneumonia is not excluded.", ["atelectasis uncertain", "pneumonia uncertain"]),
    ("Free of consolidation.", ["consolidation absent"]),
    ("No interval increase in pulmonary edema.", ["edema present stable"]),
    ("Compared with prior, the previously seen nodule is no longer identified.", ["nodule resolved"]),
    ("Recommend CT to evaluate for pulmonary nodule.", ["nodule uncertain"]),
    ("Negative for pneumothorax.", ["pneumothorax absent"]),
    ("Pleural effusion: None.", ["pleural_effusion absent"]),
    ("Lungs: No nodule. Mild emphysema.", ["emphysema present", "nodule absent"]),
    (
        "There is no pleural effusion on the right; a small pleural effusion is present on the left.",
        ["pleural_effusion absent", "pleural_effusion present"],
    ),
]
"""The nineteen sentences that every version of the rules answers as a reader does; medspaCy's defaults fail in nine."""


@pytest.mark.parametrize(("sentence", "expected"), UNIT_LIST, ids=[sentence for sentence, _ in UNIT_LIST])
def test_the_unit_list_is_answered_exactly(sentence: str, expected: list[str]) -> None:
    """Finding, status and change of every tag, and no tag beside them."""
    assert expected == sorted({" ".join((t.finding, t.status, t.change)).strip() for t in parse(sentence)})


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
        ("Pneumonia has been excluded.", {"pneumonia": "absent"}),
        ("Pneumonia must be considered.", {"pneumonia": "uncertain"}),
        ("There is no longer evidence of a right pneumothorax.", {"pneumothorax": "resolved"}),
        ("The consolidation has almost completely resolved.", {"consolidation": "present"}),
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
    text = "There is no pleural effusion on the right; a small pleural effusion is present on the left."

    found = {(tag.anatomy, tag.status.value) for tag in parse(text)}

    assert found == {("pleura:right", "absent"), ("pleura:left", "present")}


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("No change in the small left pleural effusion.", {"pleural_effusion": "stable"}),
        ("Stable small pleural effusion without pneumothorax.", {"pleural_effusion": "stable", "pneumothorax": ""}),
        ("No interval increase in pulmonary edema.", {"edema": "stable"}),
        ("New right lower lobe consolidation.", {"consolidation": "new"}),
        ("Interval development of a left effusion.", {"pleural_effusion": "new"}),
        ("The right pleural effusion has increased.", {"pleural_effusion": "increased"}),
        ("Worsening pulmonary edema.", {"edema": "increased"}),
        (
            "Pneumonia has improved; the effusion is unchanged.",
            {"pneumonia": "decreased", "pleural_effusion": "stable"},
        ),
        ("Partial resolution of the pneumothorax.", {"pneumothorax": "decreased"}),
        ("Nodule, unchanged in size, and new cardiomegaly.", {"nodule": "stable", "cardiomegaly": "new"}),
        ("The nodule is now smaller; the mass has become larger.", {"nodule": "decreased", "mass": "increased"}),
        ("The consolidation has almost completely resolved.", {"consolidation": "decreased"}),
        ("Increased interstitial markings.", {"interstitial_markings": ""}),
        ("No new nodule.", {"nodule": ""}),
        ("The pneumothorax has resolved.", {"pneumothorax": ""}),
        ("Cardiomegaly.", {"cardiomegaly": ""}),
    ],
)
def test_what_has_become_of_a_finding_is_read(sentence: str, expected: dict[str, str]) -> None:
    """New, increased, stable or decreased since the last time; nothing where nothing is said or nothing is there."""
    assert expected == {tag.finding: tag.change for tag in parse(sentence)}


@pytest.mark.parametrize(
    ("sentence", "rule"),
    [
        ("Recommend CT to evaluate for pulmonary nodule.", "hypothetical"),
        ("Possible pneumonia.", "pre-doubt"),
        ("Pneumonia?", "post-query"),
        ("Probable pneumonia.", "pre-probable"),
        ("Atelectasis versus pneumonia.", "pre-alternative"),
        ("Cannot exclude pneumonia.", "pseudo-negation"),
        ("Pneumonia: possible.", "label-value"),
        ("History of pneumonia.", "pre-historical"),
        ("No history of pneumonia.", "pre-negation"),
    ],
)
def test_the_rule_tells_why(sentence: str, rule: str) -> None:
    """Doubt, alternatives, probability and what is only looked for have rules of their own."""
    assert rule == parse(sentence)[-1].rule.split("/")[0]
