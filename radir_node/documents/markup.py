"""Reduces HTML to its text: tags, comments, scripts and styles go, blocks stand on lines of their own.

Nothing is parsed as a browser would: what follows a "<" that has no end is left out, and the time is linear in the
length whatever the text holds (the parser of the standard library can be made quadratic).
"""

import html
import re
import string

from radir_node.documents.plain import MAX_CHARACTERS, tidy

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
"""Unlike lower(), this keeps every character where it is."""
_NAME = re.compile(r"(/?)([a-z][a-z0-9:]*)")
_SPACES = re.compile(r"\s+")
_SILENT = frozenset({"script", "style", "head", "title", "template", "noscript", "iframe", "object", "svg", "del"})
"""What stands between these tags is not read; del is what a revision took away."""
_LINES = re.compile(
    "address|article|blockquote|br|caption|d[dlt]|div|footer|h[1-6]|header|hr|li|main|ol|p|pre|section|table|tr|ul"
)
_CELLS = frozenset({"td", "th"})


def html_text(markup: str) -> str:
    """Return what a reader would see of an HTML text, line by line; "" where that is nothing."""
    reading = _Reading(markup)
    at = 0
    while (opened := markup.find("<", at)) >= 0:
        reading.show(markup[at:opened])
        at = reading.tag(opened)
    reading.show(markup[at:])
    lines = (" ".join(line.split()) for line in "".join(reading.shown).split("\n"))
    return tidy("\n".join(lines))[:MAX_CHARACTERS]


class _Reading:
    """One text on its way: what is shown of it so far, and whether its own line ends count."""

    def __init__(self, markup: str) -> None:
        self.shown: list[str] = []
        self._low = markup.translate(_LOWER)
        self._preformatted = False

    def show(self, text: str) -> None:
        self.shown.append(html.unescape(text if self._preformatted else _SPACES.sub(" ", text)))

    def tag(self, opened: int) -> int:
        """Take the tag that begins at `opened`; return where the text goes on."""
        if self._low.startswith("<!--", opened):
            return self._behind("-->", opened + 4)
        matched = _NAME.match(self._low, opened + 1)
        if matched is None and self._low[opened + 1 : opened + 2] not in ("!", "?", "/"):
            self.shown.append("<")  # "< 5 mm" of a careless writer
            return opened + 1
        closes, name = (matched[1] == "/", matched[2]) if matched else (False, "")
        self._break(name, closes=closes)
        end = self._behind(">", opened)
        if name in _SILENT and not closes and self._low[end - 2 : end] != "/>":
            return self._behind(">", self._behind(f"</{name}", end))
        return end

    def _break(self, name: str, *, closes: bool) -> None:
        if name == "pre":
            self._preformatted = not closes
        if _LINES.fullmatch(name):
            self.shown.append("\n")
        elif name in _CELLS:
            self.shown.append(" ")

    def _behind(self, mark: str, start: int) -> int:
        found = self._low.find(mark, start)
        return found + len(mark) if found >= 0 else len(self._low)
