"""Index health in six tiles: what is measured, whether it is well, and the command that cures it. For the admin page.

The limits are those of the node's health definitions; a tile never speaks by colour alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from radir_node.domain.study import StudyState
from radir_node.web.pages import byte_size, duration
from radir_node.web.ports import Health


class Level(StrEnum):
    OK = "ok"
    WATCH = "watch"
    ACT = "act"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Tile:
    title: str
    value: str
    level: Level
    detail: str
    cure: str = ""
    """What to run or to look at; shown when the level is not ok."""


def tiles(health: Health) -> tuple[Tile, ...]:
    """Judge every figure of a health reading."""
    judges: tuple[Callable[[Health], Tile], ...] = (_searchable, _queue, _problems, _recall, _snapshot, _storage)
    return tuple(judge(health) for judge in judges)


def level_of(value: float, watch_from: float, act_from: float) -> Level:
    """Judge a figure that is better the smaller it is."""
    if value >= act_from:
        return Level.ACT
    return Level.WATCH if value >= watch_from else Level.OK


def _searchable(health: Health) -> Tile:
    received = sum(row.received for row in health.coverage)
    indexed = sum(row.indexed for row in health.coverage)
    if not received:
        return Tile("Searchable", "-", Level.UNKNOWN, "no study received yet", "send studies by C-STORE")
    missing = 1 - indexed / received
    return Tile(
        "Searchable",
        f"{100 * indexed / received:.0f} %",
        level_of(missing, 0.05, 0.25),
        f"{indexed} of {received} studies indexed",
        "see the lists below",
    )


def _queue(health: Health) -> Tile:
    queue = health.queue
    level = level_of(queue.oldest_seconds or 0.0, 60, 300)
    waiting = f"oldest waits {duration(queue.oldest_seconds)}" if queue.oldest_seconds is not None else "nothing waits"
    return Tile("Queue", str(queue.depth), level, waiting, "is the worker running? radir status")


def _problems(health: Health) -> Tile:
    failed = health.studies.get(StudyState.FAILED, 0) + health.queue.failed
    quarantined = health.studies.get(StudyState.NOT_INDEXABLE, 0)
    level = Level.ACT if failed else Level.OK
    return Tile("Failed", str(failed), level, f"and {quarantined} not indexable", "see the reasons below")


def _recall(health: Health) -> Tile:
    if not health.recall:
        return Tile("Recall at 10", "-", Level.UNKNOWN, "not probed yet", "radir index verify")
    worst = min(health.recall, key=lambda probe: probe.recall_at_10)
    lost = 1 - worst.recall_at_10
    value = f"{100 * worst.recall_at_10:.1f} %"
    detail = f"{worst.modality.value}, {worst.queries} queries against exact search"
    return Tile("Recall at 10", value, level_of(lost, 0.03, 0.07), detail, "radir index rebuild")


def _snapshot(health: Health) -> Tile:
    if not health.snapshots:
        return Tile("Last snapshot", "-", Level.UNKNOWN, "none yet", "radir index rebuild")
    newest = max(snapshot.built_at for snapshot in health.snapshots)
    rows = sum(snapshot.rows for snapshot in health.snapshots)
    unapplied = sum(snapshot.unapplied_changes for snapshot in health.snapshots)
    level = Level.WATCH if unapplied else Level.OK
    detail = f"{rows} vectors, {unapplied} changes not applied"
    return Tile("Last snapshot", f"{duration(health.checked_at - newest)} ago", level, detail, "radir index rebuild")


def _storage(health: Health) -> Tile:
    storage = health.storage
    full = storage.used_bytes / max(1, storage.used_bytes + storage.free_bytes)
    detail = f"{byte_size(storage.used_bytes)} used by the node"
    level = level_of(full, 0.8, 0.9)
    return Tile("Free storage", byte_size(storage.free_bytes), level, detail, "give the storage root more room")
