"""The DICOM page's answers from a real catalogue and a real spool, and its orders with their audit."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_services.scp.storage.spool import Incoming, Spool
from radir_node.domain.commitment import CommitmentRequest, SopReference
from radir_node.domain.stored import Refusal, StoredInstance
from radir_node.domain.study import Completion, Evidence, InstanceHeader
from radir_node.errors import PeerUnavailable, UnknownStudy, UserError
from radir_node.node.node import Node
from radir_node.node.pages import Pages
from radir_node.node.run_files import announced
from radir_node.settings import Dicom, Peer, load_settings

AWAY = Peer(ae_title="PACS", host="127.0.0.1", port=9)


@pytest.fixture
def node(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A node with one peer that is away, holding one open study of two instances."""
    monkeypatch.setenv("RADIR_DATABASE__URL", database_url)
    monkeypatch.setenv("RADIR_STORAGE__ROOT", str(tmp_path))
    dicom = Dicom(peers={"pacs": AWAY}, push_to="pacs", verify_with="pacs")
    with Node(load_settings(dicom=dicom)) as opened:
        now = dt.datetime.now(dt.UTC)
        for n in ("1", "2"):
            header = InstanceHeader(f"1.2.3.{n}", "1.2.4", "1.2.840.10008.1.2.1", "1.2", "1.2.1", modality="CT")
            opened.intake.register_all([StoredInstance(header, f"{n}.dcm", 1, n, "CT1", now)])
        yield opened


@pytest.fixture
def pages(node: Node) -> Pages:
    return Pages.of(node)


def finish(node: Node) -> None:
    """Let the one study of the catalogue be finished, however badly."""
    assert node.studies.start(1)
    node.studies.fail(1, "unexpected")


def test_the_report_is_read_from_settings_spool_and_catalogue(node: Node, pages: Pages) -> None:
    """Peers and deadlines in force, what waits in the spool, what is open, owed and refused."""
    spool = Spool(node.root)
    spool.prepare()
    part = spool.begin(Incoming("1.2.4", "1.2.3.9", "1.2.840.10008.1.2.1", "CT1"))
    spool.publish(part, "CT1")
    node.deliveries.queue(1, "1.2.9001", "results/a.dcm", "pacs")
    node.commitments.accept(CommitmentRequest("2.25.1", "CT1", [SopReference("1.2.4", "1.2.3.1")]))
    node.intake.refuse_all([Refusal("not accepted", "US1", "1.2.5")])

    with announced(node.root, "scp", "127.0.0.1", 11112):
        state = pages.dicom()

    (peer,), (study,), (delivery,), (report,) = (
        state.peers,
        state.open_studies,
        state.deliveries.listed,
        state.reports.listed,
    )
    assert ("127.0.0.1:11112",) == state.service.addresses
    assert ("pacs", "PACS", "127.0.0.1:9", ("push_to", "verify_with")) == (
        peer.name,
        peer.ae_title,
        peer.address,
        peer.roles,
    )
    assert 5.0 == next(timeout.seconds for timeout in state.timeouts if timeout.name == "connect")
    assert all(timeout.meaning for timeout in state.timeouts)
    assert (1, 0) == (state.spool.objects, state.spool.quarantined)
    assert (1, "CT", 2) == (state.open_count, study.modality, study.instances)
    assert ("pacs", study.case_id, False) == (delivery.peer, delivery.subject, delivery.dead)
    assert ("CT1", "1 instance") == (report.peer, report.subject)
    assert [("not accepted", "US1", 1)] == [(row.reason, row.ae_title, row.times) for row in state.refusals]


def test_orders_of_the_page_are_carried_out_and_in_the_audit(node: Node, pages: Pages) -> None:
    """Complete, then reopen; what is impossible is one line, and no deed."""
    (study,) = pages.dicom().open_studies

    pages.complete(study.case_id, "keeper")
    with pytest.raises(UserError, match="not open"):
        pages.complete(study.case_id, "keeper")
    with pytest.raises(UnknownStudy):
        pages.complete("RADIR-UNKNOWN", "keeper")
    finish(node)
    (finished,) = pages.dicom().finished
    pages.reopen(study.case_id, "keeper")

    after = pages.dicom()
    assert (Completion.FORCED, Evidence.OPERATOR) == (finished.completion, finished.evidence)
    assert [study.case_id] == [one.case_id for one in after.open_studies]
    assert [("pages:keeper", "reopen study"), ("pages:keeper", "complete study")] == [
        (deed.actor, deed.action) for deed in after.deeds
    ]
    assert {study.case_id} == {deed.subject for deed in after.deeds}


def test_a_retry_of_the_page_revives_what_was_given_up(node: Node, pages: Pages) -> None:
    """One or all; nothing is left dead."""
    for name in ("a", "b"):
        node.deliveries.queue(1, f"1.2.{name}", f"results/{name}.dcm", "pacs")
    ids = [item.id for item in node.deliveries.claim("pacs")]
    node.deliveries.given_up(ids, "C-STORE status 0x0122")
    before = pages.dicom().deliveries

    one, rest = pages.retry_deliveries(ids[:1], "keeper"), pages.retry_deliveries(None, "keeper")

    after = pages.dicom()
    assert (2, 1, 1) == (before.dead, one, rest)
    assert (0, 2) == (after.deliveries.dead, after.deliveries.waiting)
    assert ["1 wait again"] * 2 == [deed.outcome for deed in after.deeds]


def test_a_peer_that_does_not_answer_is_in_the_audit_too(pages: Pages) -> None:
    """Who tested what, and what came of it."""
    with pytest.raises(PeerUnavailable):
        pages.echo("pacs", "keeper")

    (deed,) = pages.dicom().deeds
    assert ("C-ECHO", "pacs") == (deed.action, deed.subject)
    assert "PACS at 127.0.0.1:9" in deed.outcome
