"""What of a report is shown: chosen sentences without a person in them."""

import datetime as dt

import pytest

from radir_node.reports.dates import DateOrder
from radir_node.reports.display import (
    MOST_SENTENCES,
    SiteRules,
    finding_labels,
    reason_not_parsed,
    shared_findings,
    shown_sentences,
)
from radir_node.reports.parser import parse, parse_report

REPORT = """INDICATION: Quillfeather, Zebediah, MRN 4471188, fell on 03/12/2021.
FINDINGS:
Small right pleural effusion, increased since January 5, 2020 at 14:30. Mr. Quillfeather has a 9 mm nodule in the right
upper lobe. No pneumothorax. The heart is normal in size. Mass discussed with Dr. Harrowgate by phone at 555-123-4567.
IMPRESSION:
1. Effusion in Z. QUILLFEATHER, accession ACC20210312, compared to 1.2.840.113619.2.55.3.
2. Possible pneumonia at the left lung base. 94-year-old with T11/T12 compression fracture, 2.5 x 3.1 cm.
Electronically signed by: Ottoline Harrowgate, MD
"""
IDENTIFIERS = ("QUILLFEATHER^ZEBEDIAH", "4471188", "ACC20210312", "HARROWGATE^OTTOLINE")


def test_no_identifier_survives() -> None:
    """Names, ids, dates, times, phones, UIDs and physicians are gone from all that can be shown."""
    shown = " ".join(
        sentence
        for anatomy in ("*", "pleura", "lung", "heart", "bone")
        for sentence in shown_sentences(REPORT, parse(REPORT), anatomy, IDENTIFIERS)
    )

    secrets = ["quillfeather", "zebediah", "4471188", "acc2021", "harrowgate", "ottoline", "2021", "2020", "january"]
    secrets += ["14:30", "555", "4567", "1.2.840", "94"]
    assert not [secret for secret in secrets if secret in shown.lower()]
    assert "[removed]" in shown


def test_what_is_medicine_stays() -> None:
    """Sizes, levels and plain words are not taken for identifiers; great ages are blurred."""
    shown = shown_sentences(REPORT, parse(REPORT), "bone", IDENTIFIERS)

    assert shown == ("90+-year-old with T11/T12 compression fracture, 2.5 x 3.1 cm.",)


@pytest.mark.parametrize(
    "sentence",
    [
        "A nodule in segment 3 may represent scarring.",
        "Nodules do not enlarge, 12 mm in series 4, image 112.",
        "No pneumothorax, 45 HU mass.",
    ],
)
def test_a_sentence_without_identifiers_is_shown_as_it_is(sentence: str) -> None:
    """Scrubbing invents nothing to remove, even where the patient is called No or May."""
    assert shown_sentences(sentence, parse(sentence), identifiers=("NO^LI",)) == (sentence,)


def test_sentences_of_the_asked_anatomy_come_with_those_of_its_parts() -> None:
    """The right upper lobe is part of the right lung; the effusion is not."""
    shown = shown_sentences(REPORT, parse(REPORT), "lung:right", IDENTIFIERS)

    assert [s.split(" in the")[0] for s in shown] == ["[removed] has a 9 mm nodule"]


def test_absent_findings_are_shown_only_where_nothing_is_found() -> None:
    """For the heart the report has only a denial, and that is worth showing."""
    assert shown_sentences(REPORT, parse(REPORT), "heart") == ("The heart is normal in size.",)
    assert "No pneumothorax." not in shown_sentences(REPORT, parse(REPORT), "pleura")
    assert shown_sentences(REPORT, parse(REPORT), "thyroid") == ()


def test_no_more_than_four_sentences_are_shown() -> None:
    """A long report stays a glimpse; repeated sentences count once."""
    text = " ".join(
        f"Nodule in the {place}. Edema." for place in ("left lung", "right lung", "lingula", "base", "apex")
    )

    shown = shown_sentences(text, parse(text))

    assert len(shown) == MOST_SENTENCES == len(set(shown))


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("Nodule, compared to 3/4/2019.", None, "Nodule, compared to [removed]."),
        ("Nodule, compared to 3/4/2019.", DateOrder.MONTH_FIRST, "Nodule, compared to 3 months earlier."),
        ("Nodule, compared to 3/4/2019.", DateOrder.DAY_FIRST, "Nodule, compared to 2 months earlier."),
        ("DATE: 06/03/2019\nFINDINGS: Nodule, compared to 3/4/2019.", None, "Nodule, compared to 3 months earlier."),
        ("COMPARISON: 25.12.2018\nFINDINGS: Nodule, new since 3.4.2019.", None, "Nodule, new since 2 months earlier."),
    ],
)
def test_dates_are_told_from_the_study(text: str, order: DateOrder | None, expected: str) -> None:
    """In the order of the source, or that of the report's other dates, also those that are never shown."""
    study_date = dt.date(2019, 6, 3)

    assert (expected,) == shown_sentences(text, parse(text), study_date=study_date, site=SiteRules(date_order=order))


def test_a_report_that_was_not_parsed_says_so() -> None:
    """One line for pages and SR; nothing for a report that was read."""
    foreign = "Kein Pneumothorax, keine Infiltrate. Das Herz ist nicht vergrößert und die Pleura ist frei."

    assert "not parsed: not in English" == reason_not_parsed(parse_report(foreign).language)
    assert reason_not_parsed(parse_report("No pneumothorax.").language) == ""


def test_labels_are_readable_and_name_doubt() -> None:
    """The side is always named, the site where it is not the usual one, and the coarse name gives way to the fine."""
    tags = parse("Right pleural effusion. Nodule. Nodule in the left upper lobe. Possible pneumonia. No edema.")

    assert finding_labels(tags) == ("pleural effusion, right", "nodule, left upper lobe", "possible pneumonia")


def test_shared_findings_meet_at_the_common_place() -> None:
    """A part meets its whole, a base its lobe; sides that differ and findings denied are not shared."""
    ours = parse("Right effusion. Left lower lobe pneumonia. Emphysema. Left apical scarring. Cardiomegaly.")
    theirs = parse(
        "Bilateral effusions. Opacity, likely pneumonia, at the left base. Emphysema in the upper lobes. "
        "Right apical scarring. No cardiomegaly."
    )

    assert shared_findings(ours, theirs) == (
        "emphysema",
        "pleural effusion, right",
        "pneumonia, left lower lobe",
    )
    assert shared_findings(ours, theirs, "pleura") == ("pleural effusion, right",)
