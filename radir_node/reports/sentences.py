"""Split a section into sentences without copying text. Used by the parser and, through it, by what is shown."""

import re
from collections.abc import Iterator

_BOUNDARY = re.compile(
    r"""(?P<stop> [.!?]+ (?: ["')\]]* (?=\s|\Z) | (?=[A-Z][a-z]) ) )
        | (?P<line> \r\n | \n | \r | \u2028 | \u2029 )""",
    re.VERBOSE,
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:dr|prof|mr|mrs|ms|st|vs|approx|incl|resp|fig|cf|e\.g|i\.e|etc|min|max|ca|[a-z]))\Z", re.I
)
_LIST_MARK = re.compile(r"\s*(?:\(?\d{1,2}[.)](?=\s)|[-*•·–]+(?=\s))?\s*")
_STARTS_ITEM = re.compile(r"[ \t]*(?:\(?\d{1,2}[.)]\s|[-*•·–]\s|[A-Za-z][A-Za-z /&]{1,40}:|\r|\n|\Z|[A-Z])")
_WRAPPED_LINE = 55
"""A line at least this long that ends without a full stop goes on in the next one."""


def split_sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each sentence of text[start:end], list marks and outer blanks left out.

    A line break ends a sentence unless the line was wrapped: long, without a stop, or going on in lower case.
    """
    begin = line_begin = start
    for match in _BOUNDARY.finditer(text, start, end):
        if match["line"] is not None:
            ends = _line_ends(text, line_begin, match.start(), match.end(), end)
            line_begin = match.end()
        else:
            ends = _stop_ends(text, begin, match.start())
        if ends:
            yield from _trimmed(text, begin, match.end())
            begin = match.end()
    yield from _trimmed(text, begin, end)


def _stop_ends(text: str, begin: int, stop: int) -> bool:
    """A stop after an abbreviation or a list number ends nothing."""
    before = text[max(begin, stop - 8) : stop]
    if _ABBREVIATION.search(before) and text[stop] == ".":
        return False
    return not text[begin:stop].strip().strip("(").isdigit()


def _line_ends(text: str, line_begin: int, line_end: int, following: int, end: int) -> bool:
    if text[following:end].lstrip(" \t")[:1] in ("", "\r", "\n"):
        return True
    item = _STARTS_ITEM.match(text, following, end)
    if item is None:
        return False
    starts_like_a_name = item[0].strip()[-1:].isupper()
    return not (starts_like_a_name and line_end - line_begin >= _WRAPPED_LINE)


def _trimmed(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    mark = _LIST_MARK.match(text, begin, end)
    begin = mark.end() if mark else begin
    while end > begin and text[end - 1].isspace():
        end -= 1
    if end > begin:
        yield begin, end
