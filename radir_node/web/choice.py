"""What a visitor chose on the results page: from query string to domain.match.Query. Used by results and api."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from radir_node.domain.embedding import GLOBAL
from radir_node.domain.match import Filters, Query
from radir_node.errors import UserError
from radir_node.web.ports import StudyCard

OVERALL = "overall"
"""How links name the global partition."""
MOST_CASES = 100
SEXES = ("F", "M", "O")


@dataclass(frozen=True, slots=True)
class Choice:
    """Anatomy, number of cases and filters, as the results page offers them."""

    k: int
    anatomy: str = GLOBAL
    sex: str = ""
    age_within: int | None = None
    """Largest difference to the query's age, years."""
    year_from: int | None = None
    year_to: int | None = None
    same_patient: bool = False

    @property
    def filtered(self) -> bool:
        return bool(self.sex or self.age_within is not None or self.year_from or self.year_to or self.same_patient)

    def link(self, **changes: object) -> str:
        """Write the query string ("?anatomy=...") of this choice with some fields changed."""
        fields = {
            "anatomy": OVERALL if self.anatomy == GLOBAL else self.anatomy,
            "k": self.k,
            "sex": self.sex,
            "age": self.age_within,
            "from": self.year_from,
            "to": self.year_to,
            "same_patient": int(self.same_patient),
        } | changes
        if fields["anatomy"] == GLOBAL:
            fields["anatomy"] = OVERALL
        return "?" + urlencode({name: value for name, value in fields.items() if value or name == "anatomy"})


def read_choice(parameters: Mapping[str, str], usual_k: int) -> Choice:
    """Read a query string. Raises UserError naming the first parameter that is out of range."""
    anatomy = parameters.get("anatomy", "").strip()
    sex = parameters.get("sex", "").strip().upper()
    if sex and sex not in SEXES:
        raise UserError(f"sex must be one of {', '.join(SEXES)}")
    return Choice(
        k=_number(parameters, "k", 1, MOST_CASES) or usual_k,
        anatomy=GLOBAL if anatomy in ("", OVERALL, GLOBAL) else anatomy,
        sex=sex,
        age_within=_number(parameters, "age", 1, 130),
        year_from=_number(parameters, "from", 1900, 2200),
        year_to=_number(parameters, "to", 1900, 2200),
        same_patient=parameters.get("same_patient", "") in ("1", "true", "on"),
    )


def query_of(card: StudyCard, choice: Choice) -> Query:
    """Ask for cases like a study. Raises UserError when ages are to be compared and the study has none."""
    age_min = age_max = None
    if choice.age_within is not None:
        if card.age_years is None:
            raise UserError("the study gives no age, so cases cannot be filtered by it")
        age_min, age_max = card.age_years - choice.age_within, card.age_years + choice.age_within
    filters = Filters(
        sex=choice.sex or None,
        age_min=age_min,
        age_max=age_max,
        date_from=dt.date(choice.year_from, 1, 1) if choice.year_from else None,
        date_to=dt.date(choice.year_to, 12, 31) if choice.year_to else None,
        include_same_patient=choice.same_patient,
    )
    return Query(card.study_instance_uid, anatomy=choice.anatomy, k=choice.k, filters=filters)


def _number(parameters: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    text = parameters.get(name, "").strip()
    if not text:
        return None
    written_well = text.isascii() and text.isdigit() and len(text) <= 9
    if not written_well or not least <= int(text) <= most:
        raise UserError(f"{name} must be a whole number from {least} to {most}")
    return int(text)
