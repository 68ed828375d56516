"""What stands of reports after all their messages, many reports at once, inside the transaction of report_linking."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import sqlalchemy as sa

from radir_node.catalog.report_inbox import MessageState
from radir_node.catalog.report_rows import StandingReport, write_report
from radir_node.domain.received_report import ReceivedReport, ReportStatus, standing
from radir_node.domain.report import ParsedReport

Parse = Callable[[str, str], ParsedReport]
"""(text, declared language or nothing) -> what was read."""
ReportName = tuple[str, str]
"""Source and report key."""

# A report is "r", a message "m". One statement for all: an interface engine brings hundreds of messages a second.
_NAMED = "unnest(cast(:sources as text[]), cast(:keys as text[])) as named (source, key)"
_STUDIES = sa.text("""
    select id, study_instance_uid, accession_number, patient_id, issuer_of_patient_id from study
    where (accession_number <> '' and accession_number = any(:accession_numbers)) or study_instance_uid = any(:uids)
    order by id
""")
_VERSIONS = sa.text(f"""
    select m.source, m.report_key, m.state, m.status, m.text, m.title, m.language, m.effective_at, m.accession_numbers,
        m.study_instance_uids, m.patient_id, m.issuer_of_patient_id, m.identifiers
    from {_NAMED} join report_message m on m.source = named.source and m.report_key = named.key collate "C"
    where m.state in ('linked', 'pending') or (m.state = 'quarantined' and m.status in ('corrected', 'cancelled'))
    order by coalesce(m.effective_at, m.received_at), m.id
""")
_ROWS = sa.text(f"""
    select r.id, r.source, r.report_key, r.study_id
    from {_NAMED} join report r on r.source = named.source and r.report_key = named.key
""")
_GONE = sa.text("delete from report where id = any(:ids)")


@dataclass(frozen=True)
class NamedStudies:
    """The studies that messages name, read at once."""

    rows: Sequence[Any]

    @classmethod
    def read(cls, connection: sa.Connection, messages: Iterable[Any]) -> Self:
        """Messages have accession_numbers and study_instance_uids."""
        known = [(one.accession_numbers, one.study_instance_uids) for one in messages]
        named = {
            "accession_numbers": sorted({number for numbers, _ in known for number in numbers}),
            "uids": sorted({uid for _, uids in known for uid in uids}),
        }
        return cls(connection.execute(_STUDIES, named).all() if any(named.values()) else ())

    def of(self, message: Any) -> list[Any]:
        """Return the studies that one of the messages names."""
        numbers, uids = set(message.accession_numbers), set(message.study_instance_uids)
        return [row for row in self.rows if row.accession_number in numbers or row.study_instance_uid in uids]


def of_patient(message: Any, studies: Sequence[Any]) -> list[int]:
    """Return those studies that are the message's patient's (reports spec 2.1): Patient ID, and issuers if both say.

    Without a patient (a text that an authenticated program puts to an accession number) it must mean one patient alone.
    """
    if not message.patient_id:
        patients = {(one.patient_id.strip(), one.issuer_of_patient_id.strip()) for one in studies}
        is_one = len(studies) == 1 or (len(patients) == 1 and bool(studies[0].patient_id.strip()))
        return [one.id for one in studies] if is_one else []
    issuer, patient = message.issuer_of_patient_id.strip(), message.patient_id.strip()
    same = (one for one in studies if one.patient_id.strip() == patient)
    return [one.id for one in same if len({issuer, one.issuer_of_patient_id.strip()} - {""}) < 2]


def rewrite(connection: sa.Connection, names: Collection[ReportName], parse: Parse) -> None:
    """Make the rows of reports what their messages say."""
    named = {"sources": [source for source, _ in names], "keys": [key for _, key in names]}
    versions: dict[ReportName, list[ReceivedReport]] = {name: [] for name in names}
    for row in connection.execute(_VERSIONS, named):
        versions[row.source, row.report_key].append(_version(row))
    stand = {name: report for name, those in versions.items() if (report := standing(those)) is not None}
    studies = NamedStudies.read(connection, stand.values())
    kept = {name: of_patient(report, studies.of(report)) for name, report in stand.items()}
    _remove(connection, named, kept)
    for name, ids in kept.items():
        if ids:
            _write(connection, name, stand[name], ids, parse)


def _remove(connection: sa.Connection, named: Mapping[str, Any], kept: Mapping[ReportName, Sequence[int]]) -> None:
    """Take reports from the studies that have them no longer."""
    rows = connection.execute(_ROWS, named).all()
    gone = [row.id for row in rows if row.study_id not in kept.get((row.source, row.report_key), ())]
    if gone:
        connection.execute(_GONE, {"ids": gone})


def _write(
    connection: sa.Connection, name: ReportName, stands: ReceivedReport, ids: Iterable[int], parse: Parse
) -> None:
    parsed, (source, key) = parse(stands.text, stands.language), name
    for study_id in ids:
        said = (stands.title, stands.text, stands.language, stands.identifiers)
        write_report(connection, StandingReport(study_id, source, key, *said), parsed)


def _version(row: Any) -> ReceivedReport:
    """What a quarantined correction takes away is gone; what it says is not shown."""
    shown = row.state != MessageState.QUARANTINED
    return ReceivedReport(
        report_key=row.report_key,
        status=ReportStatus(row.status) if shown else ReportStatus.CANCELLED,
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
