"""Reads a report that a program sends by REST: named fields as JSON, or the text alone. Called by the route."""

from radir_node.documents.charsets import decoded
from radir_node.documents.plain import MAX_DOCUMENT_BYTES
from radir_node.domain.received_report import ReceivedReport
from radir_node.errors import UnreadableReport
from radir_node.reports.intake.fields import read_fields
from radir_node.reports.intake.json_elements import Element, json_object
from radir_node.reports.intake.source import STANDARD, SourceRules

PLAIN_TEXT = "text/plain"
JSON = "application/json"


def read_submission(key: str, body: bytes, media_type: str, rules: SourceRules = STANDARD) -> ReceivedReport:
    """Return the report of a body that is about `key`, an accession number or Study Instance UID.

    A plain text is a final report, in UTF-8 unless the media type (RFC 2046) names another character set; JSON has the
    fields of fields.NAMES. Raise UnreadableReport with the name of the field.
    """
    if len(body) > MAX_DOCUMENT_BYTES:
        raise UnreadableReport(f"the body is larger than {MAX_DOCUMENT_BYTES >> 20} MiB")
    kind, _, parameters = media_type.partition(";")
    if kind.strip().lower() == PLAIN_TEXT:
        charset = parameters.lower().partition("charset=")[2].partition(";")[0].strip(" \"'") or "utf-8"
        return read_fields(Element("body", {"text": decoded(body, charset, "Content-Type")}), rules, key)
    if kind.strip().lower() != JSON:
        raise UnreadableReport(f"the body must be {JSON} or {PLAIN_TEXT}")
    return read_fields(json_object(body, "body"), rules, key)
