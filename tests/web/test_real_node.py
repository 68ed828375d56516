"""The same visit in a real browser, on the running node with its own database, index and phantom studies."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from radir_node.catalog.database import Database
from radir_node.catalog.operator_actions import OperatorActions
from radir_node.catalog.tables import disclosure


@pytest.mark.requirement("RN-11")
@pytest.mark.timeout(600)
def test_launch_results_another_anatomy_and_index_health(
    visit: Any,
    make_node: Callable[..., Any],
    database_url: str,
    database: Database,
    phantoms: Path,
    account: Callable[..., None],
) -> None:
    """A viewer launches a study; another anatomy ranks otherwise; the index is sound; a study is reopened.

    No request leaves the host. The audit holds who saw the cases and who reopened.
    """
    node = make_node(DATABASE__URL=database_url).start()
    account(node, "keeper", "keeper's password")
    assert 0 == node.send(phantoms).returncode
    study = next(s["study_instance_uid"] for s in node.settled() if s["modality"] == "CXR")
    visit.begin(f"http://127.0.0.1:{node.port('web')}")

    visit.launch(study)
    visit.log_in("keeper", "keeper's password")
    overall = visit.ranking()
    visit.shot("node-1-results")
    visit.page.get_by_label("Any anatomy").select_option("heart")
    visit.page.wait_for_url("**anatomy=heart**")
    heart = visit.ranking()
    visit.shot("node-2-heart")
    address = visit.page.url
    visit.press("1", then=".compare")
    visit.shot("node-3-compare")
    tiles = visit.index_health()
    visit.shot("node-4-index-health")
    visit.dicom()
    finished = visit.page.get_by_role("region", name="Finished studies").get_by_role("row").nth(1)
    case = finished.get_by_role("rowheader").inner_text()
    finished.get_by_role("button", name="Reopen").click()
    visit.page.get_by_text(f"{case} is open again.").wait_for()
    visit.shot("node-5-dicom")
    stopped = node.stop()

    assert 0 == stopped
    assert 5 == len(overall)
    assert overall != heart
    assert study not in address
    assert "Recall at 10" in tiles
    assert [] == visit.left_host
    assert {"pages:keeper"} == actors(database)
    assert [("pages:keeper", "reopen study", case)] == [
        (deed.actor, deed.action, deed.subject) for deed in OperatorActions(database).recent(5)
    ]


def actors(database: Database) -> set[str]:
    """Give everybody to whom cases were disclosed."""
    with database.begin() as connection:
        return set(connection.execute(sa.select(disclosure.c.actor)).scalars())


@pytest.fixture
def account() -> Callable[..., None]:
    """Make an account with `radir user add`, the password on standard input."""

    def make(node: Any, name: str, password: str) -> None:
        command = [sys.executable, "-m", "radir_node", "user", "add", name, "--role", "admin"]
        subprocess.run(command, env=node.environment, input=f"{password}\n", text=True, check=True, capture_output=True)

    return make
