"""The demo's picture: the query beside its top cases, overall in the first row and for one anatomy in the second."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from radir_node.domain.match import SimilarCases

TILE, GAP, CAPTION = 300, 14, 62
INK, DIM, PAPER, ACCENT = "#e8edf2", "#8b98a5", "#10151b", "#5cc8ff"


def contact_sheet(rows: Sequence[tuple[SimilarCases, Path, Sequence[Path]]], out: Path) -> None:
    """Draw one row per answer: (answer, picture of the query, pictures of its matches in rank order)."""
    columns = 1 + max(len(pictures) for _, _, pictures in rows)
    size = (GAP + columns * (TILE + GAP), GAP + len(rows) * (TILE + CAPTION + GAP))
    sheet = Image.new("RGB", size, PAPER)
    for number, (answer, query, pictures) in enumerate(rows):
        top = GAP + number * (TILE + CAPTION + GAP)
        _tile(sheet, (GAP, top), query, ("Query", answer.anatomy_label), ACCENT)
        for match, picture in zip(answer.matches, pictures, strict=True):
            left = GAP + match.rank * (TILE + GAP)
            found = match.shared_findings or match.findings
            _tile(
                sheet,
                (left, top),
                picture,
                (f"{match.rank}. {match.percent} %", "; ".join(found[:2]) or "no finding"),
                INK,
            )
    sheet.save(out)


def _tile(sheet: Image.Image, at: tuple[int, int], picture: Path, lines: tuple[str, str], colour: str) -> None:
    draw = ImageDraw.Draw(sheet)
    if picture.is_file():
        with Image.open(picture) as image:
            image.thumbnail((TILE, TILE))
            sheet.paste(image.convert("RGB"), (at[0] + (TILE - image.width) // 2, at[1] + (TILE - image.height) // 2))
    draw.rectangle((at[0], at[1], at[0] + TILE, at[1] + TILE), outline=colour if colour == ACCENT else "#2a333d")
    draw.text((at[0], at[1] + TILE + 6), lines[0], fill=colour, font=ImageFont.load_default(20))
    draw.text((at[0], at[1] + TILE + 34), lines[1][:42], fill=DIM, font=ImageFont.load_default(14))
