"""The words of a language, loaded from YAML and compiled once. Used by every other module of this room.

The files under lexicon/<language>/ say what is searched, lexicon/README.md how a phrase is written.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import yaml

from radir_node.domain.anatomy import SIDES, SITES, AnatomyRef, code, is_at_or_below, resolve
from radir_node.reports.automaton import Automaton

FINDING, SITE, PART, SIDE, CLAUSE, BEFORE, AFTER, BREAK, PSEUDO, CHANGE = range(10)
"""Kinds of phrases: findings; sites; "upper" of "upper and lower lobes"; sides; what begins another clause; cues that
speak of what follows, of what precedes; what ends the scope of cues; what looks like a cue; cues of change."""
_KINDS = 10
_MAY_OVERLAP = frozenset((BEFORE, AFTER, BREAK, PSEUDO))
FINDING_FILES = ("findings", "diseases", "devices")
DENIED = "-"
"""Before a finding's id: the phrase itself denies the finding."""
PLURAL = "+"
"""After an anatomy key or a finding's id: a plural, which means both sides unless one is named."""

_WORD = re.compile(r"\w+|[^\w\s-]")
_HEADINGS_REMEMBERED = 4096

_CUES = {
    BREAK: ("termination",),
    PSEUDO: ("pseudo", "pseudo_uncertain"),
    BEFORE: (
        *("pre_historical", "pre_resolved", "hypothetical", "pre_negation"),
        *("pre_doubt", "pre_alternative", "pre_probable"),
    ),
    AFTER: (
        *("post_historical", "post_resolved", "post_negation", "post_query"),
        *("post_doubt", "post_alternative", "post_choice", "post_probable"),
    ),
}
_SIDE_LISTS = (("left", "left"), ("right", "right"), ("bilateral", "both"))


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding, disease or device that can be tagged."""

    id: str
    label: str
    kind: str
    """finding | disease | device."""
    site: str
    """Anatomy key it has when the report names none; empty: without a named site it is not tagged."""
    places: frozenset[str]
    """Anatomy keys it may be linked to: its own site, and all within the regions that the lexicon names."""
    parts: frozenset[str]
    """Anatomy keys of its own site and all parts of it, which count where they are named in its very words."""
    becomes: tuple[tuple[str, str], ...]
    """(region, finding): what the same words mean there ("effusion" in the pericardium)."""

    side_from: frozenset[str]
    """Regions whose sites tell only the side of its own ("effusion in the left hemithorax")."""
    keeps_site: bool
    """Whether it lies at its own site too when the report names another."""

    def at(self, site: str) -> str:
        """Give the id of what the finding is at a site."""
        if not self.becomes:
            return self.id
        return next((other for region, other in self.becomes if lies_in(site, region)), self.id)


@dataclass(frozen=True)
class Lexicon:
    """Everything the parser knows of one language."""

    language: str
    findings: Mapping[str, Finding]
    phrases: Automaton
    """All phrases; their meanings by kind: finding id, anatomy key, part, side, nothing, and groups of cues."""
    families: tuple[Mapping[str, str], ...]
    """Part -> site, of sites whose head word is said once for several ("upper and lower lobes")."""
    connectors: frozenset[str]
    """Words between a part and the head word it shares."""
    label_values: Mapping[str, str]
    """First word of a label's value -> label_absent or label_uncertain."""
    headings: "Headings"

    def sharing(self, part: str, site: str) -> str | None:
        """Give the site that a part names when it shares the head word of this one: upper, lower_lobe -> upper_lobe."""
        return next((family.get(part) for family in self.families if site in family.values()), None)


class Headings:
    """The headings that open a section."""

    def __init__(self, spoken: Iterable[str], silent: Iterable[str]) -> None:
        named = [(name, kind, "") for kind, names in enumerate((spoken, silent)) for name in names]
        self._phrases = Automaton(2, named)
        self.speaks = lru_cache(maxsize=_HEADINGS_REMEMBERED)(self._speaks)
        """Tell whether text under a heading speaks of the images; None for a heading that opens no section."""

    def _speaks(self, heading: str) -> bool | None:
        words = _WORD.findall(heading)
        found = self._phrases.find(words)
        spoken, silent = (any(end - start == len(words) for start, end, _ in hits) for hits in found)
        return spoken if spoken or silent else None


@cache
def has_lexicon(language: str) -> bool:
    """Tell whether there are words of a language, named by its code ("en")."""
    return language.isalpha() and resources.files(__package__).joinpath("lexicon", language).is_dir()


@cache
def load_lexicon(language: str) -> Lexicon:
    """Load and compile the lexicon of a language. Raises FileNotFoundError when there is none."""
    anatomy, context = read_words(language, "anatomy"), read_words(language, "context")
    findings = {kind: read_words(language, kind) for kind in FINDING_FILES}
    phrases = (
        *((phrase, FINDING, "") for phrase in read_words(language, "distractors")),
        *(found for entries in findings.values() for found in _finding_phrases(entries)),
        *_site_phrases(anatomy),
        *((phrase, kind, group) for kind, groups in _CUES.items() for group in groups for phrase in context[group]),
        *((phrase, CHANGE, change) for change, cues in context["change"].items() for phrase in cues),
    )
    return Lexicon(
        language=language,
        findings={entry["id"]: _finding(entry, kind) for kind, entries in findings.items() for entry in entries},
        phrases=Automaton(_KINDS, phrases, _MAY_OVERLAP),
        families=tuple(anatomy["families"]),
        connectors=frozenset(anatomy["connectors"]) | {part for family in anatomy["families"] for part in family},
        label_values={word: group for group in ("label_absent", "label_uncertain") for word in context[group]},
        headings=Headings(**read_words(language, "sections")),
    )


@cache
def stop_words() -> Mapping[str, frozenset[str]]:
    """Give the small words that tell one language from another, by language code."""
    text = resources.files(__package__).joinpath("lexicon", "languages.yaml").read_text(encoding="utf-8")
    return {language: frozenset(str(word) for word in words) for language, words in _load(text).items()}


@cache
def foreign_words(language: str) -> frozenset[str]:
    """Give the small words of all languages but this one."""
    return frozenset().union(*(words for code, words in stop_words().items() if code != language))


def lowered(text: str) -> str:
    """Lower-case a text without moving a character, so that offsets hold in both."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(lower if len(lower := char.lower()) == 1 else char for char in text)


@lru_cache(maxsize=16_384)
def lies_in(key: str, region: str) -> bool:
    """Remember is_at_or_below of the domain: the vocabulary has few hundred keys, reports ask a thousand times."""
    return is_at_or_below(key, region)


def _finding(entry: Mapping[str, Any], kind: str) -> Finding:
    """Sites are resolved, so that a misspelt one fails when the lexicon is loaded."""
    within = [resolve(site).key for site in entry.get("within", ())]
    site = resolve(entry["site"]).key if entry["site"] else ""
    becomes = tuple(entry.get("becomes", {}).items())
    side_from = frozenset(resolve(site).key for site in entry.get("side_from", ()))
    keeps_site = bool(entry.get("keeps_site", False))
    return Finding(
        id=entry["id"],
        label=entry["label"],
        kind=kind.removesuffix("s"),
        site=site,
        places=frozenset(key for key in _keys() if key.partition(":")[0] == site or _lies_in_any(key, within)),
        parts=frozenset(key for key in _keys() if lies_in(key, site or "thorax")),
        becomes=becomes,
        side_from=side_from,
        keeps_site=keeps_site,
    )


@cache
def _keys() -> tuple[str, ...]:
    """List every anatomy key, with each side that it may have."""
    keys = {AnatomyRef(site).key for site in SITES}
    return (*keys, *(f"{site}:{side}" for site, entry in SITES.items() if entry.side == "sided" for side in SIDES))


def _lies_in_any(key: str, regions: Iterable[str]) -> bool:
    return any(lies_in(key, region) for region in regions)


def _finding_phrases(entries: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, int, str]]:
    for entry in entries:
        yield from ((phrase, FINDING, entry["id"] + PLURAL) for phrase in entry.get("plural", ()))
        yield from ((phrase, FINDING, entry["id"]) for phrase in entry["phrases"])
        yield from ((phrase, FINDING, DENIED + entry["id"]) for phrase in entry.get("denied", ()))


def _site_phrases(anatomy: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    yield from ((phrase, SITE, "") for phrase in anatomy["distractors"])
    for entry in anatomy["sites"]:
        _check(entry)
        site = entry["site"]
        yield from ((phrase, SITE, site + PLURAL) for phrase in entry.get("plural", ()))
        yield from ((phrase, SITE, AnatomyRef(site).key) for phrase in entry.get("phrases", ()))
        for side in ("left", "right", "bilateral"):
            yield from ((phrase, SITE, AnatomyRef(site, side).key) for phrase in entry.get(side, ()))
    yield from ((part, PART, part) for family in anatomy["families"] for part in family)
    yield from ((phrase, SIDE, side) for side, key in _SIDE_LISTS for phrase in anatomy[key])
    yield from ((phrase, CLAUSE, "") for phrase in anatomy["clause"])


def _check(entry: Mapping[str, Any]) -> None:
    """Hold what a reader sees beside the words against the vocabulary. Raises ValueError where they disagree."""
    site = entry["site"]
    expected = (SITES[site].side, code(site)[0])
    if (entry["side"], str(entry["code"])) != expected:
        raise ValueError(f"anatomy.yaml: {site} has side and code {expected} in the vocabulary")


def read_words(language: str, name: str) -> Any:
    """Read one file of a language. Raises FileNotFoundError when there is none."""
    return _load(resources.files(__package__).joinpath("lexicon", language, f"{name}.yaml").read_text(encoding="utf-8"))


def _load(text: str) -> Any:
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
