"""From messages to the reports of studies: each version linked or put aside, then what stands is written.

A report is what stands after all messages of one source and report key. Its rows are made anew from its messages each
time one of them is linked, so that the order of arrival, repetitions and crashes change nothing. Called by
radir_node.ingest.link_reports.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import procrastinate
import sqlalchemy as sa

from radir_node.catalog import jobs
from radir_node.catalog.database import Database
from radir_node.catalog.report_inbox import MessageState
from radir_node.catalog.report_rows import StandingReport, read_again, write_report
from radir_node.catalog.tables import report, report_message, study
from radir_node.domain.received_report import Channel, ReceivedReport, ReportStatus, standing
from radir_node.domain.report import ParsedReport

Parse = Callable[[str, str], ParsedReport]
"""(text, declared language or nothing) -> what was read."""

AT_A_TIME = 100
"""Messages, or reports, of one transaction."""

ANOTHER_PATIENT = "the patient of the message is not the patient of the study"
NO_PATIENT = "the message names no patient, so that the study cannot be checked"

_NEWCOMERS = sa.text("""
    update report_message set state = 'waiting', reason = '' from study
    where study.id = :study and report_message.state in ('pending', 'linked') and (
        (study.accession_number <> '' and accession_numbers @> array[study.accession_number])
        or study_instance_uids @> array[study.study_instance_uid]
    ) and not exists (
        select from report where report.study_id = study.id
        and report.source = report_message.source and report.report_key = report_message.report_key
    )
""")
_MISSED = sa.text("""
    update report_message set state = 'waiting', reason = '' where state = 'pending' and exists (
        select from study where (study.accession_number <> '' and study.accession_number = any(accession_numbers))
        or study.study_instance_uid = any(study_instance_uids)
    )
""")


@dataclass(frozen=True, slots=True)
class Standing:
    """Counts of the reports that stand, those inside their studies included."""

    reports: int
    not_parsed: int
    """In a language without lexicon."""
    outdated: int
    """Read by another version of the parser."""


@dataclass(frozen=True)
class ReportLinking:
    """One object per process; the jobs that call it run one at a time."""

    database: Database
    job_app: procrastinate.App

    def link(self, parse: Parse) -> int:
        """Link waiting messages, oldest first, at most AT_A_TIME; return how many there were. Raises DatabaseDown."""
        waiting = (
            sa.select(report_message)
            .where(report_message.c.state == MessageState.WAITING)
            .order_by(report_message.c.id)
            .limit(AT_A_TIME)
            .with_for_update(skip_locked=True)
        )
        with self.database.begin() as connection:
            found = connection.execute(waiting).all()
            for message in found:
                state, reason = _judge(connection, message)
                _set_state(connection, message.id, state, reason)
            for source, key in dict.fromkeys((message.source, message.report_key) for message in found):
                _rewrite(connection, source, key, parse)
        return len(found)

    def study_came(self, study_id: int) -> None:
        """Link the messages that waited for a study, and those linked to others that name it too."""
        with self.database.begin() as connection:
            if connection.execute(_NEWCOMERS, {"study": study_id}).rowcount:
                jobs.defer_once(self.job_app, connection, jobs.LINK)

    def adopt(self) -> int:
        """Link pending messages whose study is here, whatever became of its coming; return how many."""
        with self.database.begin() as connection:
            missed = connection.execute(_MISSED).rowcount
            if missed:
                jobs.defer_once(self.job_app, connection, jobs.LINK)
        return missed

    def standing(self, parser_version: str) -> Standing:
        """Count the reports that stand."""
        counts = (
            sa.func.count(),
            sa.func.count().filter(report.c.language == ""),
            sa.func.count().filter(report.c.parser_version != parser_version),
        )
        with self.database.begin() as connection:
            return Standing(*connection.execute(sa.select(*counts).select_from(report)).one())

    def outdated(self, parser_version: str) -> int:
        """Return how many reports were read by another version of the parser; a job is enqueued if there are any."""
        counted = sa.select(sa.func.count()).where(report.c.parser_version != parser_version)
        with self.database.begin() as connection:
            found: int = connection.execute(counted).scalar_one()
            if found:
                jobs.defer_once(self.job_app, connection, jobs.REPARSE)
        return found

    def reparse(self, parser_version: str, parse: Parse) -> int:
        """Read up to AT_A_TIME reports of other parser versions again; return how many. Raises DatabaseDown."""
        old = (
            sa.select(report.c.id, report.c.text, report.c.declared_language)
            .where(report.c.parser_version != parser_version)
            .order_by(report.c.id)
            .limit(AT_A_TIME)
            .with_for_update(skip_locked=True)
        )
        with self.database.begin() as connection:
            found = connection.execute(old).all()
            for row in found:
                read_again(connection, row.id, parse(row.text, row.declared_language))
        return len(found)


def _judge(connection: sa.Connection, message: Any) -> tuple[MessageState, str]:
    """Decide where a message belongs: its studies are here and are its patient's, or not."""
    studies = _studies(connection, message.accession_numbers, message.study_instance_uids)
    if not studies:
        return MessageState.PENDING, ""
    if not message.patient_id and message.channel == Channel.HL7:
        return MessageState.QUARANTINED, NO_PATIENT
    if _of_patient(message, studies):
        return MessageState.LINKED, ""
    return MessageState.QUARANTINED, ANOTHER_PATIENT if message.patient_id else NO_PATIENT


def _studies(connection: sa.Connection, accession_numbers: Sequence[str], uids: Sequence[str]) -> Sequence[Any]:
    row = study.c
    named = sa.or_(
        sa.and_(row.accession_number != "", row.accession_number.in_(accession_numbers)),
        row.study_instance_uid.in_(uids),
    )
    columns = (row.id, row.study_instance_uid, row.patient_id, row.issuer_of_patient_id)
    return connection.execute(sa.select(*columns).where(named).order_by(row.id)).all()


def _of_patient(message: Any, studies: Sequence[Any]) -> list[int]:
    """Return those studies that are the message's patient's (reports spec 2.1): Patient ID, and issuers if both say.

    Without a patient (a text that an authenticated program puts to an accession number) it must mean one study alone.
    """
    if not message.patient_id:
        return [one.id for one in studies] if len(studies) == 1 else []
    issuer, patient = message.issuer_of_patient_id.strip(), message.patient_id.strip()
    same = (one for one in studies if one.patient_id.strip() == patient)
    return [one.id for one in same if len({issuer, one.issuer_of_patient_id.strip()} - {""}) < 2]


def _set_state(connection: sa.Connection, key: int, state: MessageState, reason: str) -> None:
    changed = sa.update(report_message).where(report_message.c.id == key)
    connection.execute(changed.values(state=state, reason=reason))


def _rewrite(connection: sa.Connection, source: str, report_key: str, parse: Parse) -> None:
    """Make the rows of a report what its linked messages say."""
    row = report_message.c
    is_version = sa.and_(row.source == source, row.report_key == report_key, row.state == MessageState.LINKED)
    in_order = sa.func.coalesce(row.effective_at, row.received_at)
    versions = connection.execute(sa.select(report_message).where(is_version).order_by(in_order, row.id)).all()
    stands = standing(_version(one) for one in versions)
    studies = _studies(connection, stands.accession_numbers, stands.study_instance_uids) if stands else []
    kept = _of_patient(stands, studies) if stands else []
    gone = sa.and_(report.c.source == source, report.c.report_key == report_key, report.c.study_id.not_in(kept))
    connection.execute(sa.delete(report).where(gone))
    if stands is None:
        return
    parsed = parse(stands.text, stands.language)
    for study_id in kept:
        said = (stands.title, stands.text, stands.language, stands.identifiers)
        write_report(connection, StandingReport(study_id, source, report_key, *said), parsed)


def _version(row: Any) -> ReceivedReport:
    return ReceivedReport(
        report_key=row.report_key,
        status=ReportStatus(row.status),
        text=row.text,
        accession_numbers=tuple(row.accession_numbers),
        study_instance_uids=tuple(row.study_instance_uids),
        patient_id=row.patient_id,
        issuer_of_patient_id=row.issuer_of_patient_id,
        title=row.title,
        language=row.language,
        effective_at=row.effective_at,
        identifiers=tuple(row.identifiers),
    )
