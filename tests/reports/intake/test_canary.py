"""No word of a report, no name and no number of a message reaches a log or a reason, whatever is wrong with it."""

import asyncio
import io
import ipaddress
import json
import logging
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from radir_node.errors import UnreadableReport
from radir_node.reports.intake.fhir import read_diagnostic_report
from radir_node.reports.intake.hl7_answer import answer_to
from radir_node.reports.intake.hl7_message import read_message
from radir_node.reports.intake.mllp import MllpServer
from radir_node.reports.intake.mllp_framing import framed
from radir_node.reports.intake.mllp_senders import Sender
from radir_node.reports.intake.submission import read_submission
from radir_node.reports.intake.table import Format, read_table

Write = Callable[..., bytes]

CANARY = "ZQCANARY"
"""Stands in every field of every message here."""

DAMAGES = {
    "none": lambda raw: raw,
    "unknown escape": lambda raw: raw.replace(b"TEXT", rb"\Q9\ \.sp\ \.zz9\ \X\ \XZZ\ TEXT"),
    "bad hex": lambda raw: raw.replace(b"TEXT", rb"\XFF\ TEXT"),
    "other charset": lambda raw: raw.replace(b"TEXT", rb"\C2842\ TEXT"),
    "not utf-8": lambda raw: raw.replace(b"TEXT", b"\xff TEXT"),
    "no status": lambda raw: raw.replace(b"|F", b"|"),
    "bad status": lambda raw: raw.replace(b"|F", b"|" + CANARY.encode()),
    "no text": lambda raw: raw.replace(b"OBX|", b"ZZZ|"),
    "no order": lambda raw: raw.replace(b"OBR|", b"ZZZ|"),
    "no key": lambda raw: raw.replace(b"ACC" + CANARY.encode(), b""),
    "long key": lambda raw: raw.replace(b"ACC" + CANARY.encode(), CANARY.encode() * 50),
    "other type": lambda raw: raw.replace(b"ORU^R01", CANARY.encode() + b"^R01"),
    "other event": lambda raw: raw.replace(b"ORU^R01", b"ORU^" + CANARY.encode()),
    "other version": lambda raw: raw.replace(b"2.5.1", CANARY.encode()),
    "other charset name": lambda raw: raw.replace(b"UNICODE UTF-8", CANARY.encode()),
    "bad document": lambda raw: raw.replace(b"|TX|", b"|ED|").replace(b"TEXT", b"^a^" + CANARY.encode() + b"^Base64^?"),
    "bad pdf": lambda raw: raw.replace(b"|TX|", b"|ED|").replace(b"TEXT", b"^a^pdf^A^%PDF-1.4 " + CANARY.encode()),
    "bad uid": lambda raw: raw.replace(b"ACC" + CANARY.encode(), b"") + b"ZDS|" + CANARY.encode(),
    "no header": lambda raw: raw.replace(b"MSH|", CANARY.encode()),
    "two messages": lambda raw: raw + raw,
}


@pytest.fixture
def message() -> bytes:
    return "\r".join(
        (
            r"MSH|^~\&|RIS|HOSP|RADIR|NODE|20250101||ORU^R01|M1|P|2.5.1||||||UNICODE UTF-8",
            f"PID|1|{CANARY}|{CANARY}^^^{CANARY}^MR||{CANARY}^JANE||{CANARY}|F",
            f"OBR|1|{CANARY}|ACC{CANARY}|71250^{CANARY}||||||||||||{CANARY}||ACC{CANARY}||||{CANARY}|||F",
            f"OBX|1|TX|GDT^{CANARY}||TEXT {CANARY} nodule.||||||F|||||{CANARY}",
            "",
        )
    ).encode()


@pytest.mark.parametrize("damage", DAMAGES)
def test_hl7(message: bytes, damage: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """The reader, the answer, the server's line and everything that a library prints."""
    raw = DAMAGES[damage](message)
    caplog.set_level(logging.DEBUG)
    reasons: list[str] = []

    async def handle(received: bytes, sender: str) -> bytes:
        try:
            read_message(received)
        except UnreadableReport as error:
            reasons.append(str(error))
            return answer_to(received, error)
        return answer_to(received)

    with capture_logs() as logs:
        answer = asyncio.run(over_the_wire(handle, raw), debug=True)

    assert (damage == "none") == (b"MSA|AA" in answer) or damage == "unknown escape"
    kept = answer.replace(b"ACK^" + CANARY.encode(), b"")
    assert CANARY.encode() not in kept.replace(b"|" + CANARY.encode() + b"\r", b"")  # MSH-12 comes back as it was
    assert CANARY not in " ".join((*reasons, str(logs), caplog.text, *capfd.readouterr()))
    assert "hl7_connection" in str(logs)


async def over_the_wire(handle: Callable[..., object], raw: bytes) -> bytes:
    known = Sender("ris", (ipaddress.ip_network("127.0.0.0/8"),))
    server = MllpServer(handle, [known])  # type: ignore[arg-type]  # a coroutine function
    port = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(framed(raw))
    answer = await reader.readuntil(b"\x1c\r")
    writer.close()
    await server.close()
    return answer


def test_other_channels(caplog: pytest.LogCaptureFixture) -> None:
    """Reasons of FHIR, REST and bulk files quote no value either."""
    caplog.set_level(logging.DEBUG)
    bodies = [
        json.dumps(body).encode()
        for body in (
            {CANARY: CANARY},
            {"text": [CANARY]},
            {"text": CANARY, "status": CANARY},
            {"text": CANARY, "effective_at": CANARY},
            {"text": CANARY, "study_instance_uid": CANARY},
            {"resourceType": CANARY},
            {"resourceType": "DiagnosticReport", "status": CANARY},
            {"resourceType": "DiagnosticReport", "status": "final", "conclusion": CANARY},
            {"resourceType": "DiagnosticReport", "status": "final", "presentedForm": [{"data": CANARY}]},
        )
    ]
    reasons: list[str] = []
    for body in (*bodies, CANARY.encode(), b'{"' + CANARY.encode()):
        for read in (read_diagnostic_report, lambda raw: read_submission("ACC", raw, "application/json")):
            try:
                read(body)
            except UnreadableReport as error:
                reasons.append(str(error))
        csv = b'accession_number,text,status\nACC,%s\n%s,"' % (CANARY.encode(), CANARY.encode())
        for written, content in ((Format.CSV, csv), (Format.JSON_LINES, body)):
            reasons += [str(row) for _, row in read_table(io.BytesIO(content), written) if isinstance(row, Exception)]
    with pytest.raises(UnreadableReport) as refused:
        read_table(io.BytesIO(f"{CANARY} 1,{CANARY} 2".encode()), Format.CSV)

    assert len(reasons) > 20
    assert CANARY not in " ".join((*reasons, str(refused.value), caplog.text))
