"""The door of the report channels over a real catalogue: durable, then yes; and what an operator does with trouble."""

import asyncio
import datetime as dt
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from oru import Oru

from radir_node.catalog.database import open_database
from radir_node.catalog.operator_actions import OperatorActions
from radir_node.domain.received_report import Channel, ReceivedReport, ReportStatus, Submission
from radir_node.domain.stored import StoredInstance
from radir_node.domain.study import InstanceHeader
from radir_node.errors import UnreadableReport, UserError
from radir_node.ingest.link_reports import ReportReader
from radir_node.node import report_sources
from radir_node.node.hl7_service import Desk
from radir_node.node.node import Node
from radir_node.node.operator import COMMAND_LINE, Operator
from radir_node.node.pages import Pages
from radir_node.node.report_import import import_reports
from radir_node.node.report_intake import GroupCommit
from radir_node.node.run_files import announced
from radir_node.settings import Reports, ReportSource, load_settings


@pytest.fixture
def node(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A node that holds one study: accession A1, patient P1."""
    monkeypatch.setenv("RADIR_DATABASE__URL", database_url)
    monkeypatch.setenv("RADIR_STORAGE__ROOT", str(tmp_path))
    reports = Reports(
        sources={"ris": ReportSource(issuer_of_patient_id="HOSPITAL"), "german": ReportSource(language="de")}
    )
    with Node(load_settings(reports=reports)) as opened:
        header = InstanceHeader(
            "1.2.3", "1.2.4", "1.2.840.10008.1.2.1", "1.2", "1.2.1",
            modality="DX", patient_id="P1", accession_number="A1", study_date=dt.date(2026, 3, 1),
        )  # fmt: skip
        opened.intake.register(StoredInstance(header, "a.dcm", 1, "a", "DX1", dt.datetime.now(dt.UTC)))
        yield opened


def report(number: int, text: str = "No effusion.") -> ReceivedReport:
    return ReceivedReport(f"R{number}", ReportStatus.FINAL, text, ("A1",), patient_id="P1")


def submission(number: int, text: str = "No effusion.") -> Submission:
    return Submission(Channel.HL7, "ris", b"%d" % number, report(number, text))


def link(node: Node) -> None:
    ReportReader(node.report_linking).link("link_reports")


def texts(node: Node) -> list[str]:
    case = node.cases.by_uid("1.2")
    assert case is not None
    return [one.text for one in case.reports]


def rows(node: Node) -> int:
    with node.database.begin() as connection:
        return int(connection.execute(sa.text("select count(*) from report_message")).scalar_one())


def test_many_messages_share_transactions(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty that wait together are durable after a few flushes; each is told when it is."""
    batches: list[int] = []
    accept = type(node.report_inbox).accept

    def counted(inbox: object, submissions: list[Submission]) -> None:
        batches.append(len(submissions))
        accept(inbox, submissions)  # type: ignore[arg-type]

    monkeypatch.setattr(type(node.report_inbox), "accept", counted)

    async def send() -> None:
        async with GroupCommit(node.report_inbox) as commit:
            await asyncio.gather(*(commit.accept([submission(number)]) for number in range(50)))

    asyncio.run(send())

    assert 50 == rows(node) == sum(batches)
    assert len(batches) <= 3


def test_one_message_that_no_database_takes_spoils_no_other(node: Node) -> None:
    """A NUL that a reader let through, say: the others of its transaction are written, it alone is not."""

    async def send() -> list[object]:
        async with GroupCommit(node.report_inbox) as commit:
            messages = [submission(1), submission(2, "\0"), submission(3)]
            return await asyncio.gather(*(commit.accept([one]) for one in messages), return_exceptions=True)

    outcomes = asyncio.run(send())

    assert [None, None] == [outcomes[0], outcomes[2]]
    assert isinstance(outcomes[1], Exception)
    assert 2 == rows(node)


def answer(node: Node, *messages: bytes) -> list[bytes]:
    async def send() -> list[bytes]:
        async with GroupCommit(node.report_inbox) as commit:
            desk = Desk(node.settings.reports, commit)
            return [await desk.answer(message, "ris") for message in messages]

    return [said.split(b"\rMSA|")[1][:2] for said in asyncio.run(send())]


def test_each_answer_says_what_became_of_the_message(node: Node) -> None:
    """AA is durable, AE a dead letter, AR nothing at all."""
    good = Oru("A1", "P1", ["Small effusion."])

    codes = answer(node, good.encode(), good.encode_wrong(), b"MSH|^~\\&|A|B|C|D|20260301||ADT^A01|9|P|2.5.1\r")

    assert [b"AA", b"AE", b"AR"] == codes
    assert (2, 1) == (rows(node), len(node.report_inbox.dead()))


def test_a_fault_that_nobody_thought_of_makes_a_dead_letter(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender is not made to send it for ever."""

    def broken(*_: object) -> None:
        raise IndexError("canary")

    monkeypatch.setattr(report_sources, "read_message", broken)

    codes = answer(node, Oru("A1", "P1", ["Small effusion."]).encode())

    (row,) = node.report_inbox.troubled(9)
    assert [b"AE"] == codes
    assert "unexpected IndexError while it was read" == row["reason"]


def test_without_a_database_nothing_is_acknowledged(node: Node) -> None:
    """The sender keeps the message and sends it again: AR says that it is the node's trouble."""
    away = replace(node.report_inbox, database=open_database("postgresql://nobody@127.0.0.1:1/none", node.root))

    async def send() -> bytes:
        async with GroupCommit(away) as commit:
            return await Desk(node.settings.reports, commit).answer(Oru("A1", "P1", ["Nodule."]).encode(), "ris")

    assert b"\rMSA|AR|" in asyncio.run(send())


def test_pages_take_reports_under_the_name_of_the_account(node: Node) -> None:
    """PUT and FHIR are linked as they come; what cannot be read is refused and kept."""
    pages = Pages.of(node)
    pages.submit_report("A1", b'{"text": "Small effusion.", "patient_id": "P1"}', "application/json", "ris")
    with pytest.raises(UnreadableReport, match="status"):
        pages.submit_report("A1", b'{"text": "x", "status": "perhaps"}', "application/json", "ris")
    with pytest.raises(UnreadableReport):
        pages.submit_fhir(b"{", "ris")
    link(node)

    state = pages.reports()
    assert ["Small effusion."] == texts(node)
    assert (1, 2, ("german", "ris")) == (state.messages["linked"], state.messages["dead"], state.sources)
    assert {"ris"} == {row.source for row in state.troubled}


def test_the_page_knows_whether_the_service_lives(node: Node) -> None:
    """A killed service leaves its file behind, and does not count as listening."""
    pages = Pages.of(node)
    before = pages.reports().listening
    with announced(node.root, "hl7", "127.0.0.1", 2575):
        during = pages.reports().listening
        file = node.root / "run" / "hl7.json"
        file.write_text(file.read_text().replace(str(os.getpid()), "999999999"))
        killed = pages.reports().listening

    assert ("", "127.0.0.1:2575", "") == (before, during, killed)


def test_a_bulk_file_is_taken_once(node: Node, tmp_path: Path) -> None:
    """Rows that cannot be read are named by number; the same file again changes nothing."""
    file = tmp_path / "reports.csv"
    file.write_text("accession_number,patient_id,text\nA1,P1,Small effusion.\n,,No key.\nA2,P2,Nodule.\n")

    first, second = (list(import_reports(node, file, "ris")) for _ in range(2))
    link(node)

    assert [(2, 1)] == [(step.accepted, len(step.refused)) for step in first]
    assert first[0].refused[0].startswith("row 2: ")
    assert "No key" not in str(first + second)
    assert 2 == rows(node)
    assert ["Small effusion."] == texts(node)


@pytest.mark.parametrize(
    ("name", "content", "source", "message"),
    [
        ("reports.csv", "accession,text\n", "ris", "accession"),
        ("reports.txt", "", "ris", "must end with"),
        ("reports.csv", "accession_number,text\n", "typo", "known: german, ris"),
    ],
)
def test_a_wrong_file_is_one_clear_line(
    node: Node, tmp_path: Path, name: str, content: str, source: str, message: str
) -> None:
    """The name of the file, and what is wrong with it."""
    file = tmp_path / name
    file.write_text(content)

    with pytest.raises(UserError, match=message):
        list(import_reports(node, file, source))


def test_a_report_in_another_language_says_that_it_was_not_parsed(node: Node) -> None:
    """By its source; its case does not look like one without findings."""
    node.report_inbox.accept([Submission(Channel.REST, "german", b"1", ReceivedReport(
        "R1", ReportStatus.FINAL, "Kleiner Erguss rechts.", ("A1",), patient_id="P1", language="de"
    ))])  # fmt: skip
    link(node)

    card = Pages.of(node).lookup(study_uid="1.2")
    assert card is not None
    assert ("Report not parsed: not in English", ()) == (card.report_note, card.findings)


def test_what_an_operator_does_is_in_the_audit(node: Node) -> None:
    """With the numbers of the messages: replayed, shown, discarded."""
    answer(node, Oru("A1", "P1", ["Nodule."]).encode_wrong(), Oru("A9", "P9", ["Nodule."], control_id="2").encode())
    link(node)
    dead, pending = (row["id"] for row in node.report_inbox.troubled(9))
    operator = Operator(node, COMMAND_LINE)

    again = operator.replay_reports([dead])
    shown = operator.show_report(pending)
    gone = operator.discard_reports([dead, pending])

    deeds = [(deed.action, deed.outcome) for deed in OperatorActions(node.database).recent(3)]
    assert (0, "P9", 2) == (again, shown.patient_id, gone)
    assert [
        ("discard reports", f"2 are discarded: {dead}, {pending}"),
        ("show report message", f"message {pending} was shown"),
        ("read reports again", f"0 are linked anew: {dead}"),
    ] == deeds
