"""Dates and times of a sentence, told from the study: "3/4/2019" becomes "3 months earlier". Used by scrub and display.

A date is never guessed. All days that it may mean are looked at (3/4 is in March or in April, 20 is 1920 or 2020), and
where they would be told in different words it is taken out. Which of day and month stands first is read from the other
dates of the report. Times of day, days of the week and dates without a year always go.
"""

import datetime as dt
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from radir_node.reports.identifiers import Identifier

_MOST_YEARS_EARLIER = 89
"""What lies further back may be the birth of somebody who is older than may be told."""
_MOST_YEARS_LATER = 5
_TWO_DIGITS = 100
_MOST_YEARS_OF_TWO_DIGITS = 79
_DAYS_AS_DAYS, _DAYS_AS_WEEKS, _MONTHS_AS_MONTHS = 14, 60, 24
"""From here on the next coarser unit is used."""
_DAYS_OF_A_WEEK, _DAYS_OF_A_MONTH, _DAYS_OF_A_YEAR = 7, 30.4375, 365.25
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_LONG_MONTH = r"(?:january|february|march|april|june|july|august|september|october|november|december|(?-i:May))"
"""May only with a large letter, as it is nearly always a verb."""
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_NTH = r"\d{1,2}(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d{2})"
_SHORT_YEAR = r"(?P<year>(?:19|20)\d{2}|(?<=-)\d{2}|['’]\d{2})"
_CLOCK = r"(?:[01]?\d|2[0-4])[:h][0-5]\d(?::[0-5]\d)?(?:\s*(?:[ap]\.?m\b\.?|hours\b|hrs\b|h\b))?"
_BEGIN, _END = r"(?<![\w./])(?<!\d-)", r"(?![\w/]|[.-]\d)"
_LEAD = rf"(?:(?P<lead>\b(?:on|in)\s+)(?:{_WEEKDAY},?\s+)?|\b{_WEEKDAY},?\s+)?"
"""Words before a date that an offset does not follow, and a day of the week."""
_AT_TIME = rf"(?:,?\s+(?:at\s+)?{_CLOCK})?"

_DATES = tuple(
    re.compile(rf"{_LEAD}{_BEGIN}{date}{_AT_TIME}{_END}", re.IGNORECASE)
    for date in (
        r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})(?:t\d{2}:?\d{2}(?::?\d{2})?z?)?",
        r"(?P<first>\d{1,2})(?P<mark>[-/.])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})",
        rf"(?:the )?{_DAY}[ .-]{{1,2}}(?:of )?(?P<name>{_MONTH}),?[ -](?:of )?{_SHORT_YEAR}",
        rf"(?P<name>{_MONTH})[ -]{_DAY}[, -]{{1,2}}{_SHORT_YEAR}",
        rf"(?:(?:early|mid|late)[ -])?(?P<name>{_MONTH}),?[ -](?:of )?{_SHORT_YEAR}",
        rf"(?P<month>0?[1-9]|1[0-2])/{_YEAR}",
        rf"(?:(?:early|mid|late)[ -])?{_YEAR}",
    )
)
"""Dates with a year, the more complete first. In "03-Mar-19" the year has two digits, in "Jan 5, 12 mm" it is none."""
_NUMERIC_DATE = _DATES[1]
_BIRTH = re.compile(
    rf"\b(?:dob|born|birth ?date|date of birth)\b[:\s]*(?P<what>(?:(?:on|in|{_MONTH}|{_NTH})[ ,./-]+)*\d{{2,4}}\b)",
    re.IGNORECASE,
)
_WITHOUT_YEAR = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:19|20)\d{{2}}[-–/](?:19|20)?\d{{2}}{_END}",
        rf"{_BEGIN}{_NTH} of {_MONTH}{_END}",
        rf"{_BEGIN}{_NTH}[ -](?!may\b){_MONTH}{_END}",
        rf"\b(?!may\b){_MONTH}[ -]{_NTH}{_END}",
        rf"\b(?:on|from|of|since|dated)\s(?P<what>{_NTH} may|may {_NTH}){_END}",
        rf"\b(?:in|since|from|of|last|early|late|mid|until|before|after)[ -](?P<what>{_LONG_MONTH}){_END}",
        rf"\b(?:on|dated|since)\s(?P<what>\d{{1,2}}/\d{{1,2}}){_END}(?!\s+of\b)",
        rf"\b(?:study|exam|examination|ct|mri|film|radiograph|scan)s? (?:from|of)\s(?P<what>\d{{1,2}}/\d{{1,2}}){_END}",
        rf"\b{_WEEKDAY}\b",
        rf"\b{_CLOCK}(?!\w)",
        r"\b(?:1[0-2]|0?\d)(?:[:.][0-5]\d)?\s*(?:[ap]\.m\b\.?|[ap]m\b)",
        r"\b(?:[01]\d|2[0-3])[0-5]\d\s*(?:hours|hrs|h)\b",
        r"\bat\s(?P<what>(?:[01]\d|2[0-3])[0-5]\d)\b",
    )
)
"""What tells a day or a time and no year; `what`, where there is one, is the part that goes."""


class DateOrder(StrEnum):
    """Which of day and month stands first in dates of numbers alone."""

    MONTH_FIRST = "mdy"
    DAY_FIRST = "dmy"


class _Moment(NamedTuple):
    """A day, a month (day 0) or a year (month 0)."""

    year: int
    month: int = 0
    day: int = 0

    @property
    def date(self) -> dt.date | None:
        """Its first day; None where the calendar has no such moment."""
        try:
            return dt.date(self.year, self.month or 1, self.day or 1)
        except ValueError:
            return None

    def words(self, study_date: dt.date) -> str | None:
        """Tell the moment as seen from the study; None where it is too far away to be told."""
        first, years = self.date, study_date.year - self.year
        if first is None or not -_MOST_YEARS_LATER <= years <= _MOST_YEARS_EARLIER:
            return None
        if self.day:
            return _days((study_date - first).days)
        return _coarse(12 * years + study_date.month - self.month, "month") if self.month else _coarse(years, "year")


def find_dates(sentence: str, study_date: dt.date | None, order: DateOrder | None) -> Iterator[Identifier]:
    """Yield every date and time of a sentence with what is shown for it; they do not overlap.

    Without a study date nothing is told of a date; without an order, only what both orders agree in.
    """
    sentence = sentence.replace("ſ", "s")  # which IGNORECASE takes for an s, and no name of a month has
    taken: list[tuple[int, int]] = []
    for match in _BIRTH.finditer(sentence):
        taken.append(match.span("what"))
        yield Identifier(*match.span("what"), "date")
    for pattern in _DATES:
        for match in pattern.finditer(sentence):
            moments = _moments(match, study_date, order)
            if _is_free(match.span(), taken) and (moments or int(match["year"].strip("'’")) >= _TWO_DIGITS):
                taken.append(match.span())
                yield _identifier(match, moments, study_date)
    for pattern in _WITHOUT_YEAR:
        for match in pattern.finditer(sentence):
            span = match.span("what" if "what" in pattern.groupindex else 0)
            if _is_free(span, taken):
                taken.append(span)
                yield Identifier(*span, "date")


def read_order(text: str, study_date: dt.date | None) -> DateOrder | None:
    """Tell the order that the dates of a report keep: from those with a day above 12, else from the study's own date.

    None where the report does not tell, or contradicts itself.
    """
    told: set[DateOrder] = set()
    own: set[DateOrder] = set()
    for match in _NUMERIC_DATE.finditer(text):
        read = {order: [moment.date for moment in _numeric(match, order, study_date)] for order in DateOrder}
        fitting = [order for order, dates in read.items() if dates]
        if len(fitting) == 1:
            told.update(fitting)
        elif study_date and match["first"] != match["second"]:
            own.update(order for order in fitting if study_date in read[order])
    found = told or own
    return found.pop() if len(found) == 1 else None


def _is_free(span: tuple[int, int], taken: list[tuple[int, int]]) -> bool:
    return not any(start < span[1] and span[0] < end for start, end in taken)


def _identifier(match: re.Match[str], moments: set[_Moment], study_date: dt.date | None) -> Identifier:
    """Show the one thing that all these moments are from the study; a word that cannot stand before it goes too."""
    told = {moment.words(study_date) for moment in moments} if study_date else {None}
    words = told.pop() if len(told) == 1 else None
    lead = match["lead"] or ""
    if words is None:
        return Identifier(match.start() + len(lead), match.end(), "date")
    if words.startswith("the "):
        return Identifier(match.start(), match.end(), "date", lead + words)
    return Identifier(match.start(), match.end(), "date", words.capitalize() if match.start() == 0 else words)


def _moments(match: re.Match[str], study_date: dt.date | None, order: DateOrder | None) -> set[_Moment]:
    """List all that a date may mean; nothing where it is none. One that the order does not fit was copied from afar."""
    found = match.groupdict()
    if "first" in found:
        one = {moment for moment in _numeric(match, order, study_date)} if order else set()
        return one or {moment for either in DateOrder for moment in _numeric(match, either, study_date)}
    month = _MONTHS.index(found["name"][:3].lower()) + 1 if found.get("name") else int(found.get("month") or 0)
    dates = {_Moment(year, month, int(found.get("day") or 0)) for year in _years(found["year"], study_date)}
    return {moment for moment in dates if moment.date}


def _numeric(match: re.Match[str], order: DateOrder, study_date: dt.date | None) -> list[_Moment]:
    numbers = int(match["first"]), int(match["second"])
    month, day = numbers if order is DateOrder.MONTH_FIRST else numbers[::-1]
    dates = [_Moment(year, month, day) for year in _years(match["year"], study_date)]
    return [moment for moment in dates if month and day and moment.date]


def _years(digits: str, study_date: dt.date | None) -> list[int]:
    """Give the years that digits may mean; two digits mean one that a report can speak of, if there is one."""
    number = int(digits.strip("'’"))
    if number >= _TWO_DIGITS:
        return [number]
    both = [1900 + number, 2000 + number]
    now = study_date.year if study_date else both[1]
    return [year for year in both if -1 <= now - year <= _MOST_YEARS_OF_TWO_DIGITS] or both


def _days(earlier: int) -> str:
    count = abs(earlier)
    if count == 0:
        return "the same day"
    if count < _DAYS_AS_DAYS:
        return _told(count, "day", earlier)
    if count < _DAYS_AS_WEEKS:
        return _told(round(count / _DAYS_OF_A_WEEK), "week", earlier)
    months = round(count / _DAYS_OF_A_MONTH)
    if months < _MONTHS_AS_MONTHS:
        return _told(months, "month", earlier)
    return _told(round(count / _DAYS_OF_A_YEAR), "year", earlier)


def _coarse(earlier: int, unit: str) -> str:
    """Tell whole months or years; of neighbours the days between are not known."""
    if abs(earlier) <= 1:
        return (f"the {unit} after", f"the same {unit}", f"the {unit} before")[earlier + 1]
    if unit == "month" and abs(earlier) >= _MONTHS_AS_MONTHS:
        return f"about {_told(round(abs(earlier) / 12), 'year', earlier)}"
    return f"about {_told(abs(earlier), unit, earlier)}"


def _told(count: int, unit: str, earlier: int) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'} {'earlier' if earlier > 0 else 'later'}"
