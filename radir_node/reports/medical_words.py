"""What no guess takes out of a sentence: measurements, levels, grades, eponyms, words of medicine. Used by scrub.

Numbers and letters that mean something are found by their form; words are those of the lexicon, with eponyms and
abbreviations that a recognizer of names takes for people or places (lexicon/<language>/eponyms.yaml).
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby

from radir_node.reports.automaton import Automaton
from radir_node.reports.identifiers import Identifier
from radir_node.reports.lexicon import load_lexicon, lowered, read_words
from radir_node.reports.sentences import split_words, word_places

Span = tuple[int, int]
"""Of characters."""

_LANGUAGE = "en"
_TOKEN = re.compile(r"[^\s,;:()/]*[^\W\d_][^\s,;:()/]*")
_NAME = re.compile(r"\w\w")
_LETTERS = re.compile(r"[^\W\d_]+")
_POSSESSIVE = re.compile(r"['’]s?\b", re.IGNORECASE)
_SHORTEST_STEM = 6
"""Letters; of a shorter one ("rib*", "scar*") too many names are made."""
_UNITS = (
    r"(?:mm|cm|millimet(?:er|re)s?|centimet(?:er|re)s?|ml|cc|hu|hounsfield|kvp?|mas|mgy|msv|mci|mbq|mg|kg|grams?|lit(?:er|re)s?|bpm|mhz"
    r"|fr(?:ench)?|gauge|degrees?|percent)\b|[%°]"
)
_NUMBER = r"\d{1,5}(?:[.,]\d{1,3})?"
_LIST = r"(?:\s*(?:[-–/,&]|and|to|through)\s*\d{1,4})*"
_GRADED = (
    r"(?:(?:bi|lung|li|pi|ti|o|cad)-?\s?rads|gold|stage|grade|type|category|class|figo|nyha|asa|figure|fig|phase|mrc"
    r"|score|zone|segments?|ribs?|levels?|position)"
)
_NUMBERED = r"(?:series|serial|se|images?|im|img|slices?|sequences?|frames?)"

_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?<![\w.]){_NUMBER}(?:(?:\s*(?:x|×|by|to)\s*|[-–]){_NUMBER}){{0,3}}\s*-?\s*{_UNITS}",
        rf"(?<![\w.]){_NUMBER}(?:\s*[x×]\s*{_NUMBER}){{1,3}}(?!\w)",
        r"\b(?:ratio|dilution)\b[\w\s]{0,12}?\d{1,3}\s?:\s?\d{1,3}\b|\b\d{1,3}\s?:\s?\d{1,3}\s+(?:ratio|dilution)\b",
        r"\b(?:1[0-2]|[1-9])(?::\d{2})?\s*(?:o\W?\s?clock|position|axis)\b",
        r"\b[CTLS]\d{1,2}(?:\s*[-–/,&]\s*[CTLS]?\d{1,2}\b)*",
        rf"\b{_GRADED}\b\s*:?\s*(?:\d{{1,3}}[A-Za-z]?|[IVX]+[A-Ca-c]?|[A-Da-d])\b{_LIST}",
        rf"\b{_NUMBERED}\b\s*(?:#|no\.?|numbers?|:)?\s*\d{{1,4}}\b{_LIST}",
        r"\b(?:cannula|tube|id|od)\s+\d(?:\.\d)?\b",
    )
)


def protected(sentence: str) -> list[Span]:
    """List the measurements, levels, grades, image numbers and eponyms of a sentence.

    Numbers of series and images stay: they lead a reader through a study that is open to them, and tell nobody's name.
    """
    return [match.span() for form in _FORMS for match in form.finditer(sentence)]


def without_medicine(found: Identifier, sentence: str) -> Iterator[Identifier]:
    """Yield what of a guess may be a name: the runs of words between those of medicine, so that no finding is lost."""
    kept = [*protected(sentence), *_eponyms(sentence)]
    tokens = [match.span() for match in _TOKEN.finditer(sentence, found.start, found.end)]
    for is_name, run in groupby(tokens, lambda span: _is_name(span, sentence, kept)):
        spans = list(run)
        if is_name:
            yield found._replace(start=spans[0][0], end=spans[-1][1])


@cache
def function_words() -> frozenset[str]:
    """Give the words that are taken out only as part of a longer name."""
    return frozenset(word for words in read_words(_LANGUAGE, "function_words").values() for word in words)


def _is_name(span: Span, sentence: str, kept: Sequence[Span]) -> bool:
    """Tell whether a word may be a name. A letter alone is none."""
    token = sentence[slice(*span)]
    if any(start < span[1] and span[0] < end for start, end in kept) or not _NAME.search(token):
        return False
    return not all(is_medical_word(word.lower()) for word in _LETTERS.findall(_POSSESSIVE.sub("", token)))


def is_medical_word(word: str) -> bool:
    """Tell whether a word, in lower case, stands in the lexicon."""
    words, stems = _vocabulary()
    return word in words or any(word.startswith(stem) for stem in stems)


@cache
def _vocabulary() -> tuple[frozenset[str], tuple[str, ...]]:
    found = (load_lexicon(_LANGUAGE).phrases.vocabulary(), _compiled("abbreviations", "words").vocabulary())
    words = frozenset().union(function_words(), *(words for words, _ in found))
    return words, tuple(stem for _, stems in found for stem in stems if len(stem) >= _SHORTEST_STEM)


@cache
def _compiled(*groups: str) -> Automaton:
    phrases = read_words(_LANGUAGE, "eponyms")
    return Automaton(1, ((phrase, 0, group) for group in groups for phrase in phrases[group]))


def _eponyms(sentence: str) -> Iterator[Span]:
    low = _POSSESSIVE.sub(lambda match: " " * len(match[0]), lowered(sentence))
    words, places = split_words(low), word_places(low)
    for start, end, _ in _compiled("eponyms").find(words)[0]:
        yield places[start], places[end - 1] + len(words[end - 1])
