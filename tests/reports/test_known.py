"""The identifiers of a study are found however they are written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radir_node.reports.known import known_identifiers
from radir_node.reports.medical_words import function_words
from radir_node.reports.scrub import scrubber

IDENTIFIERS = (
    *(
        "QUILLFEATHER^ZEBEDIAH^JAMES^^Dr",
        "Zorn-Müller^Jörg",
        "O'BRIAN^ANN",
        "van der Hoeven^Aad",
        "Yamada^Tarou=山田^太郎",
    ),
    *("Weiß^Émile", "NO^LI", "4471188", "ACC20210312", "PID-77-A31", "0120"),
)


@pytest.mark.parametrize(
    "written",
    [
        *("Zebediah Quillfeather", "QUILLFEATHER, ZEBEDIAH", "quillfeather", "Z. Quillfeather", "Z.J. Quillfeather"),
        *("Quillfeather, Z.", "Quillfeather,Zebediah", "ZebediahQuillfeather", "Zebediah_Quillfeather"),
        *(
            "Zorn-Müller",
            "Zorn Muller",
            "ZORN–MUELLER",
            "Mueller",
            "Zorn",
            "Jörg",
            "JOERG",
            "Jorg",
            "M\u0075\u0308ller",
        ),
        *("O'Brian", "O’Brian", "OBrian", "O Brian", "Brian", "van der Hoeven", "Van Der Hoeven", "Hoeven"),
        *("Tarou Yamada", "山田太郎", "Weiss", "WEIẞ", "Weiß", "Emile", "Émile", "Li No", "No, Li", "Mr. No"),
        *(
            "4471188",
            "447-11-88",
            "447 1188",
            "0004471188",
            "ACC20210312",
            "acc 2021-0312",
            "PID77A31",
            "pid-77 a31",
            "0120",
        ),
    ],
)
def test_every_spelling_is_taken_out(written: str) -> None:
    """Case, accents, hyphens, apostrophes, initials, order, scripts, punctuation and zeros change nothing."""
    assert "Nodule of [removed], stable" == scrubber(IDENTIFIERS).scrub(f"Nodule of {written}, stable")


def test_the_possessive_leaves_its_letter_only() -> None:
    """The name itself is gone."""
    assert "[removed]'s nodule and [removed]’s mass" == scrubber(IDENTIFIERS).scrub(
        "Quillfeather's nodule and O'Brian’s mass"
    )


@pytest.mark.parametrize(
    "sentence",
    [
        "No nodule is seen, and no mass.",
        "The LA is enlarged, IV contrast was given; grade II.",
        "Nodules do not enlarge.",
        "Effusion measures 120 mL and 0120 mm.",
        "Image 120 of series 0120.",
        "Browns and Lilac are no names here.",
    ],
)
def test_words_of_every_report_are_no_identifiers(sentence: str) -> None:
    """Function words, titles, particles, parts of words, and short ids that are a size or the number of an image."""
    known = (*IDENTIFIERS, "DO^AN", "de la Cruz^Brown^^Dr^III")

    assert sentence == scrubber(known).scrub(sentence)


def test_a_known_identifier_wins_over_a_word_of_medicine() -> None:
    """The patient called Lung takes the lungs out; what denies stays, so the sense does not turn."""
    assert "No nodule in the left [removed]; [removed] matter." == scrubber(("LUNG^WHITE",)).scrub(
        "No nodule in the left lung; white matter."
    )


def test_without_identifiers_there_is_nothing_to_find() -> None:
    """Empty and one-letter values are none."""
    known = known_identifiers(("", " ", "X", "1", "12", "^^^"))

    assert not list(known.find("X has 12 of 1")) + list(known.suspect("X has 12 of 1"))


@given(
    st.text(st.characters(whitelist_categories=("Lu", "Ll"), max_codepoint=0x17F), min_size=4, max_size=12),
    st.text(st.characters(whitelist_categories=("Lu", "Ll"), max_codepoint=0x17F), min_size=4, max_size=12),
    st.sampled_from(["{0} {1}", "{1}, {0}", "{0}", "Mr. {1}", "{1} {0}", "{0}-{1}", "({1})", "{1}'s", "{0} {1}."]),
)
def test_no_name_survives(given: str, family: str, form: str) -> None:
    """Whatever letters a name has, and in whatever case it is written, it is gone."""
    for written in (form.format(given, family), form.format(given, family).upper(), form.format(given, family).lower()):
        shown = scrubber((f"{family}^{given}",)).scrub(f"Nodule in {written} today")

        for name in {given, family} - function_words():
            assert (
                not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", shown, re.IGNORECASE)
                or name.lower() in "nodule in today"
            )


@given(st.integers(10_000, 10**12), st.sampled_from(["", "-", " ", ".", "/"]), st.integers(1, 4))
def test_no_number_of_the_patient_survives(number: int, mark: str, place: int) -> None:
    """In one piece or in two."""
    digits = str(number)
    written = digits[:place] + mark + digits[place:]

    assert "Mass, [removed], stable" == scrubber((digits,)).scrub(f"Mass, {written}, stable")
