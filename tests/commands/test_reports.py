"""`radir reports`: trouble without a word of it, bulk files, and the operator's orders."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from radir_node.cli import app
from radir_node.domain.received_report import Channel, ReceivedReport, ReportStatus, Submission
from radir_node.errors import NotIndexable, UserError
from radir_node.node.node import Node

Radir = Callable[..., Result]


@pytest.fixture
def troubled(node: Node) -> Node:
    """One dead letter, and one report whose images are not here."""
    lost = ReceivedReport("R1", ReportStatus.FINAL, "Canary nodule.", ("A99",), patient_id="CANARY")
    node.report_inbox.accept([Submission(Channel.HL7, "ris", b"MSH|canary\rPID|x", reason="MSH-2: no delimiters")])
    node.report_inbox.accept([Submission(Channel.HL7, "ris", b"2", lost)])
    node.report_linking.link(lambda text, language: pytest.fail("nothing is linked"))
    return node


def test_trouble_is_listed_without_a_word_of_it(radir: Radir, troubled: Node) -> None:
    """With channel, source, state and reason, for people and as JSON."""
    found = json.loads(radir("reports", "--json").stdout)
    shown = radir("reports").stdout

    assert {"dead": 1, "pending": 1} == {state: n for state, n in found["messages"].items() if n}
    assert [("dead", "MSH-2: no delimiters"), ("pending", "")] == [(r["state"], r["reason"]) for r in found["troubled"]]
    assert "1 pending, 1 dead" in shown and "MSH-2: no delimiters" in shown
    assert "anary" not in (json.dumps(found) + shown).lower()


def test_one_message_is_shown_or_written_as_it_came(radir: Radir, troubled: Node, tmp_path: Path) -> None:
    """To find out what is wrong with it."""
    dead, pending = (row["id"] for row in troubled.report_inbox.troubled(9))

    radir("reports", "show", str(dead), "--out", str(tmp_path / "message.hl7"))
    text = radir("reports", "show", str(pending)).stdout

    assert b"MSH|canary\rPID|x" == (tmp_path / "message.hl7").read_bytes()
    assert ["patient ID CANARY", "accession number A99"] == text.splitlines()[:2]
    assert "Canary nodule." in text


def test_orders_that_concern_nothing_are_errors(radir: Radir, troubled: Node) -> None:
    """The exit code tells a script."""
    for words in (["replay"], ["replay", "999"], ["discard"], ["show", "999"], ["import", "nowhere.csv"]):
        with pytest.raises(UserError):
            radir("reports", *words)


def test_discarding_names_what_it_removed(radir: Radir, troubled: Node) -> None:
    """Nothing is left of both."""
    numbers = [str(row["id"]) for row in troubled.report_inbox.troubled(9)]

    done = radir("reports", "discard", *numbers)

    assert "discarded: 2" in done.stdout
    assert [] == troubled.report_inbox.troubled(9)


def test_a_file_with_bad_rows_is_taken_as_far_as_it_goes(radir: Radir, node: Node, tmp_path: Path) -> None:
    """And says which rows it was, and that some were."""
    file = tmp_path / "reports.jsonl"
    file.write_text('{"accession_number": "A1", "text": "Small effusion."}\n{"text": "canary"}\n')

    done = CliRunner().invoke(app, ["reports", "import", str(file)])

    assert isinstance(done.exception, NotIndexable)
    assert "accepted: 1, refused: 1" in done.stdout
    assert "row 2" in done.stdout and "canary" not in done.stdout


def test_reparsing_is_queued(radir: Radir, node: Node) -> None:
    """Nothing is outdated here."""
    assert "queued: 0" in radir("reports", "reparse").stdout
