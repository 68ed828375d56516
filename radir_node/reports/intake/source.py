"""What is agreed with one sender of reports beyond the standards. Handed to every reader of this room."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from radir_node.domain.received_report import ReportStatus
from radir_node.errors import InvalidSetting

FIELD = re.compile(r"([A-Z][A-Z0-9]{2})-([1-9]\d?)(?:\.([1-9]\d?))?")
"""Segment, field and component as HL7 v2 counts them: "OBR-18", "ZDS-1.1"."""


@dataclass(frozen=True, slots=True)
class SourceRules:
    """Rules of one sender; the defaults are those of the standards and of IHE."""

    language: str = ""
    """Of its reports (BCP 47) where they name none; empty = the node's."""
    issuer_of_patient_id: str = ""
    """Of its patient IDs where a message names none."""
    accession_fields: tuple[str, ...] = ("OBR-18", "OBR-3", "TXA-15")
    """HL7: where the accession number stands, the first that is not empty. IHE has it in OBR-18."""
    character_set: str = ""
    """HL7: in place of what MSH-18 says, a Python or IANA name; empty = as MSH-18 says, UTF-8 where it says nothing."""
    statuses: Mapping[str, ReportStatus] = field(default_factory=dict)
    """HL7: status (OBR-25, OBX-11, TXA-17) -> its meaning where it differs from the standard; "" = no status given."""

    def __post_init__(self) -> None:
        """Raise InvalidSetting where a field is not written as HL7 has it."""
        for path in self.accession_fields:
            if FIELD.fullmatch(path) is None:
                raise InvalidSetting(f"accession_fields: must be written like OBR-18 or ZDS-1.1, got {path!r}")


STANDARD = SourceRules()
