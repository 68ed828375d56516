"""People and institutions by the form in which they are named."""

import pytest

from radir_node.reports.people import is_communication
from radir_node.reports.scrub import scrubber


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Seen by Dr. Harrowgate, effusion.", "Seen by [removed], effusion."),
        ("Per dr harrowgate the mass grew.", "Per [removed] the mass grew."),
        ("Dr. White saw white matter.", "[removed] saw white matter."),
        ("Dr. J. van der Berg-Holm. Effusion.", "[removed]. Effusion."),
        ("Dr. X. Effusion is stable.", "[removed] Effusion is stable."),
        ("DR SMITH NOTED EFFUSION", "[removed] NOTED EFFUSION"),
        ("Nurse Jane Doe saw the drain.", "[removed] saw the drain."),
        ("Mr. Sandoval-Ruiz has a mass.", "[removed] has a mass."),
        ("Ottoline Harrowgate, MD, marked a nodule.", "[removed], marked a nodule."),
        ("Nodule marked by Pim Mertens PhD.", "Nodule marked by [removed]."),
        ("CT at St. Mary's Hospital: mass.", "CT at [removed]: mass."),
        ("CT at Northfield Medical Center: mass.", "CT at [removed]: mass."),
        ("Lives at 12 Main Street, mass.", "Lives at [removed], mass."),
    ],
)
def test_people_places_and_institutions_are_taken_out(sentence: str, expected: str) -> None:
    """Titles, degrees, hospitals and streets take the names beside them along, and nothing else."""
    assert expected == scrubber(()).scrub(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "PRIOR MR. NO EFFUSION.",
        "Prior MR. No effusion.",
        "Compared to MR chest.",
        "MR. Mitral inflow is normal.",
        "NODULES DO NOT ENLARGE, MD.",
        "The nurse saw a mass, the doctor suspects pneumonia.",
        "Chest CT of an outside hospital, Outside Hospital.",
        "Mild MS with a dilated left atrium.",
        "The patient has a mass. Doctor unknown.",
        "ATTENDING NOTES NODULE.",
    ],
)
def test_what_only_looks_like_a_title_takes_nothing_out(sentence: str) -> None:
    """A modality before a denial is the dangerous one: without its "no" the sentence would say the opposite."""
    assert sentence == scrubber(()).scrub(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Pneumothorax was discussed with Dr. Harrowgate at 2 pm.",
        "Findings were called to the nurse.",
        "Mass d/w Harrowgate.",
        "Pneumothorax: Dr. Berg made aware, and the ED physician notified.",
        "Results communicated.",
        "Nodule, electronically signed.",
        "Effusion, dictated and signed by O. Harrowgate.",
        "Large mass, paged to the surgical team.",
        "Pneumothorax: receipt acknowledged by O. Harrowgate.",
        "I spoke with the attending about the embolism.",
    ],
)
def test_sentences_about_people_are_known(sentence: str) -> None:
    """Who was told what when is never shown."""
    assert is_communication(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Nodule followed by CT.",
        "No mass is called.",
        "The heart is read as enlarged.",
        "Signs of edema, approved device.",
    ],
)
def test_sentences_about_images_are_not_taken_for_talk(sentence: str) -> None:
    """Words of reporting alone are no communication."""
    assert not is_communication(sentence)
