"""Messages of every channel to reports, by what the settings say of their source; dead letters are read likewise."""

import json
from collections.abc import Sequence

from radir_node.domain.received_report import Channel, ReceivedReport, Submission
from radir_node.errors import RadirError, UnreadableReport
from radir_node.reports.intake.fhir import read_diagnostic_report
from radir_node.reports.intake.hl7_message import read_message
from radir_node.reports.intake.source import STANDARD, SourceRules
from radir_node.reports.intake.submission import read_submission
from radir_node.settings import Reports


def rules(source: str, reports: Reports) -> SourceRules:
    """Return what is agreed with a source; the standards alone where it is not configured. Raises InvalidSetting."""
    named = reports.sources.get(source)
    if named is None:
        return STANDARD
    return SourceRules(
        language=named.language,
        issuer_of_patient_id=named.issuer_of_patient_id,
        accession_fields=named.accession_fields,
        character_set=named.character_set,
        statuses=named.statuses,
    )


def put_payload(key: str, body: bytes, content_type: str) -> bytes:
    """Return a PUT as one document, so that it can be read again."""
    return json.dumps([key, content_type, body.decode("latin-1")]).encode()


def read_payload(channel: Channel, payload: bytes, source: str, reports: Reports) -> Sequence[ReceivedReport]:
    """Read a message as the inbox keeps it; at least one report. Raises UnreadableReport."""
    agreed = rules(source, reports)
    if channel is Channel.HL7:
        return read_message(payload, agreed)
    if channel is Channel.FHIR:
        return (read_diagnostic_report(payload, agreed),)
    key, content_type, body = json.loads(payload)
    return (read_submission(key, body.encode("latin-1"), content_type, agreed),)


def submissions(channel: Channel, payload: bytes, source: str, reports: Reports) -> list[Submission]:
    """Return what a message says, for the inbox.

    Raises UnreadableReport, also for what nobody thought of: such a message must not come again and again.
    """
    try:
        found = read_payload(channel, payload, source, reports)
    except RadirError:
        raise
    except Exception as error:
        raise UnreadableReport(f"unexpected {type(error).__name__} while it was read") from error
    return [Submission(channel, source, payload, report) for report in found]
