"""Names of all files that an annotation consists of (method spec 4.4), and how one is written: beside, then renamed."""

import glob
import hashlib
import json
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from radir_node.errors import StorageFull, UserError
from radir_node.learning.annotate.nodes import WHOLE

ID_COLUMN = "File Path"
"""Heading of the id column; the released loaders read no other. Older CT dumps have "Volumename" (method spec 4.4)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one split under a folder. `table` is the name of a node, or WHOLE."""

    out: Path
    split: str

    def __post_init__(self) -> None:
        if not self.split.replace("_", "").replace("-", "").isalnum():
            raise UserError(f"--split: {self.split!r} cannot be part of a file name; use letters, digits, - and _")

    @property
    def captions(self) -> Path:
        """Lines of img_path, text, name."""
        return self.out / f"{self.split}.jsonl"

    @property
    def datasheet(self) -> Path:
        return self.out / f"{self.split}_datasheet.md"

    def ids(self, table: str) -> Path:
        """The studies of a table in the order of its rows; for WHOLE that order is the one of the captions."""
        return self.captions if table == WHOLE else self.out / f"{self.split}_entity" / f"{table}.csv"

    def matrix(self, table: str) -> Path:
        """Float32 [studies, studies], symmetric, diagonal 1."""
        folder = self.out if table == WHOLE else self.out / f"{self.split}_ratescore"
        return folder / f"{self.split if table == WHOLE else table}.npy"

    def neighbours(self, table: str) -> Path:
        """The most similar studies of each, for people."""
        return self.out / f"{self.split}_neighbours" / f"{table}.parquet"

    def manifest(self, table: str) -> Path:
        """What the table was made of, written last: where it is, the table is whole."""
        return self.out / f"{self.split}_manifest" / f"{table}.json"

    def tables(self) -> Collection[str]:
        """Name every table of which a file is there, and WHOLE, whose matrix is in no folder of its own."""
        files = (self.ids("*"), self.matrix("*"), self.neighbours("*"), self.manifest("*"))
        return {WHOLE, *(file.stem for pattern in files for file in pattern.parent.glob(pattern.name))}


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Yield a path to write to, and rename it to `path` when that went well; nothing half-written is ever seen.

    Several processes, on any machines, may write one path. Raises StorageFull where the disk is full or not writable.
    """
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise StorageFull(f"cannot write {path}: {error.strerror or error}") from error  # numpy gives no strerror
    finally:
        with suppress(OSError):  # where there is nothing to remove
            part.unlink()


def remove_parts(path: Path, idle_seconds: float = 0.0) -> None:
    """Remove what killed runs left beside a path, if nobody has written to it for so long."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(OSError):  # another process has removed it
            if time.time() - part.stat().st_mtime >= idle_seconds:
                part.unlink()


def digest_of(path: Path) -> str:
    """Hash a file; empty where it is not there or cannot be read."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError:
        return ""


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document. Raises StorageFull."""
    with beside(path) as part:
        part.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON document; None where it is not there or not whole."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
