"""Dates as people see them: told from the study, or taken out, and never guessed."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radir_node.reports.dates import DateOrder, find_dates, read_order

STUDY = dt.date(2019, 6, 3)
MONTH_FIRST, DAY_FIRST = DateOrder.MONTH_FIRST, DateOrder.DAY_FIRST


def told(sentence: str, study_date: dt.date | None = STUDY, order: DateOrder | None = None) -> str:
    """Show a sentence with its dates replaced."""
    for found in sorted(find_dates(sentence, study_date, order), reverse=True):
        sentence = sentence[: found.start] + found.shown + sentence[found.end :]
    return sentence


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("compared to March 4, 2019", "compared to 3 months earlier"),
        ("compared to 4 Mar 2019 at 14:30, stable", "compared to 3 months earlier, stable"),
        ("CT dated 03-Mar-19", "CT dated 3 months earlier"),
        ("since the 5th of March, 2019", "since 3 months earlier"),
        ("the study of 2019-06-03", "the study of the same day"),
        ("seen on Monday, June 3, 2019, again", "seen on the same day, again"),
        ("seen on 6/2/2019 and on 25/05/2019", "seen on [removed] and 9 days earlier"),
        ("seen on 05/20/2019", "seen 2 weeks earlier"),
        ("radiograph of 2017-06-03", "radiograph of 2 years earlier"),
        ("radiograph of June 2, 2018", "radiograph of 12 months earlier"),
        ("follow-up on 2019-06-17", "follow-up 2 weeks later"),
        ("July 1, 2019", "4 weeks later"),
        ("On June 2, 2019 a nodule", "1 day earlier a nodule"),
    ],
)
def test_a_date_becomes_its_distance_from_the_study(sentence: str, expected: str) -> None:
    """Days, weeks, months or years, earlier or later; the preposition and the time of day go along."""
    assert expected == told(sentence)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("since March 2019", "since about 3 months earlier"),
        ("as in March 2019 and in 2015", "as about 3 months earlier and about 4 years earlier"),
        ("In May 2019", "In the month before"),
        ("in June 2019", "in the same month"),
        ("since mid-2018", "since the year before"),
        ("in 2019", "in the same year"),
        ("of 03/2019", "of about 3 months earlier"),
        ("since January 2016", "since about 3 years earlier"),
    ],
)
def test_a_month_or_a_year_is_told_as_roughly_as_it_is_known(sentence: str, expected: str) -> None:
    """The last of May is a day before the first of June: neighbours are named as neighbours."""
    assert expected == told(sentence)


@pytest.mark.parametrize(
    ("order", "expected"),
    [(None, "[removed]"), (MONTH_FIRST, "3 months earlier"), (DAY_FIRST, "2 months earlier")],
)
def test_a_date_that_may_be_two_is_told_only_in_a_known_order(order: DateOrder | None, expected: str) -> None:
    """3/4/2019 is in March or in April."""
    assert f"compared to {expected}" == told("compared to 3/4/2019", order=order)
    assert f"compared to {expected}" == told("compared to 03.04.19", order=order)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("of 4/4/2019", "of 2 months earlier"),
        ("of 3/4/2009", "of 10 years earlier"),
        ("of 25/3/2019", "of 2 months earlier"),
        ("of 3/25/2019", "of 2 months earlier"),
    ],
)
def test_a_date_that_is_one_in_both_orders_is_told(sentence: str, expected: str) -> None:
    """The same numbers, a day above 12, or so long ago that the order does not matter."""
    assert expected == told(sentence)


def test_the_order_is_read_from_the_report() -> None:
    """From a day above 12, else from the date of the study; contradictions and silence say nothing."""
    assert MONTH_FIRST is read_order("Compared to 3/25/2019 and 3/4/2019.", STUDY)
    assert DAY_FIRST is read_order("Compared to 25.3.2019 and 3.4.2019.", None)
    assert MONTH_FIRST is read_order("DATE: 06/03/2019. Compared to 3/4/2019.", STUDY)
    assert DAY_FIRST is read_order("DATE: 03/06/2019. Compared to 3/4/2019.", STUDY)
    assert read_order("Compared to 3/25/2019 and 25/3/2019.", STUDY) is None
    assert read_order("Compared to 3/4/2019.", STUDY) is None
    assert read_order("No date, 12 mm.", STUDY) is None


@pytest.mark.parametrize(
    "secret",
    [
        *("January 5", "5 Jan", "the 5th of March", "14:30", "10:15 a.m.", "5 pm", "1430 hours", "Tuesday"),
        *("1/2/1925", "3/4/35", "1920", "June 3, 2031", "2018-2019", "31/31/2019"),
    ],
)
def test_what_cannot_be_told_is_taken_out(secret: str) -> None:
    """Dates without a year, times, weekdays, births of the very old, the far future and dates that do not exist."""
    assert secret.removeprefix("the ") not in told(f"The nodule of {secret} is stable.")
    assert "[removed]" in told(f"The nodule of {secret} is stable.")


@pytest.mark.parametrize("sentence", ["born on March 4, 1950, with", "DOB 3/4/1950", "date of birth: 4 Mar 1950"])
def test_a_birth_is_never_told(sentence: str) -> None:
    """How long ago it was is the age to the month."""
    assert "[removed]" in told(sentence)
    assert "earlier" not in told(sentence)


@given(st.dates(dt.date(1990, 1, 1), dt.date(2030, 1, 1)))
def test_without_the_date_of_the_study_every_date_goes(date: dt.date) -> None:
    """No part of it is left."""
    for form in ("%Y-%m-%d", "%m/%d/%Y", "%d.%m.%Y", "%B %d, %Y", "%d %b %Y", "%d-%b-%y", "%B %Y", "%Y"):
        assert told(f"since {date.strftime(form)}, a mass", None) == "since [removed], a mass"


@given(st.dates(dt.date(1940, 1, 1), dt.date(2024, 5, 1)), st.dates(dt.date(2000, 1, 1), dt.date(2024, 6, 1)))
def test_a_date_is_never_told_wrongly(date: dt.date, study: dt.date) -> None:
    """Whatever is told of a date of numbers alone is what its true order tells, in either order."""
    for form, order in (("%m/%d/%Y", MONTH_FIRST), ("%d/%m/%Y", DAY_FIRST)):
        sentence = f"since {date.strftime(form)}, a mass"
        assert told(sentence, study) in (told(sentence, study, order), "since [removed], a mass")


@pytest.mark.parametrize(
    "sentence",
    [
        *("T11-12 and L1-L2", "3:1", "2.5-10 mm", "from 1/2 to 2/3 of the lung", "ribs 10 11 12", "within 24 hours"),
        *("THIS MAY REPRESENT 3 NODULES", "Nodules may be 5 mm", "decreasing to 3/3", "segment 3 may be 20 mm"),
    ],
)
def test_what_is_no_date_stays(sentence: str) -> None:
    """Levels, ratios, fractions, durations and the verb "may"."""
    assert sentence == told(sentence)
