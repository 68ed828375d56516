"""What an operator may do to studies and to what peers did not take, over a real catalogue."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from radir_node.cli import app
from radir_node.domain.stored import StoredInstance
from radir_node.domain.study import InstanceHeader
from radir_node.errors import UnknownStudy, UserError
from radir_node.node.node import Node
from radir_node.settings import load_settings

Radir = Callable[..., Result]


@pytest.fixture
def radir(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Radir:
    """Run a verb on a catalogue of this test alone; what it raises comes out."""
    monkeypatch.setenv("RADIR_DATABASE__URL", database_url)
    monkeypatch.setenv("RADIR_STORAGE__ROOT", str(tmp_path))
    monkeypatch.setattr("radir_node.commands.session.configure", lambda level: None)  # it is for whole processes

    def run(*verb: str) -> Result:
        done = CliRunner().invoke(app, verb)
        if done.exception is not None:
            raise done.exception
        return done

    return run


@pytest.fixture
def node(radir: Radir) -> Iterator[Node]:
    """The node of those settings, holding one study that is open."""
    with Node(load_settings()) as opened:
        header = InstanceHeader("1.2.3", "1.2", "1.2.840.10008.1.2.1", "1.2", "1.2.1", modality="CT")
        opened.intake.register(StoredInstance(header, "a.dcm", 1, "a", "CT1", dt.datetime.now(dt.UTC)))
        yield opened


def test_an_open_study_is_indexed_by_order_and_says_so(radir: Radir, node: Node) -> None:
    """Once; and an unknown study is named as such."""
    radir("complete", "1.2")

    (study,) = json.loads(radir("studies", "--json").stdout)
    assert ("queued", "forced", "operator") == (study["state"], study["completion"], study["evidence"])
    assert "forced (operator)" in radir("studies").stdout
    with pytest.raises(UserError, match="not open"):
        radir("complete", "1.2")
    with pytest.raises(UnknownStudy):
        radir("complete", "9.9")


def test_a_finished_study_is_reopened_by_order(radir: Radir, node: Node) -> None:
    """One that is not finished is left alone."""
    with pytest.raises(UserError, match="not finished"):
        radir("reopen", "1.2")
    radir("complete", "1.2")
    assert node.studies.start(1)
    node.studies.fail(1, "unexpected")

    radir("reopen", "1.2")

    assert {"receiving": 1} == node.studies.counts()["studies"]


def test_what_a_peer_refused_is_listed_and_tried_again(radir: Radir, node: Node) -> None:
    """With the reason, without a name of study or patient."""
    node.deliveries.queue(1, "1.2.9001", "results/a.dcm", "pacs")
    node.deliveries.given_up([item.id for item in node.deliveries.claim("pacs")], "C-STORE status 0x0122")

    (listed,) = json.loads(radir("undelivered", "--json").stdout)
    shown = radir("undelivered").stdout
    retried = radir("undelivered", "--retry").stdout

    assert ("object", "pacs", 1, "C-STORE status 0x0122") == tuple(listed.values())[:4]
    assert "0x0122" in shown
    assert "queued: 1" in retried
    assert [] == json.loads(radir("undelivered", "--json").stdout)
    assert 1 == len(node.deliveries.claim("pacs"))
