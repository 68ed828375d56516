"""Numbers that tell who is spoken of, beside those that are medicine."""

import pytest

from radir_node.reports.scrub import scrubber


@pytest.mark.parametrize(
    "secret",
    [
        *(
            "555-123-4567",
            "(555) 123-4567",
            "555.123.4567 x12",
            "555-1234",
            "+49 30 1234567",
            "030 1234567",
            "01 23 45 67 89",
        ),
        *(
            "jane.doe@hospital.example",
            "https://pacs.example/study/1",
            "www.example.org",
            "123-45-6789",
            "1.2.840.113619.2.55",
        ),
        *("AB1234567", "20190304", "12345-678", "#4711"),
    ],
)
def test_contacts_and_ids_are_taken_out(secret: str) -> None:
    """Whatever has the form of a phone, an address of the net, or an id."""
    assert "Mass, [removed], stable" == scrubber(()).scrub(f"Mass, {secret}, stable")


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("MRN: 123, mass", "MRN: [removed], mass"),
        ("accession no. A-77, mass", "accession no. [removed], mass"),
        ("pager 4431", "pager [removed]"),
        ("room 12", "room [removed]"),
        ("case 1234 of mass", "case [removed] of mass"),
    ],
)
def test_a_labelled_number_is_an_id_however_short(sentence: str, expected: str) -> None:
    """The label stays."""
    assert expected == scrubber(()).scrub(sentence)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("94-year-old with fracture", "90+-year-old with fracture"),
        ("A 101 y/o man", "A 90+ y/o man"),
        ("aged 92", "aged 90+"),
        ("92F with mass", "90+F with mass"),
        ("93 yo female", "90+ yo female"),
        ("ninety-four-year-old", "90+-year-old"),
        ("a centenarian", "a 90+"),
        ("an 89-year-old", "an 89-year-old"),
        ("94 mm, 92%, 90 degrees", "94 mm, 92%, 90 degrees"),
    ],
)
def test_ages_above_89_are_blurred(sentence: str, expected: str) -> None:
    """Years of age only; other numbers of that size stay."""
    assert expected == scrubber(()).scrub(sentence)
