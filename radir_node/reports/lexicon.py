"""The words of a language, loaded from YAML and compiled once. Used by every other module of this room.

The files under lexicon/<language>/ say what is searched; this module says how a phrase becomes an expression.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import yaml

from radir_node.domain.anatomy import AnatomyRef, is_at_or_below, resolve

_WORD_GAP = r"(?:[\s-]+)"
_UP_TO_THREE_WORDS = r"(?:[\s-]+[\w/'()]+){0,3}?[\s-]+"
_WORD = re.compile(r"\w+")
_WORDS_REMEMBERED = 16384
_SIDE_LISTS = (("left", "left"), ("right", "right"), ("bilateral", "both"))
CUE_GROUPS = (
    *(
        "termination",
        "pseudo",
        "pseudo_uncertain",
        "pre_historical",
        "post_historical",
        "pre_negation",
        "post_negation",
    ),
    *("hypothetical", "pre_uncertain", "post_uncertain"),
)

Found = tuple[int, int, str]
"""(start, end, meaning) of a phrase found in a text."""

_PARTS = re.compile(r"\[[^\]]*\]|\\.| ~ |\((?!\?)|(?<=\w)\*| ")


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding that can be tagged."""

    id: str
    label: str
    site: str
    """Anatomy key it has when the report names none."""
    within: tuple[str, ...]
    """Anatomies it may be linked to; empty: only its own site, of which the report may tell the side."""

    def accepts(self, site: str) -> bool:
        """Tell whether a mention of this site may belong to the finding."""
        return any(is_at_or_below(site, region) for region in self.within)


class Phrases:
    """Many phrases with a meaning each, looked up by the word that a phrase can begin with.

    Trying some hundred expressions at every word costs milliseconds a report; nearly all words begin none, which is
    found out once for each word and remembered.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._phrases = [
            (re.compile(expression(_first_word(phrase))), re.compile(rf"(?:{expression(phrase)})(?!\w)"), meaning)
            for phrase, meaning in pairs
        ]
        self._beginning_with = lru_cache(maxsize=_WORDS_REMEMBERED)(self._look_up)

    def find(self, text: str, start: int, end: int) -> list[Found]:
        """List (start, end, meaning) in text[start:end], left to right, the longest at each place, none overlapping."""
        found: list[Found] = []
        free = start
        for match in self._matches(text, start, end):
            if match[0] >= free:
                found.append(match)
                free = match[1]
            elif found and match[0] == found[-1][0] and match[1] > free:
                found[-1] = match
                free = match[1]
        return found

    def find_all(self, text: str, start: int, end: int) -> list[Found]:
        """List every match in text[start:end], also those that begin inside another."""
        return list(self._matches(text, start, end))

    def _matches(self, text: str, start: int, end: int) -> Iterator[Found]:
        for word in _WORD.finditer(text, start, end):
            for pattern, meaning in self._beginning_with(word[0]):
                if match := pattern.match(text, word.start(), end):
                    yield match.start(), match.end(), meaning

    def _look_up(self, word: str) -> tuple[tuple[re.Pattern[str], str], ...]:
        return tuple((pattern, meaning) for first, pattern, meaning in self._phrases if first.fullmatch(word))


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Everything the parser knows of one language."""

    findings: Mapping[str, Finding]
    finding_phrases: Phrases
    """Meaning: finding id, with a leading "-" where the phrase itself denies the finding; empty: no finding."""
    site_phrases: Phrases
    """Meaning: anatomy key; side given where the words hold it."""
    plural_sites: re.Pattern[str]
    side_phrases: Phrases
    """Meaning: left, right or bilateral."""
    clause_marks: re.Pattern[str]
    cues: Phrases
    """Meaning: the group of the cue."""
    termination_marks: re.Pattern[str]
    label_values: Mapping[str, re.Pattern[str]]
    """label_absent, label_uncertain -> what the value of a label begins with."""
    headings: Mapping[str, re.Pattern[str]]
    """spoken, silent -> expression that must match a whole heading."""


@cache
def load_lexicon(language: str = "en") -> Lexicon:
    """Load and compile the lexicon of a language. Raises FileNotFoundError when there is none."""
    findings = {entry["id"]: _finding(entry) for entry in _read(language, "findings")}
    anatomy, context = _read(language, "anatomy"), _read(language, "context")
    return Lexicon(
        findings=findings,
        finding_phrases=_finding_phrases(_read(language, "findings"), _read(language, "distractors")),
        site_phrases=_site_phrases(anatomy),
        plural_sites=whole_words(anatomy["plural"]),
        side_phrases=Phrases((phrase, side) for side, key in _SIDE_LISTS for phrase in anatomy[key]),
        clause_marks=re.compile("|".join(anatomy["clause"])),
        cues=Phrases((phrase, group) for group in CUE_GROUPS for phrase in context[group]),
        termination_marks=re.compile(f"[{''.join(map(re.escape, context['termination_marks']))}]"),
        label_values={group: whole_words(context[group]) for group in ("label_absent", "label_uncertain")},
        headings={kind: whole_words(phrases) for kind, phrases in _read(language, "sections").items()},
    )


@cache
def stop_words() -> Mapping[str, frozenset[str]]:
    """Give the small words that tell one language from another, by language code."""
    text = resources.files(__package__).joinpath("lexicon", "languages.yaml").read_text(encoding="utf-8")
    return {language: frozenset(str(word) for word in words) for language, words in _load(text).items()}


def lowered(text: str) -> str:
    """Lower-case a text without moving a character, so that offsets hold in both."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(lower if len(lower := char.lower()) == 1 else char for char in text)


def expression(phrase: str) -> str:
    """Turn a phrase of the lexicon into a regular expression without capturing groups."""
    return _PARTS.sub(_part, phrase)


def whole_words(phrases: Iterable[str]) -> re.Pattern[str]:
    """Compile phrases into one expression that matches any of them between word boundaries, longest first."""
    ordered = sorted(phrases, key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(expression(phrase) for phrase in ordered) + r")(?!\w)")


def _part(match: re.Match[str]) -> str:
    return {" ~ ": _UP_TO_THREE_WORDS, "(": "(?:", "*": r"\w*", " ": _WORD_GAP}.get(match[0], match[0])


def _first_word(phrase: str) -> str:
    """Cut a phrase before the first blank or slash outside brackets, and before a look-ahead.

    Raises ValueError where that blank is optional: the phrase would be looked up by half a word.
    """
    depth = 0
    for index, char in enumerate(phrase):
        if depth == 0 and (char in " /" or phrase.startswith(("(?=", "(?!"), index)):
            if phrase[index + 1 : index + 2] == "?" and char != "(":
                raise ValueError(f"phrase {phrase!r}: write the joined and the separate spelling as two phrases")
            return phrase[:index]
        depth += (char in "([") - (char in ")]")
    return phrase


def _finding(entry: Mapping[str, Any]) -> Finding:
    """Sites are resolved, so that a misspelt one fails when the lexicon is loaded."""
    within = tuple(resolve(site).key for site in entry.get("within", ()))
    return Finding(entry["id"], entry["label"], resolve(entry["site"]).key, within)


def _finding_phrases(entries: Iterable[Mapping[str, Any]], distractors: Iterable[str]) -> Phrases:
    pairs = [(phrase, "") for phrase in distractors]
    for entry in entries:
        pairs += [(phrase, entry["id"]) for phrase in entry["phrases"]]
        pairs += [(phrase, f"-{entry['id']}") for phrase in entry.get("denied", ())]
    return Phrases(pairs)


def _site_phrases(anatomy: Mapping[str, Any]) -> Phrases:
    pairs = [(phrase, AnatomyRef(site).site) for site, phrases in anatomy["sites"].items() for phrase in phrases]
    pairs += [(p, AnatomyRef.from_key(key).key) for key, phrases in anatomy["sided"].items() for p in phrases]
    return Phrases(pairs)


def _read(language: str, name: str) -> Any:
    return _load(resources.files(__package__).joinpath("lexicon", language, f"{name}.yaml").read_text(encoding="utf-8"))


def _load(text: str) -> Any:
    return yaml.safe_load(text)
