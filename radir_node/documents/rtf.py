"""Reduces Rich Text Format (RTF 1.9.1) to its text: paragraphs, tabs and characters; pictures, objects, tables of
fonts and styles, headers and footers, hidden and deleted text are left out. Nothing is carried out, and the time is
linear in the length.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from radir_node.documents.plain import MAX_CHARACTERS, checked_size, tidy
from radir_node.errors import UnreadableReport

MAX_DEPTH = 200
"""Of groups."""

_TOKEN = re.compile(
    r"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})?[ ]?|\\'(?P<byte>[0-9a-fA-F]{2})|\\(?P<sign>[^a-zA-Z'])"
    r"|(?P<brace>[{}])|(?P<text>[^\\{}\r\n]+)|[\r\n]+|(?P<stray>\\)",
    re.DOTALL,
)
_SILENT = re.compile(
    "fonttbl|colortbl|stylesheet|info|pict|object|objdata|(?:header|footer)[lrf]?|list(?:override)?table|revtbl|rsidtbl"
    "|generator|themedata|datastore|latentstyles|fldinst|xmlnstbl"
)
"""Groups that hold no text of the document."""
_CHARACTERS: Mapping[str, str] = {
    "par": "\n",
    "line": "\n",
    "sect": "\n",
    "page": "\n",
    "row": "\n",
    "tab": "\t",
    "cell": "\t",
    "emdash": "—",
    "endash": "–",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
}
_SIGNS: Mapping[str, str] = {"~": "\u00a0", "_": "-", "\n": "\n", "\r": "\n", "\\": "\\", "{": "{", "}": "}"}
_MARKS: Mapping[str, str] = {"v": "hidden", "deleted": "deleted"}
"""Words that take text out of sight until they come with a 0, the group ends, or all is plain again."""
_CODE_PAGES: Mapping[int, str] = {
    **dict.fromkeys((0, 1), ""),
    **{128: "cp932", 129: "cp949", 134: "gbk", 136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258"},
    **{177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250"},
}
"""Code pages by the character set that a font names; "" = that of the document."""


@dataclass(frozen=True, slots=True)
class _Group:
    silent: bool = False
    fonts: bool = False
    """True in the table of fonts."""
    hidden: bool = False
    deleted: bool = False
    """True where a revision took the text away, and it is only kept to be seen as such."""
    font: int = 0
    fallback: int = 1
    r"""How many characters after \u stand for it where it cannot be shown."""

    @property
    def is_read(self) -> bool:
        return not (self.silent or self.hidden or self.deleted)


class _Reading:
    """One document on its way."""

    def __init__(self) -> None:
        self.groups = [_Group()]
        self.parts: list[str] = []
        self.pending = bytearray()
        """Bytes that are decoded together: a character of an Asian code page takes two."""
        self.code_page = "cp1252"
        self.font_pages: dict[int, str] = {}
        self.base_font = 0
        self.skip = 0
        """Characters of a fallback that are still to be left out."""

    @property
    def group(self) -> _Group:
        return self.groups[-1]

    def change(self, **values: object) -> None:
        self.groups[-1] = replace(self.groups[-1], **values)  # type: ignore[arg-type]  # by keyword, from a table

    def brace(self, brace: str) -> None:
        self.skip = 0
        if brace == "{":
            if len(self.groups) > MAX_DEPTH:
                raise UnreadableReport(f"the RTF document is nested deeper than {MAX_DEPTH} groups")
            self.groups.append(self.group)
        elif len(self.groups) > 1:
            self.groups.pop()

    def show(self, text: str) -> None:
        self.decode()
        shown = text[min(self.skip, len(text)) :]
        self.skip -= len(text) - len(shown)
        if self.group.is_read:
            self.parts.append(shown)

    def byte(self, value: int) -> None:
        if self.skip:
            self.skip -= 1
        elif self.group.is_read:
            self.pending.append(value)

    def decode(self) -> None:
        """Turn the pending bytes into text of the font's code page. Raise UnreadableReport where they are none."""
        if not self.pending:
            return
        page = self.font_pages.get(self.group.font) or self.code_page
        try:
            self.parts.append(self.pending.decode(page))
        except (UnicodeDecodeError, LookupError) as error:
            raise UnreadableReport(f"the RTF document holds bytes that are no characters of its {page}") from error
        self.pending.clear()

    def word(self, word: str, number: int | None) -> None:
        if word in _CHARACTERS:
            self.show(_CHARACTERS[word])
        elif _SILENT.fullmatch(word):
            self.change(silent=True, fonts=word == "fonttbl")
        elif word in _MARKS:
            self.change(**{_MARKS[word]: number != 0})
        elif word == "plain":
            self.decode()
            self.change(font=self.base_font, hidden=False, deleted=False)
        elif number is not None:
            self._numbered(word, number)

    def _numbered(self, word: str, number: int) -> None:
        if word == "u":
            self.show(chr(number % 0x10000))
            self.skip = self.group.fallback
        elif word == "uc":
            self.change(fallback=min(max(number, 0), 16))
        elif word in ("f", "deff"):
            self.decode()
            self.change(font=number)
            self.base_font = number if word == "deff" else self.base_font
        elif word == "fcharset" and self.group.fonts:
            self.font_pages[self.group.font] = _CODE_PAGES.get(number, "")
        elif word == "ansicpg":
            self.code_page = f"cp{number}"


def rtf_text(payload: bytes) -> str:
    """Return the text of an RTF document; "" where it has none.

    Raise UnreadableReport when it is none, holds characters of no known code page, or is beyond a limit.
    """
    document = checked_size(payload, "RTF document").decode("latin-1")
    if not document.lstrip().startswith("{\\rtf"):
        raise UnreadableReport("the RTF document cannot be read: it does not begin as one")
    reading = _Reading()
    at = 0
    while (token := _TOKEN.match(document, at)) is not None:
        at = token.end() + _take(reading, token)
    reading.decode()
    text = "".join(reading.parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # joins pairs of \u
    return tidy(text)[:MAX_CHARACTERS]


def _take(reading: _Reading, token: re.Match[str]) -> int:
    """Take one token; return how many bytes of raw data follow it."""
    kind, found = token.lastgroup, token.groupdict()
    if kind in ("word", "number"):
        number = int(found["number"]) if found["number"] else None
        if found["word"] == "bin":
            return max(number or 0, 0)
        reading.word(found["word"], number)
    elif kind == "byte":
        reading.byte(int(found["byte"], 16))
    elif kind == "sign":
        if found["sign"] == "*":
            reading.change(silent=True)
        reading.show(_SIGNS.get(found["sign"], ""))
    elif kind == "brace":
        reading.decode()
        reading.brace(found["brace"])
    elif kind == "text":
        for raw in found["text"].encode("latin-1") if not found["text"].isascii() else ():
            reading.byte(raw)
        if found["text"].isascii():
            reading.show(found["text"])
    return 0
