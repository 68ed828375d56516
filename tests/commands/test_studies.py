"""What an operator sees of studies and may do to them, over a real catalogue."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from dicom_services.scp.storage.spool import Incoming, Spool
from radir_node.catalog.operator_actions import OperatorActions
from radir_node.domain.commitment import CommitmentRequest, SopReference
from radir_node.errors import DatabaseDown, UnknownStudy, UserError
from radir_node.node.node import Node

Radir = Callable[..., Result]


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


def test_what_people_did_is_in_the_audit(radir: Radir, node: Node) -> None:
    """Each deed with its actor and outcome; what was refused is none."""
    radir("complete", "1.2")
    with pytest.raises(UserError):
        radir("complete", "1.2")

    (done,) = OperatorActions(node.database).recent(5)

    assert ("command line", "complete study", "queued for the index") == (done.actor, done.action, done.outcome)
    assert done.subject.startswith("RADIR-")


def test_status_counts_what_waits(radir: Radir, node: Node) -> None:
    """Objects in the spool, in quarantine, and what is owed to peers."""
    spool = Spool(node.root)
    spool.prepare()
    part = spool.begin(Incoming("1.2.840.10008.5.1.4.1.1.7", "1.2.3", "1.2.840.10008.1.2.1", "CT1"))
    part.write(memoryview(b"a data set"))
    spool.publish(part, "CT1")
    (spool.quarantine / "1.dcm").touch()
    node.deliveries.queue(1, "1.2.9001", "results/a.dcm", "pacs")
    node.commitments.accept(CommitmentRequest("2.25.1", "PACS", [SopReference("1.2", "1.2.3")]))

    found = json.loads(radir("status", "--json").stdout)
    shown = radir("status").stdout

    waiting = {"unregistered": 1, "quarantined": 1, "deliveries_waiting": 1, "reports_waiting": 1}
    assert waiting == {key: found[key] for key in waiting}
    assert "1 acknowledged and not registered, 1 quarantined" in shown


def test_status_without_a_database_says_what_waits_for_it(
    radir: Radir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Receiving goes on while the catalogue is away; one line says how much of it there is."""
    spool = Spool(tmp_path)
    spool.prepare()
    part = spool.begin(Incoming("1.2.840.10008.5.1.4.1.1.7", "1.2.3", "1.2.840.10008.1.2.1", "CT1"))
    spool.publish(part, "CT1")
    monkeypatch.setenv("RADIR_DATABASE__URL", "postgresql://127.0.0.1:9/nothing")

    with pytest.raises(DatabaseDown, match="1 acknowledged objects wait for it in the spool"):
        radir("status")
