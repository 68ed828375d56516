"""Cut a section into sentences of words, without copying text. Used by the parser and, through it, by what is shown."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(r"\w+|\r\n|[\n\r\u2028\u2029]|[^\w\s-]|(?<=\s)-+(?=\s)")
"""Words, line ends and marks; a hyphen within a word parts words as a blank does."""
_STOPS = frozenset(".!?")
_LINE_ENDS = frozenset(("\n", "\r", "\r\n", "\u2028", "\u2029"))
_CLOSING = "\"')]”’"
_ABBREVIATIONS = frozenset(
    (
        *"abcdefghijklmnopqrstuvwxyz",
        "dr",
        "prof",
        "mr",
        "mrs",
        "ms",
        "st",
        "vs",
        "approx",
        "incl",
        "resp",
        "fig",
        "cf",
        "etc",
        "min",
        "max",
        "ca",
    )
)
_BULLETS = frozenset("(-*•·–▪◦>\"“”')")
_STARTS_ITEM = re.compile(r"[ \t]*(?:\(?\d{1,2}[.)]\s|[-*•·–]\s|[A-Za-z][A-Za-z /&]{1,40}:|\r|\n|\Z|[A-Z])")
_WRAPPED_LINE = 55
"""A line at least this long that ends without a full stop goes on in the next one."""


@dataclass(slots=True)
class Sentence:
    """Words of a sentence, lower case, with the place in the text at which each begins. Marks are words too."""

    words: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    end: int = 0
    """Place in the text after its last character; zero while words are still coming."""

    @property
    def start(self) -> int:
        return self.starts[0]

    def span(self, first: int, after: int) -> tuple[int, int]:
        """Give the place in the text of words[first:after]."""
        return self.starts[first], self.starts[after - 1] + len(self.words[after - 1])


def split_sentences(text: str, low: str, start: int, end: int) -> Iterator[Sentence]:
    """Yield the sentences of text[start:end], list marks left out. low: the text in lower case.

    A line break ends a sentence unless the line was wrapped: long, without a stop, or going on in lower case.
    """
    sentence, line_begin = Sentence(), start
    words, starts = sentence.words, sentence.starts
    for match in _TOKEN.finditer(low, start, end):
        word = match[0]
        if word in _STOPS:
            ends = _ends_at_stop(text, sentence, match.start(), end)
        elif word in _LINE_ENDS:
            ends = _ends_at_line(text, line_begin, match.start(), match.end(), end)
            line_begin = match.end()
        else:
            words.append(word)
            starts.append(match.start())
            continue
        if ends:
            yield from _finished(sentence)
            sentence = Sentence()
            words, starts = sentence.words, sentence.starts
    yield from _finished(sentence)


def _ends_at_stop(text: str, sentence: Sentence, place: int, end: int) -> bool:
    """Take a stop in: one after an abbreviation, a list number or within brackets ends nothing.

    Within a word it ends the sentence where the next word begins large ("lobe.No").
    """
    words = sentence.words
    if text[place] == "?":
        words.append("?")
        sentence.starts.append(place)
    elif words and words[-1] in _ABBREVIATIONS:
        return False
    following = place + 1
    while following < end and text[following] in _CLOSING:
        following += 1
    if following > place + 1 and text[place] == "?":
        return False
    if following < end and not text[following].isspace():
        return text[following].isupper() and text[following + 1 : following + 2].islower()
    if len(words) == 1 and words[0].isdigit():
        words.clear()
        sentence.starts.clear()
        return False
    sentence.end = place + 1
    return True


def _ends_at_line(text: str, line_begin: int, line_end: int, following: int, end: int) -> bool:
    item = _STARTS_ITEM.match(text, following, end)
    if item is None:
        return False
    starts_like_a_name = item[0].strip()[-1:].isupper()
    return not (starts_like_a_name and line_end - line_begin >= _WRAPPED_LINE)


def _finished(sentence: Sentence) -> Iterator[Sentence]:
    """Take list marks away; what then has no word is no sentence."""
    words = sentence.words
    mark = 0
    while mark < len(words) and words[mark] in _BULLETS:
        mark += 1
    if len(words) > mark + 1 and words[mark + 1] == ")" and words[mark].isdigit():
        mark += 2
    if mark:
        del words[:mark], sentence.starts[:mark]
    if words:
        sentence.end = max(sentence.end, sentence.starts[-1] + len(words[-1]))
        yield sentence
