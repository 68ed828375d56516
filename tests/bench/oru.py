"""HL7 v2 messages as a RIS sends them: ORU^R01 with one report. For acceptance tests and the benchmark."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

CANARY = "ZZCANARY"
"""Part of the patient's name in every message: no log may hold it."""


@dataclass(frozen=True, slots=True)
class Oru:
    """One version of a report."""

    accession_number: str
    patient_id: str
    findings: Sequence[str]
    """Lines of the report; each is an OBX of its own."""
    status: str = "F"
    """OBR-25."""
    control_id: str = "1"
    made_at: dt.datetime = dt.datetime(2026, 3, 1, 12)
    charset: str = "UNICODE UTF-8"
    order: str = ""
    """Filler order number, which names the report; empty = one of the accession number's own."""

    def encode(self) -> bytes:
        """Write the message with carriage returns."""
        at = f"{self.made_at:%Y%m%d%H%M%S}"
        header = (
            f"MSH|^~\\&|RIS|HOSPITAL|RADIR|HOSPITAL|{at}||ORU^R01^ORU_R01|{self.control_id}|P|2.5.1||||||{self.charset}"
        )
        patient = f"PID|1||{self.patient_id}^^^HOSPITAL^PI||{CANARY}^JANE||19600101|F"
        order = f"OBR|1||{self.order or self.accession_number + '-R'}|71250^CHEST^LN|||{at}|||||||||REF^{CANARY}REF^DR"
        order += f"||{self.accession_number}||||{at}||RAD|{self.status}"
        report = [
            f"OBX|{n}|TX|71250&GDT^FINDINGS||{line}||||||{self.status}" for n, line in enumerate(self.findings, 1)
        ]
        return "\r".join((header, patient, order, *report, "")).encode()

    def encode_wrong(self) -> bytes:
        """Write the message with a byte that is none of its character set."""
        return self.encode().rstrip(b"\r") + b"\rOBX|9|TX|||caf\xe9||||||F\r"
