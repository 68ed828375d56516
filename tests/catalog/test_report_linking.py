"""What becomes of received reports: linked, waiting for images, quarantined, replaced, taken away."""

import datetime as dt
import itertools
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import procrastinate
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radir_node.catalog import report_linking
from radir_node.catalog.cases import Cases
from radir_node.catalog.database import Database
from radir_node.catalog.intake import Intake
from radir_node.catalog.report_inbox import MessageState, ReportInbox
from radir_node.catalog.report_linking import ANOTHER_PATIENT, NO_PATIENT, ReportLinking
from radir_node.domain.received_report import Channel, ReceivedReport, ReportStatus, Submission, standing
from radir_node.domain.report import ParsedReport, Status, Tag
from radir_node.domain.stored import StoredInstance

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def parse(text: str, language: str) -> ParsedReport:
    """Tag the first word of every text in English."""
    tags = (Tag("effusion", "pleura", Status.PRESENT, 0, 5, 0, len(text), "test", "new"),)
    return ParsedReport(tags, "en", "t1") if language != "de" else ParsedReport((), "", "t1")


def version(text: str, status: ReportStatus = ReportStatus.FINAL, minute: int = 0, **changed: object) -> ReceivedReport:
    """A version of report R1 of accession A1 and patient P1, made at noon and some minutes."""
    made = ReceivedReport(
        "R1", status, text, ("A1",), patient_id="P1", effective_at=NOON + dt.timedelta(minutes=minute)
    )
    return replace(made, **changed)  # type: ignore[arg-type]


@dataclass
class Desk:
    """Brings messages in and links them."""

    database: Database
    app: procrastinate.App
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.inbox = ReportInbox(self.database, self.app)
        self.linking = ReportLinking(self.database, self.app)

    def bring(self, *versions: ReceivedReport, channel: Channel = Channel.HL7, source: str = "ris") -> None:
        for one in versions:
            self.inbox.accept([Submission(channel, source, b"%d" % next(self.numbers), one)])
        self.link()

    def link(self) -> None:
        while self.linking.link(parse):
            pass

    def texts(self, study: str = "1.2") -> list[str]:
        case = Cases(self.database).by_uid(study)
        assert case is not None
        return [report.text for report in case.reports]

    def states(self) -> list[tuple[str, str]]:
        with self.database.begin() as connection:
            rows = connection.execute(sa.text("select state, reason from report_message order by id"))
            return [(row.state, row.reason) for row in rows]


@pytest.fixture
def desk(database: Database, app: procrastinate.App) -> Desk:
    return Desk(database, app)


@pytest.fixture
def study(intake: Intake, stored: Callable[..., StoredInstance]) -> Callable[..., None]:
    """Register a study: UID 1.2, accession A1 and patient P1 unless told otherwise."""

    def register(uid: str = "1.2", accession_number: str = "A1", **header: object) -> None:
        made = stored(f"{uid}.9", uid, accession_number=accession_number, **header)
        intake.register(made)

    return register


def test_a_report_is_linked_by_accession_number(desk: Desk, study: Callable[..., None]) -> None:
    """Its text and tags, with their change, stand beside the study at once."""
    study()

    desk.bring(version("Large effusion.", identifiers=("DOE",)))

    case = Cases(desk.database).by_uid("1.2")
    assert case is not None
    (report,) = case.reports
    assert ("Large effusion.", "en", ("DOE",)) == (report.text, report.language, report.identifiers)
    assert ["new"] == [tag.change for tag in report.tags]
    assert [(MessageState.LINKED, "")] == desk.states()


def test_a_report_may_come_before_its_images(desk: Desk, study: Callable[..., None]) -> None:
    """It waits by accession number, or by Study Instance UID, and is linked when the study comes."""
    desk.bring(
        version("By number."), version("By UID.", report_key="R2", accession_numbers=(), study_instance_uids=("1.2",))
    )
    waiting = desk.states()
    study()
    desk.linking.study_came(1)
    desk.link()

    assert [(MessageState.PENDING, "")] * 2 == waiting
    assert ["By number.", "By UID."] == desk.texts()


def test_a_pending_report_is_found_although_nobody_told_of_its_study(desk: Desk, study: Callable[..., None]) -> None:
    """Care links what the coming of the study should have: the worker died in between, say."""
    desk.bring(version("Waits."))
    study()

    adopted = (desk.linking.adopt(), desk.linking.adopt())
    desk.link()

    assert (1, 0) == adopted
    assert ["Waits."] == desk.texts()


@pytest.mark.parametrize(
    ("message", "header", "reason"),
    [
        ({"patient_id": "P2"}, {}, ANOTHER_PATIENT),
        ({"issuer_of_patient_id": "A"}, {"issuer_of_patient_id": "B"}, ANOTHER_PATIENT),
        ({"patient_id": ""}, {}, NO_PATIENT),
    ],
)
def test_a_report_of_another_patient_is_quarantined(
    desk: Desk, study: Callable[..., None], message: dict[str, str], header: dict[str, str], reason: str
) -> None:
    """Patient ID must agree, and the issuers where both are known; the study shows nothing of it."""
    study(**header)

    desk.bring(version("Of somebody else.", **message))

    assert [(MessageState.QUARANTINED, reason)] == desk.states()
    assert [] == desk.texts()


def test_an_issuer_that_only_one_side_knows_is_no_contradiction(desk: Desk, study: Callable[..., None]) -> None:
    """Most modalities send no issuer."""
    study()

    desk.bring(version("Agrees.", issuer_of_patient_id="HOSPITAL"))

    assert ["Agrees."] == desk.texts()


def test_a_program_need_not_name_the_patient_of_the_only_study(desk: Desk, study: Callable[..., None]) -> None:
    """A text put to an accession number is taken where one study has that number, and quarantined where two have."""
    study()
    desk.bring(version("One.", patient_id=""), channel=Channel.REST)
    study("1.3", patient_id="P2")
    desk.bring(version("Which?", report_key="R2", patient_id=""), channel=Channel.REST)

    assert [(MessageState.LINKED, ""), (MessageState.QUARANTINED, NO_PATIENT)] == desk.states()


def test_one_report_may_belong_to_several_studies(desk: Desk, study: Callable[..., None]) -> None:
    """Those that are here have it; one that comes later gets it too."""
    study()
    desk.bring(version("Chest and abdomen.", accession_numbers=("A1", "A2")))
    study("1.3", "A2")
    desk.linking.study_came(2)
    desk.link()

    assert ["Chest and abdomen."] == desk.texts("1.2") == desk.texts("1.3")


def test_a_correction_takes_the_report_to_where_it_belongs(desk: Desk, study: Callable[..., None]) -> None:
    """A corrected accession number takes the report away from the study that had it by mistake."""
    study()
    study("1.3", "A2")

    desk.bring(version("Of A2."), version("Of A2.", ReportStatus.CORRECTED, 1, accession_numbers=("A2",)))

    assert ([], ["Of A2."]) == (desk.texts("1.2"), desk.texts("1.3"))


VERSIONS = (
    version("Draft.", ReportStatus.PRELIMINARY, 0),
    version("First.", ReportStatus.FINAL, 1),
    version("More.", ReportStatus.ADDENDUM, 2),
    version("Second.", ReportStatus.CORRECTED, 3),
    version("Still more.", ReportStatus.ADDENDUM, 4),
    version("", ReportStatus.CANCELLED, 5),
)


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (1, []),
        (2, ["First."]),
        (3, ["First.\n\nADDENDUM:\nMore."]),
        (4, ["Second."]),
        (5, ["Second.\n\nADDENDUM:\nStill more."]),
        (6, []),
    ],
)
def test_what_stands_after_each_version(desk: Desk, study: Callable[..., None], count: int, shown: list[str]) -> None:
    """Preliminary is hidden, final shown, an addendum appended; a correction replaces, a cancellation removes."""
    study()

    desk.bring(*VERSIONS[:count])

    assert shown == desk.texts()


@given(order=st.permutations(VERSIONS[:5]), repeated=st.sampled_from(VERSIONS[:5]))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_of_arrival_does_not_matter(
    desk: Desk, study: Callable[..., None], order: list[ReceivedReport], repeated: ReceivedReport
) -> None:
    """The times that the source gave decide, whatever comes first or twice."""
    with desk.database.begin() as connection:
        connection.execute(sa.text("delete from report_message"))
    study()

    desk.bring(*order, repeated)

    assert ["Second.\n\nADDENDUM:\nStill more."] == desk.texts()


def test_the_same_message_again_is_the_same_event(desk: Desk, study: Callable[..., None]) -> None:
    """A sender that missed the acknowledgement sends again; a text without a time means what it says each time."""
    study()
    timed = Submission(Channel.HL7, "ris", b"message 1", version("One."))
    puts = [
        Submission(Channel.REST, "", text.encode(), version(text, report_key="R2", effective_at=None))
        for text in ("A", "B", "B", "A")
    ]

    for submission in (timed, timed, *puts):
        desk.inbox.accept([submission])
    desk.link()

    assert 4 == len(desk.states())
    assert ["One.", "A"] == desk.texts()


def test_two_sources_with_one_report_key_are_two_reports(desk: Desk, study: Callable[..., None]) -> None:
    """A cancellation from one leaves the other's alone."""
    study()

    desk.bring(version("Of the RIS."))
    desk.bring(version("Of the cardiologist."), version("", ReportStatus.CANCELLED, 9), source="cardiology")

    assert ["Of the RIS."] == desk.texts()


def test_reports_inside_the_study_and_from_outside_live_side_by_side(desk: Desk, study: Callable[..., None]) -> None:
    """Cancelling the message removes nothing of the archive's own objects."""
    study()
    with desk.database.begin() as connection:
        connection.execute(
            sa.text("insert into report (study_id, report_key, text, parser_version) values (1, '1.9', 'SR.', 't1')")
        )

    desk.bring(version("HL7."))
    both = desk.texts()
    desk.bring(version("", ReportStatus.CANCELLED, 9))

    assert ["SR.", "HL7."] == both
    assert ["SR."] == desk.texts()


def test_a_new_parser_reads_every_report_again(desk: Desk, study: Callable[..., None]) -> None:
    """Once; what the new version has read is left alone."""
    study()
    desk.bring(version("Effusion."), version("Erguss.", report_key="R2", language="de"))

    def better(text: str, language: str) -> ParsedReport:
        return replace(parse(text, language), tags=(), parser_version="t2")

    outdated = desk.linking.standing("t2").outdated
    found = desk.linking.adopt_outdated("t2")
    last = desk.linking.reparse("t2", better)
    left = (desk.linking.reparse("t2", better, last), desk.linking.adopt_outdated("t2"))

    assert (2, True) == (outdated, found)
    assert last
    assert (0, False) == left
    case = Cases(desk.database).by_uid("1.2")
    assert case is not None
    assert [("en", ()), ("", ())] == [(report.language, report.tags) for report in case.reports]


def test_dead_letters_are_kept_as_they_came_and_can_be_read_later(desk: Desk, study: Callable[..., None]) -> None:
    """A better reader, or a corrected setting, brings them back; discarding removes the payload for good."""
    study()
    for payload in (b"\x00\x01", b"\x02"):
        desk.inbox.accept([Submission(Channel.HL7, "ris", payload, None, "MSH-18: the text is not UTF-8")])

    first, second = (desk.inbox.kept(number) for number in desk.inbox.dead())
    assert first is not None and first.payload is not None and second is not None
    again = [Submission(Channel.HL7, "ris", first.payload, version("Read at last."))]
    reread = (desk.inbox.reread(first, again), desk.inbox.reread(first, again))
    discarded = desk.inbox.discard([first.id, second.id])
    desk.link()

    assert (b"\x00\x01", b"\x02", "ris") == (first.payload, second.payload, first.source)
    assert (True, False) == reread
    assert [second.id] == discarded
    assert ["Read at last."] == desk.texts()
    with desk.database.begin() as connection:
        kept = connection.execute(sa.text("select payload from report_message order by id")).scalars().all()
    assert [None, None] == kept


def test_people_see_trouble_without_a_word_of_it(desk: Desk, study: Callable[..., None]) -> None:
    """Unreadable first, then another patient's, then those without images; retrying links what has become right."""
    study()
    desk.bring(version("Canary.", accession_numbers=("A9",)), version("Canary.", report_key="R2", patient_id="P2"))
    desk.inbox.accept([Submission(Channel.FHIR, "", b"canary", None, "no JSON")])

    listed = desk.inbox.troubled(10)
    counts = desk.inbox.counts()
    with desk.database.begin() as connection:
        connection.execute(sa.text("update study set patient_id = 'P2'"))
    retried = desk.inbox.retry()
    desk.link()

    assert ["dead", "quarantined", "pending"] == [row["state"] for row in listed]
    assert "anary" not in str(listed)
    assert (1, 1, 1) == (counts[MessageState.DEAD], counts[MessageState.QUARANTINED], counts[MessageState.PENDING])
    assert 2 == retried
    assert ["Canary."] == desk.texts()


def test_waiting_messages_without_a_job_are_adopted(desk: Desk, queued: Callable[[], list[tuple[str, int]]]) -> None:
    """A job that was lost is made again, one for all."""
    desk.inbox.accept([Submission(Channel.HL7, "ris", b"1", version("One."))])
    desk.inbox.accept([Submission(Channel.HL7, "ris", b"2", version("Two.", minute=1))])
    deferred = queued()
    with desk.database.begin() as connection:
        connection.execute(sa.text("delete from jobs.procrastinate_jobs"))

    adopted = (desk.inbox.adopt(), desk.inbox.adopt())

    assert [("link_reports", None)] == deferred
    assert (True, False) == adopted


def test_an_addendum_that_came_twice_is_shown_once() -> None:
    """Whatever its messages were called."""
    stands = standing(
        [version("Report."), version("More.", ReportStatus.ADDENDUM), version("More.", ReportStatus.ADDENDUM)]
    )

    assert stands is not None
    assert "Report.\n\nADDENDUM:\nMore." == stands.text


@pytest.mark.parametrize(
    "wrong",
    [{"accession_numbers": ("A9",), "patient_id": "P9"}, {"patient_id": "P9"}, {"patient_id": ""}],
    ids=["images not here", "another patient", "no patient"],
)
@pytest.mark.parametrize("status", [ReportStatus.CORRECTED, ReportStatus.CANCELLED])
def test_what_the_source_took_back_is_not_shown(
    desk: Desk, study: Callable[..., None], wrong: dict[str, Any], status: ReportStatus
) -> None:
    """A correction that cannot be linked takes what it corrects away all the same, and shows nothing itself."""
    study()

    desk.bring(version("Of the wrong patient."), version("Taken back.", status, 1, **wrong))

    assert [] == desk.texts()


def test_what_was_discarded_may_come_again(desk: Desk, study: Callable[..., None]) -> None:
    """The sender can bring back what an administrator removed, byte by byte the same; nothing else is left of it."""
    study()
    bad = Submission(Channel.HL7, "ris", b"1", version("Canary.", patient_id="CANARY", accession_numbers=("CANARY",)))
    desk.inbox.accept([bad])
    desk.link()
    number = desk.inbox.troubled(9)[0]["id"]
    desk.inbox.discard([number])
    with desk.database.begin() as connection:
        left = str(connection.execute(sa.text("select * from report_message")).one())

    desk.inbox.accept([bad])
    desk.link()

    assert "anary" not in left.lower()
    assert ["discarded", "pending"] == [state for state, _ in desk.states()]


def test_sending_a_quarantined_message_again_tries_it_again(desk: Desk, study: Callable[..., None]) -> None:
    """The other side may have been put right meanwhile."""
    study()
    message = Submission(Channel.HL7, "ris", b"1", version("Of P2.", patient_id="P2"))
    desk.inbox.accept([message])
    desk.link()
    with desk.database.begin() as connection:
        connection.execute(sa.text("update study set patient_id = 'P2'"))

    desk.inbox.accept([message])
    desk.link()

    assert ["Of P2."] == desk.texts()


def test_the_right_study_ends_the_quarantine(desk: Desk, study: Callable[..., None]) -> None:
    """Two hospitals use one accession number: the report finds its own study, whichever comes first."""
    study("1.3", patient_id="P9")
    desk.bring(version("Of P1."))
    before = desk.states()
    study("1.2")
    desk.linking.study_came(2)
    desk.link()

    assert [(MessageState.QUARANTINED, ANOTHER_PATIENT)] == before
    assert (["Of P1."], []) == (desk.texts("1.2"), desk.texts("1.3"))


def test_a_report_without_patient_stays_when_a_second_study_of_the_patient_comes(
    desk: Desk, study: Callable[..., None]
) -> None:
    """One accession number, one patient, two studies: both have it."""
    study()
    desk.bring(version("Both.", patient_id=""), channel=Channel.REST)
    study("1.3")
    desk.linking.study_came(2)
    desk.link()

    assert (["Both."], ["Both."]) == (desk.texts("1.2"), desk.texts("1.3"))


def test_jobs_that_run_at_once_lose_nothing(desk: Desk, study: Callable[..., None]) -> None:
    """A job that was taken for dead goes on beside its successor: one waits for the other."""
    study()
    barrier = threading.Barrier(2, timeout=1)

    def slow(text: str, language: str) -> ParsedReport:
        with suppress(threading.BrokenBarrierError):
            barrier.wait()  # both would meet here if they ran at once
        return parse(text, language)

    desk.inbox.accept([Submission(Channel.HL7, "ris", b"1", version("First."))])
    jobs = [threading.Thread(target=desk.linking.link, args=(slow,)) for _ in range(2)]
    jobs[0].start()
    desk.inbox.accept([Submission(Channel.HL7, "ris", b"2", version("More.", ReportStatus.ADDENDUM, 1))])
    jobs[1].start()
    for job in jobs:
        job.join()
    desk.link()

    assert ["First.\n\nADDENDUM:\nMore."] == desk.texts()


def test_the_coming_of_a_study_is_looked_up_by_index(desk: Desk, study: Callable[..., None]) -> None:
    """Among millions of messages: the collations of column and index must agree, or the whole table is read."""
    study()
    many = """
        insert into report_message (channel, source, sha256, state, accession_numbers, study_instance_uids)
        select 'hl7', 'ris', n::text, 'linked', array['A' || n], array['1.' || n] from generate_series(1, 20000) as n
    """
    plan = "explain " + str(report_linking._NEWCOMERS.compile()).replace(":study", "1")
    with desk.database.begin() as connection:
        connection.execute(sa.text(many))
        connection.execute(sa.text("analyze report_message"))
        lines = "\n".join(connection.execute(sa.text(plan)).scalars())

    assert "ix_report_message_accession_numbers" in lines
    assert "ix_report_message_study_instance_uids" in lines


def test_linking_does_not_wait_for_receiving(desk: Desk, study: Callable[..., None]) -> None:
    """While the rows of a study are held by a registration, its report is linked all the same."""
    study()
    with desk.database.begin() as connection:
        connection.execute(sa.text("select 1 from study for no key update"))
        desk.bring(version("Meanwhile."))

    assert ["Meanwhile."] == desk.texts()
