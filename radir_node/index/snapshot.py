"""Index snapshots on disk: written to a side folder, fsynced, renamed, and checked by hash before they are believed."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from radir_node.domain.index_rows import PartitionKey
from radir_node.errors import RadirError, StorageFull
from radir_node.index.block import COLUMN_TYPES, Block

MANIFEST = "manifest.json"


class SnapshotDamaged(RadirError):
    """A file of the snapshot is missing, changed, or written by another FAISS; it must be rebuilt."""


@dataclass(frozen=True, slots=True)
class Written:
    """A finished snapshot folder."""

    id: str
    manifest_sha256: str
    rows: int


def write_snapshot(
    folder: Path, partitions: Mapping[PartitionKey, Block], watermark: str, system_identifier: str
) -> Written:
    """Write every partition (with its FAISS index) under folder/<new id>. Raises StorageFull."""
    snapshot_id = uuid.uuid4().hex
    side = folder / f".{snapshot_id}.part"
    try:
        side.mkdir(parents=True)
        described = [
            _write_partition(side / f"{number:04d}", key, block)
            for number, (key, block) in enumerate(partitions.items())
        ]
        manifest = {
            "watermark": watermark,
            "system_identifier": system_identifier,
            "faiss": faiss.__version__,
            "partitions": described,
        }
        text = json.dumps(manifest, indent=1)
        _durable(side / MANIFEST, text.encode())
        _sync_folder(side)
        side.rename(folder / snapshot_id)
        _sync_folder(folder)
    except (OSError, RuntimeError) as error:  # FAISS raises RuntimeError for a failed write
        shutil.rmtree(side, ignore_errors=True)
        why = getattr(error, "strerror", None) or type(error).__name__  # numpy's short writes have no strerror
        raise StorageFull(f"the index snapshot cannot be written to {folder}: {why}") from error
    return Written(snapshot_id, hashlib.sha256(text.encode()).hexdigest(), sum(len(b.ids) for b in partitions.values()))


def _write_partition(folder: Path, key: PartitionKey, block: Block) -> dict[str, object]:
    folder.mkdir()
    faiss.write_index(block.index, str(folder / "index.faiss"))
    np.save(folder / "vectors.npy", block.vectors)
    np.savez(folder / "columns.npz", **{name: block.columns[name] for name in COLUMN_TYPES})  # type: ignore[arg-type]
    for file in folder.iterdir():
        with file.open("rb+") as handle:
            os.fsync(handle.fileno())
    _sync_folder(folder)
    hashes = {file.name: sha256(file) for file in sorted(folder.iterdir())}
    return {"folder": folder.name, "model": key.model, "anatomy": key.anatomy, "rows": len(block.ids), "sha256": hashes}


def read_manifest(folder: Path, manifest_sha256: str) -> Mapping[str, object]:
    """Return the manifest. Raises SnapshotDamaged when it is not the one the catalogue knows."""
    try:
        text = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise SnapshotDamaged(f"index snapshot {folder.name}: no manifest ({error.strerror})") from error
    if hashlib.sha256(text).hexdigest() != manifest_sha256:
        raise SnapshotDamaged(f"index snapshot {folder.name}: the manifest has changed since it was written")
    manifest: Mapping[str, object] = json.loads(text)
    if manifest["faiss"] != faiss.__version__:
        raise SnapshotDamaged(
            f"index snapshot {folder.name}: written by FAISS {manifest['faiss']}, this is {faiss.__version__}"
        )
    return manifest


def read_partitions(folder: Path, manifest: Mapping[str, object]) -> dict[PartitionKey, Block]:
    """Load every partition after checking its files' hashes. Raises SnapshotDamaged."""
    found = {}
    for entry in manifest["partitions"]:  # type: ignore[attr-defined]
        found[PartitionKey(entry["model"], entry["anatomy"])] = _read_partition(folder / entry["folder"], entry)
    return found


def _read_partition(folder: Path, entry: Mapping[str, object]) -> Block:
    for name, expected in entry["sha256"].items():  # type: ignore[attr-defined]
        file = folder / name
        if not file.is_file() or sha256(file) != expected:
            raise SnapshotDamaged(
                f"index snapshot {folder.parent.name}: {folder.name}/{name} is missing or has changed"
            )
    with np.load(folder / "columns.npz") as stored:
        columns = {name: stored[name] for name in COLUMN_TYPES}
    vectors = np.load(folder / "vectors.npy")
    index = faiss.read_index(str(folder / "index.faiss"))
    if not index.ntotal == len(columns["ids"]) == len(vectors):
        raise SnapshotDamaged(f"index snapshot {folder.parent.name}: {folder.name} has unequal row counts")
    return Block(columns, vectors, np.ones(len(vectors), np.bool_), index)


def sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _durable(file: Path, content: bytes) -> None:
    with file.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
