"""Reads the Open-i chest radiograph collection: frontal images, MeSH chains, the 14-finding gold and a fixed split.

Called by training and by evaluation. The folder read is DIR/openi of a data folder DIR; nothing is written.
Source: Demner-Fushman et al., JAMIA 2016;23(2):304-10 (CC BY-NC-ND 4.0: what is trained on it is for research use).
"""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from PIL import Image

from radir_node.domain.study import Radiograph
from radir_node.errors import UserError

NOT_CODED = "No Indexing"
NORMAL = "normal"
LONG_SIDE = 256
"""Pixels of the longer side after the aspect is restored: the files hold 256 x 256 whatever the original was."""


class Part(StrEnum):
    """Which use a study is for."""

    TRAIN = "train"
    VALIDATION = "validation"
    HELD_OUT = "held_out"


@dataclass(frozen=True, slots=True)
class OpeniStudy:
    """One coded study with at least one frontal image. One study is one patient in this collection."""

    uid: str
    image_files: tuple[Path, ...]
    sizes: tuple[tuple[int, int], ...]
    """(rows, columns) of the original of each file, which restores the aspect; (0, 0) where unknown."""
    chains: frozenset[str]
    """Coded MeSH chains, heading first: "Opacity/lung/base/left"; {"normal"} for a normal study."""
    findings: Mapping[str, int]
    """The 14-finding gold, name -> 0 or 1; empty where the study has none."""

    @property
    def is_normal(self) -> bool:
        return self.chains == {NORMAL}


def part_of(uid: str) -> Part:
    """Return the part a study belongs to: by the hash of its uid alone, about 70 / 10 / 20 per cent."""
    bucket = int.from_bytes(hashlib.sha256(f"openi-{uid}".encode()).digest()[:8], "big") % 100
    if bucket < 20:
        return Part.HELD_OUT
    return Part.VALIDATION if bucket < 30 else Part.TRAIN


def read_studies(data: Path, part: Part | None = None) -> tuple[OpeniStudy, ...]:
    """List the coded frontal studies under data/openi in the order of their uid, of one part or of all.

    Studies coded "No Indexing" are left out: their findings are unknown. Raises UserError when a table is absent.
    """
    folder = data / "openi"
    chains: dict[str, set[str]] = defaultdict(set)
    for row in _rows(folder / "openi_mesh_gold.csv"):
        chains[row["uid"]].add(row["coding"])
    findings = {row["uid"]: _findings(row) for row in _rows(folder / "openi_gld_std14.csv")}
    images: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in _rows(folder / "openi_images.csv"):
        if row["file"] and row["projection"] == "Frontal":
            images[row["uid"]].append(row)
    usable = [uid for uid in images if chains.get(uid) and NOT_CODED not in chains[uid]]
    return tuple(
        OpeniStudy(
            uid=uid,
            image_files=tuple(folder / row["file"] for row in images[uid]),
            sizes=tuple((_size(row["orig_rows"]), _size(row["orig_cols"])) for row in images[uid]),
            chains=frozenset(chains[uid]),
            findings=findings.get(uid, {}),
        )
        for uid in sorted(usable, key=int)
        if part is None or part_of(uid) is part
    )


def read_radiograph(file: Path, size: tuple[int, int] = (0, 0)) -> Radiograph:
    """Read one image with its aspect restored: float32 in [0, 1], bright = dense, longer side 256.

    The files are bright = dense even where the table says MONOCHROME1: the collection inverted them at export.
    size: (rows, columns) of the original; (0, 0) keeps the square.
    """
    with Image.open(file) as opened:
        image = opened.convert("L")
    rows, columns = size if min(size) > 0 else (LONG_SIDE, LONG_SIDE)
    scale = LONG_SIDE / max(rows, columns)
    shape = max(1, round(columns * scale)), max(1, round(rows * scale))
    if image.size != shape:
        image = image.resize(shape, Image.Resampling.LANCZOS)
    pixels = np.asarray(image, dtype=np.float32) / np.float32(255)
    return Radiograph(sop_instance_uid=file.stem, series_instance_uid=file.stem, pixels=pixels)


def first_radiograph(study: OpeniStudy) -> Radiograph:
    """Read a study's first frontal image, the one that evaluation encodes."""
    return read_radiograph(study.image_files[0], study.sizes[0])


def _rows(table: Path) -> Iterable[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8") as opened:
            return list(csv.DictReader(opened))
    except OSError as error:
        raise UserError(f"no Open-i table at {table}: {error.strerror}") from error


def _findings(row: dict[str, str]) -> dict[str, int]:
    return {name: int(value) for name, value in row.items() if name not in ("filename", "uid", NORMAL)}


def _size(cell: str) -> int:
    return int(float(cell)) if cell else 0
