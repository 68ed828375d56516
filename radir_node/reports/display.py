"""What of a report may be shown beside a similar case: chosen sentences, scrubbed, and readable findings.

Whole reports are never shown from here. Called by search, whose matches go to pages, SR and JSON, and by node where it
exports the archive's sentences for annotation.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from radir_node.domain.anatomy import SITES, AnatomyRef, is_at_or_below, nearest
from radir_node.domain.embedding import GLOBAL
from radir_node.domain.report import Status, Tag
from radir_node.reports.dates import DateOrder, read_order
from radir_node.reports.identifiers import IdentifierRecognizer
from radir_node.reports.parser import LANGUAGE, default_site, finding_label
from radir_node.reports.people import is_communication
from radir_node.reports.scrub import scrubber

MOST_SENTENCES = 4
_LANGUAGE_NAMES = {"en": "English"}
"""Of the lexicons there are."""


@dataclass(frozen=True, slots=True)
class SiteRules:
    """What a site settles once for all sentences that it shows."""

    date_order: DateOrder | None = None
    """How its sources write dates of numbers alone; None = it is read from each report."""
    recognizer: IdentifierRecognizer | None = None
    """Finds more identifiers than the rules do."""


NOTHING_SETTLED = SiteRules()


def shown_sentences(
    text: str,
    tags: Sequence[Tag],
    anatomy: str = GLOBAL,
    identifiers: Collection[str] = (),
    *,
    study_date: dt.date | None = None,
    site: SiteRules = NOTHING_SETTLED,
) -> tuple[str, ...]:
    """Choose at most four sentences of a report that speak of an anatomy or a part of it, scrubbed, in text order.

    Sentences that state or suspect a finding are chosen; where there is none, those that deny one. tags: of this text,
    from parse. identifiers: names (whole, as in PN), ids and accession number of the patient and the physicians of this
    very study. study_date: the day that dates are told from ("3 months earlier"); without it they are taken out.
    Raises UnknownAnatomy, and whatever the site's recognizer raises.
    """
    here = [tag for tag in tags if is_at_or_below(tag.anatomy, anatomy)]
    scrub = _scrub(text, identifiers, study_date, site)
    for wanted in (_is_believed, _is_denied):
        sentences = _sentences(text, filter(wanted, here))
        if sentences:
            return tuple(islice(_once(map(scrub, sentences)), MOST_SENTENCES))
    return ()


def tagged_sentences(
    text: str,
    tags: Iterable[Tag],
    identifiers: Collection[str] = (),
    *,
    study_date: dt.date | None = None,
    site: SiteRules = NOTHING_SETTLED,
) -> tuple[str, ...]:
    """Give every sentence that has one of the tags, in the order of the tags, scrubbed as shown_sentences does."""
    return tuple(map(_scrub(text, identifiers, study_date, site), _sentences(text, tags)))


def reason_not_parsed(language: str) -> str:
    """Say why a report has no tags, and so no sentences and findings to show; empty where it was parsed.

    language: of the parsed report (ParsedReport.language).
    """
    return "" if language else f"not parsed: not in {_LANGUAGE_NAMES[LANGUAGE]}"


def finding_labels(tags: Iterable[Tag]) -> tuple[str, ...]:
    """Name the stated findings for people, then the suspected ones: "pleural effusion, right", "possible pneumonia"."""
    tags = tuple(tags)
    stated = _labels(tags, Status.PRESENT)
    suspected = [name for name in _labels(tags, Status.UNCERTAIN) if name not in stated]
    return (*stated, *(f"possible {name}" for name in suspected))


def shared_findings(tags_a: Iterable[Tag], tags_b: Iterable[Tag], anatomy: str = GLOBAL) -> tuple[str, ...]:
    """Name the findings that two reports state at the same anatomy, within the asked one. Raises UnknownAnatomy.

    Where one report names a part and the other the whole (left lung base, lung), the finding is shared at the whole;
    nearly equal regions (left lung base, left lower lobe) are the same.
    """
    ours, theirs = (
        {(tag.finding, tag.anatomy) for tag in tags if _is_believed(tag) and is_at_or_below(tag.anatomy, anatomy)}
        for tags in (tags_a, tags_b)
    )
    shared = {
        (finding, _common(here, there))
        for finding, here in ours
        for other, there in theirs
        if finding == other and (_meet(here, there) or _meet(there, here))
    }
    return tuple(sorted(_label(finding, site) for finding, site in _finest(shared)))


def _is_believed(tag: Tag) -> bool:
    return tag.status in (Status.PRESENT, Status.UNCERTAIN)


def _is_denied(tag: Tag) -> bool:
    return tag.status is Status.ABSENT


def _scrub(
    text: str, identifiers: Collection[str], study_date: dt.date | None, site: SiteRules
) -> Callable[[str], str]:
    order = site.date_order or read_order(text, study_date)
    return scrubber(identifiers, study_date=study_date, order=order, recognizer=site.recognizer).scrub


def _sentences(text: str, tags: Iterable[Tag]) -> list[str]:
    spans = dict.fromkeys((tag.sentence_start, tag.sentence_end) for tag in tags)
    sentences = (" ".join(text[start:end].split()) for start, end in spans)
    return [sentence for sentence in sentences if not is_communication(sentence)]


def _once(sentences: Iterable[str]) -> Iterator[str]:
    """Pass each sentence on the first time; those that are not asked for are not scrubbed."""
    seen: set[str] = set()
    for sentence in sentences:
        if sentence not in seen:
            seen.add(sentence)
            yield sentence


def _meet(part: str, whole: str) -> bool:
    return is_at_or_below(part, whole) or nearest(part, (whole,)) is not None


def _common(here: str, there: str) -> str:
    return there if is_at_or_below(here, there) else here


def _labels(tags: Sequence[Tag], status: Status) -> list[str]:
    pairs = dict.fromkeys((tag.finding, tag.anatomy) for tag in tags if tag.status is status)
    return list(dict.fromkeys(_label(finding, anatomy) for finding, anatomy in _finest(pairs)))


def _finest(pairs: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out a finding at a whole that is also named at a part of it; order is kept."""
    return [
        (finding, site)
        for finding, site in pairs
        if not any(finding == f and site != s and is_at_or_below(s, site) for f, s in pairs)
    ]


def _label(finding: str, anatomy: str) -> str:
    """Name the side always, and the site only where it is not the one that goes without saying."""
    ref, name = AnatomyRef.from_key(anatomy), finding_label(finding)
    if ref.site != default_site(finding):
        return f"{name}, {ref.label}"
    return f"{name}, {ref.side}" if ref.side and SITES[ref.site].side == "sided" else name
