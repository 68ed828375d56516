"""Numbered sections and tables as Markdown. Used by every module of this package."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

NOT_SUPPORTED = "Not supported."

_WIDTH = 120
_ITEM = re.compile(r" *(?:- |\d+\. )")


@dataclass(frozen=True)
class Section:
    """One section of the outline; its number follows from its place."""

    title: str
    blocks: tuple[str, ...] = ()
    """Paragraphs, lists and tables."""
    parts: tuple["Section", ...] = ()


def rendered(sections: Sequence[Section], above: str = "", depth: int = 2) -> Iterator[str]:
    """Yield headings and blocks, numbered from 1 under the number of the section above."""
    for number, section in enumerate(sections, start=1):
        place = f"{above}{number}"
        yield f"{'#' * min(depth, 6)} {place} {section.title}"
        yield from map(wrapped, section.blocks)
        yield from rendered(section.parts, f"{place}.", depth + 1)


def contents(sections: Sequence[Section], above: str = "", deepest: int = 2) -> Iterator[str]:
    """Yield one line per section down to a depth."""
    for number, section in enumerate(sections, start=1):
        place = f"{above}{number}"
        yield f"{'  ' * place.count('.')}- {place} {section.title}"
        if place.count(".") + 1 < deepest:
            yield from contents(section.parts, f"{place}.", deepest)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def code(text: object) -> str:
    return f"`{text}`"


def status(number: int) -> str:
    return f"0x{number:04X}"


def one_line(text: str) -> str:
    return " ".join(text.split())


def wrapped(block: str) -> str:
    """Fill the lines of paragraphs and lists; tables and drawings stay as they are."""
    if block.startswith(("|", "```")):
        return block
    pieces: list[str] = []
    for line in block.splitlines():
        if not pieces or not line or not pieces[-1] or _ITEM.match(line):
            pieces.append(line.rstrip())
        else:
            pieces[-1] += f" {line.strip()}"
    return "\n".join(_filled(piece) for piece in pieces)


def _filled(piece: str) -> str:
    item = _ITEM.match(piece)
    indent = " " * len(item[0]) if item else ""
    return textwrap.fill(piece, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _cell(value: object) -> str:
    return one_line(str(value)).replace("|", "\\|")
