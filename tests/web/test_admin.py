"""Index health: who sees it, and when a tile asks for action."""

import datetime as dt
from dataclasses import replace

import pytest

from radir_node.web.ports import Queue, Storage
from radir_node.web.tiles import Level, tiles


def test_index_health_shows_coverage_queue_failures_and_the_recall_probe(keeper) -> None:
    """Every part of the reading is on the page, failures with their reasons."""
    text = keeper.get("/admin").text

    for part in (
        "241 of 246 studies indexed",
        "oldest waits 4 s",
        "the encoder gave a vector that is not finite",
        "only localizers and a dose sheet, no axial series",
        "SOP class not accepted: Ultrasound Image Storage",
        "CXR-00042",
        "99.8 %",
        "cxr-tokens-1a2b3c4d-prep1",
        "412 GB",
    ):
        assert part in text


def test_index_health_is_for_administrators(reader) -> None:
    """A viewer is told so, and has no link to it."""
    assert reader.get("/admin").status_code == 403
    assert "/admin" not in reader.get("/").text


def test_an_empty_node_has_a_health_page_too(keeper, node) -> None:
    """Before the first study every figure is unknown, none is an error."""
    node.health_reading = replace(
        node.health_reading,
        studies={},
        coverage=(),
        snapshots=(),
        recall=(),
        models=(),
        refused=(),
        failures=(),
        not_indexable=(),
        instances=0,
        queue=Queue(0, None),
    )

    answer = keeper.get("/admin")

    assert answer.status_code == 200
    assert "No study received yet." in answer.text


@pytest.mark.parametrize(
    ("title", "change", "level"),
    [
        ("Queue", lambda h: replace(h, queue=Queue(4, 59)), Level.OK),
        ("Queue", lambda h: replace(h, queue=Queue(4, 61)), Level.WATCH),
        ("Queue", lambda h: replace(h, queue=Queue(4, 301)), Level.ACT),
        ("Failed", lambda h: replace(h, studies={}), Level.OK),
        ("Failed", lambda h: replace(h, studies={}, queue=Queue(0, None, failed=1)), Level.ACT),
        ("Recall at 10", lambda h: replace(h, recall=(replace(h.recall[0], recall_at_10=0.96),)), Level.WATCH),
        ("Recall at 10", lambda h: replace(h, recall=(h.recall[0], replace(h.recall[1], recall_at_10=0.5))), Level.ACT),
        ("Recall at 10", lambda h: replace(h, recall=()), Level.UNKNOWN),
        ("Searchable", lambda h: replace(h, coverage=(replace(h.coverage[0], indexed=100),)), Level.ACT),
        ("Free storage", lambda h: replace(h, storage=Storage(85, 15)), Level.WATCH),
        ("Last snapshot", lambda h: replace(h, snapshots=(replace(h.snapshots[0], unapplied_changes=2),)), Level.WATCH),
    ],
)
def test_a_tile_asks_for_action_beyond_its_limit(node, title: str, change, level: Level) -> None:
    """A damaged index, a stuck queue or a full disk cannot look well."""
    tile = next(tile for tile in tiles(change(node.health_reading)) if tile.title == title)

    assert tile.level == level
    assert tile.cure or level == Level.OK


def test_the_newest_snapshot_counts(node) -> None:
    """The tile speaks of the last one built."""
    tile = next(tile for tile in tiles(node.health_reading) if tile.title == "Last snapshot")

    assert tile.value == "12 min ago"
    assert max(s.built_at for s in node.health_reading.snapshots) == node.health_reading.checked_at - dt.timedelta(
        minutes=12
    )
