"""From messages to the reports of studies: each version linked or put aside, then what stands is written.

A report is what stands after all messages of one source and report key. Its rows are made anew from its messages each
time one of them is looked at, so that the order of arrival, repetitions and crashes change nothing. A correction whose
study is not here, or is another patient's, takes what it corrects away all the same: the source has withdrawn it.
Called by radir_node.ingest.link_reports.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import procrastinate
import sqlalchemy as sa

from radir_node.catalog import jobs
from radir_node.catalog.database import Database
from radir_node.catalog.report_inbox import MessageState
from radir_node.catalog.report_rows import read_again
from radir_node.catalog.report_standing import NamedStudies, Parse, of_patient, rewrite
from radir_node.catalog.tables import report
from radir_node.domain.received_report import Channel

AT_A_TIME = 100
"""Messages, or reports, of one transaction."""

ANOTHER_PATIENT = "the patient of the message is not the patient of the study"
NO_PATIENT = "the message names no patient, so that the study cannot be checked"
NO_PATIENT_THERE = "the study has no patient ID, so that the message cannot be checked"

_IN_TURN = sa.text("select pg_advisory_xact_lock(hashtext('radir.link_reports'))")
"""A job that was taken for dead may still run beside its successor, and neither would see what the other decides."""
_NEWCOMERS = sa.text("""
    update report_message set state = 'waiting', reason = '' from study
    where study.id = :study and report_message.state in ('pending', 'linked', 'quarantined') and (
        (study.accession_number <> '' and accession_numbers @> array[study.accession_number collate "default"])
        or study_instance_uids @> array[study.study_instance_uid]
    ) and not exists (
        select from report where report.study_id = study.id
        and report.source = report_message.source and report.report_key = report_message.report_key
    )
""")
_MISSED = sa.text("""
    update report_message set state = 'waiting', reason = ''
    where state = 'pending' and received_at > now() - interval '1 hour' and exists (
        select from study where (study.accession_number <> '' and study.accession_number = any(accession_numbers))
        or study.study_instance_uid = any(study_instance_uids)
    )
""")
"""The moment between a look for a study and its coming is short; what waits longer is found when its study comes."""

_WAITING = sa.text("""
    select id, channel, source, report_key, patient_id, issuer_of_patient_id, accession_numbers, study_instance_uids
    from report_message where state = 'waiting' order by id limit :most for update
""")
_JUDGED = sa.text("""
    update report_message set state = said.state, reason = said.reason
    from unnest(cast(:ids as bigint[]), cast(:states as text[]), cast(:reasons as text[])) as said (id, state, reason)
    where report_message.id = said.id
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
        with self.database.begin() as connection:
            connection.execute(_IN_TURN)
            found = connection.execute(_WAITING, {"most": AT_A_TIME}).all()
            if found:
                studies = NamedStudies.read(connection, found)
                judged = [_judge(message, studies.of(message)) for message in found]
                states, reasons = zip(*judged, strict=True)
                ids = [message.id for message in found]
                connection.execute(_JUDGED, {"ids": ids, "states": list(states), "reasons": list(reasons)})
                rewrite(connection, list(dict.fromkeys((one.source, one.report_key) for one in found)), parse)
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

    def adopt_outdated(self, parser_version: str) -> bool:
        """Defer the reading of reports that another version of the parser has read; say whether there are any."""
        with self.database.begin() as connection:
            found = bool(connection.execute(sa.select(sa.exists().where(_is_outdated(parser_version)))).scalar_one())
            if found:
                jobs.defer_once(self.job_app, connection, jobs.REPARSE)
        return found

    def reparse(self, parser_version: str, parse: Parse, after: int = 0) -> int:
        """Read up to AT_A_TIME reports of other parser versions again, those with a higher number than `after`.

        Return the number of the last, 0 when none was left. Raises DatabaseDown.
        """
        old = (
            sa.select(report.c.id, report.c.text, report.c.declared_language)
            .where(_is_outdated(parser_version), report.c.id > after)
            .order_by(report.c.id)
            .limit(AT_A_TIME)
            .with_for_update(skip_locked=True)
        )
        with self.database.begin() as connection:
            found = connection.execute(old).all()
            for row in found:
                read_again(connection, row.id, parse(row.text, row.declared_language))
        return int(found[-1].id) if found else 0

    def go_on(self, task: str) -> None:
        """Let a job that has worked long enough be followed by another, so that others get their turn."""
        with self.database.begin() as connection:
            jobs.defer_once(self.job_app, connection, task)


def _is_outdated(parser_version: str) -> sa.ColumnElement[bool]:
    """Two ranges, which the index finds, in place of one inequality."""
    return sa.or_(report.c.parser_version < parser_version, report.c.parser_version > parser_version)


def _judge(message: Any, studies: Sequence[Any]) -> tuple[MessageState, str]:
    """Decide where a message belongs: its studies are here and are its patient's, or not."""
    if not studies:
        return MessageState.PENDING, ""
    if not message.patient_id and message.channel == Channel.HL7:
        return MessageState.QUARANTINED, NO_PATIENT
    if of_patient(message, studies):
        return MessageState.LINKED, ""
    if not message.patient_id:
        return MessageState.QUARANTINED, NO_PATIENT
    known = any(one.patient_id.strip() for one in studies)
    return MessageState.QUARANTINED, ANOTHER_PATIENT if known else NO_PATIENT_THERE
