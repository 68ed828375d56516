"""Cut a section into sentences, and a sentence into words. Used by the parser and, through it, by what is shown."""

import re
from collections.abc import Iterator

_BOUNDARY = re.compile(r"[.!?]+|\r\n|[\n\r\u2028\u2029]")
_CLOSING = "\"')]”’"
_BEFORE_STOP = re.compile(
    r"(?:\b(?:dr|prof|mr|mrs|ms|st|vs|approx|incl|resp|fig|cf|etc|min|max|ca|[a-z])"
    r"|[\n\r.!?] *\(?\d{1,2}|\A\(?\d{1,2})\Z"
)
"""An abbreviation or the number of a list, after which a stop ends nothing."""
_LONGEST_BEFORE_STOP = 8
_LIST_MARK = re.compile(r"[\s(*•·▪◦>\"“”'–-]*(?:\d{1,2}[.)](?=\s|\Z)\s*)?")
_STARTS_ITEM = re.compile(r"[ \t]*(?:\(?\d{1,2}[.)]\s|[-*•·–]\s|[A-Za-z][A-Za-z /&]{1,40}:|\r|\n|\Z|[A-Z])")
_WRAPPED_LINE = 55
"""A line at least this long that ends without a full stop goes on in the next one."""
_LONGEST_SENTENCE = 1000
"""Characters. What is longer has lost its stops; it is cut at a blank, as the cost of reading grows with the square."""
_WORD = re.compile(r"\w+|[^\w\s.!-]|(?<=\s)-+(?=\s)")
"""Words and marks that mean something; a hyphen within a word parts words as a blank does."""


def split_sentences(text: str, low: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each sentence of text[start:end], list marks and outer blanks left out.

    A line break ends a sentence unless the line was wrapped: long, without a stop, or going on in lower case.
    low: the text in lower case.
    """
    begin = line_begin = start
    for match in _BOUNDARY.finditer(low, start, end):
        place, after = match.span()
        if text[place] in ".!?":
            ends = _ends_at_stop(text, low, begin, place, after, end)
        else:
            ends = _ends_at_line(text, line_begin, place, after, end)
            line_begin = after
        if ends or after - begin > _LONGEST_SENTENCE:
            yield from _pieces(text, begin, after)
            begin = after
    yield from _pieces(text, begin, end)


def split_words(sentence: str) -> list[str]:
    """Give the words of a lower-cased sentence, marks among them."""
    return _WORD.findall(sentence)


def word_places(sentence: str) -> list[int]:
    """Give the place at which each of the words begins."""
    return [match.start() for match in _WORD.finditer(sentence)]


def _ends_at_stop(text: str, low: str, begin: int, place: int, after: int, end: int) -> bool:
    """Stops after an abbreviation, a list number or in brackets end nothing; in a word: where the next begins large."""
    before = low[max(begin, place - _LONGEST_BEFORE_STOP) : place]
    is_long_word = len(before) == _LONGEST_BEFORE_STOP and before.isalpha()
    if text[place] == "." and not is_long_word and _BEFORE_STOP.search(before):
        return False
    following = after
    while following < end and text[following] in _CLOSING:
        following += 1
    if following >= end or text[following].isspace():
        return following == after or text[place] != "?"
    return text[following].isupper() and text[following + 1 : following + 2].islower()


def _ends_at_line(text: str, line_begin: int, line_end: int, following: int, end: int) -> bool:
    item = _STARTS_ITEM.match(text, following, end)
    if item is None:
        return False
    starts_like_a_name = item[0].strip()[-1:].isupper()
    return not (starts_like_a_name and line_end - line_begin >= _WRAPPED_LINE)


def _pieces(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    while end - begin > _LONGEST_SENTENCE:
        blank = text.rfind(" ", begin, begin + _LONGEST_SENTENCE)
        cut = blank if blank > begin else begin + _LONGEST_SENTENCE
        if found := _trimmed(text, begin, cut):
            yield found
        begin = cut
    if found := _trimmed(text, begin, end):
        yield found


def _trimmed(text: str, begin: int, end: int) -> tuple[int, int] | None:
    """Leave the list mark and outer blanks out; None where nothing is left."""
    mark = _LIST_MARK.match(text, begin, end)
    begin = mark.end() if mark else begin
    while end > begin and text[end - 1].isspace():
        end -= 1
    return (begin, end) if end > begin else None
