"""Every message is answered, whatever it holds, and no answer quotes it."""

from collections.abc import Callable

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radir_node.errors import DatabaseDown, UnreadableReport
from radir_node.reports.intake.hl7_answer import Answer, acknowledgement, answer_to
from radir_node.reports.intake.hl7_header import Condition, UnsupportedMessage

Write = Callable[..., bytes]


def read(answer: bytes) -> hl7.Message:
    return hl7.parse(answer.decode())


def test_accepted(oru: Write) -> None:
    """An ACK goes back to where the message came from, with its control id and trigger event."""
    answer = read(answer_to(oru()))

    assert ("AA", "MSG01") == (answer["MSA.F1"], answer["MSA.F2"])
    assert ("RADIR", "NODE", "RIS", "HOSP") == tuple(answer[f"MSH.F{field}"] for field in (3, 4, 5, 6))
    assert ["ACK", "R01", "ACK"] == [answer[f"MSH.F9.R1.C{part}"] for part in (1, 2, 3)]
    assert ("P", "2.5.1") == (answer["MSH.F11"], answer["MSH.F12"])
    assert answer["MSH.F10"] != read(answer_to(oru()))["MSH.F10"]


@pytest.mark.parametrize(
    ("error", "code", "condition", "reason"),
    [
        (UnreadableReport("OBX-5: no data"), "AE", "102", "OBX-5: no data"),
        (UnsupportedMessage("MSH-9: not a report", Condition.MESSAGE_TYPE), "AR", "200", "MSH-9: not a report"),
        (DatabaseDown("postgres at 10.0.0.1 is down"), "AR", "207", "the node cannot store it now"),
        (ValueError("DOE^JANE"), "AR", "207", "the node failed; nothing is stored"),
    ],
)
def test_refused(oru: Write, error: Exception, code: str, condition: str, reason: str) -> None:
    """The class of the error is the code; only reasons that are made for people are told."""
    answer = read(answer_to(oru(), error))

    assert (code, "MSG01", reason) == (answer["MSA.F1"], answer["MSA.F2"], answer.unescape(answer["MSA.F3"]))
    assert (condition, "HL70357", "E") == (answer["ERR.F3.R1.C1"], answer["ERR.F3.R1.C3"], answer["ERR.F4"])
    assert reason == answer.unescape(answer["ERR.F8"])


@pytest.mark.parametrize(
    ("fields", "accepted", "refused"),
    [
        ("||", "AA", "AE"),
        ("AL|NE", "CA", "CE"),
        ("AL|", "CA", "CE"),
        ("AL|AL", "AA", "AE"),
        ("NE|AL", "AA", "AE"),
        ("ER|NE", "", "CE"),
        ("SU|NE", "CA", ""),
        ("NE|ER", "", "AE"),
        ("AL|ER", "CA", "AE"),
        ("NE|NE", "", ""),
    ],
)
def test_enhanced_mode(fields: str, accepted: str, refused: str) -> None:
    """MSH-15 and MSH-16 say which acknowledgement is wanted, and whether any."""
    raw = rf"MSH|^~\&|RIS|HOSP|RADIR|NODE|20250101||ORU^R01|1|P|2.5.1|||{fields}".encode()

    answers = [acknowledgement(raw, answer) for answer in (Answer.ACCEPTED, Answer.FAULTY)]

    assert [accepted, refused] == [str(read(answer)["MSA.F1"]) if answer else "" for answer in answers]


def test_other_delimiters() -> None:
    """An answer is written with the delimiters of its message; those in a reason are escaped."""
    raw = b"MSH$*~\\&$RIS$HOSP$RADIR$NODE$2025$$ORU*R01$M1$P$2.3"

    answer = acknowledgement(raw, Answer.FAULTY, "a $ b * c", Condition.DATA_TYPE)

    assert b"\rMSA$AE$M1$a \\F\\ b \\S\\ c\r" in answer
    assert answer.startswith(b"MSH$*~\\&$RADIR$NODE$RIS$HOSP$")


@pytest.mark.parametrize("raw", [b"", b"MSH", b"HELLO", b"MSH|^~", b"\0" * 100, b"MSH|^~\\&|A|B"])
def test_no_message(raw: bytes) -> None:
    """What is no message is answered without a control id."""
    answer = read(acknowledgement(raw, Answer.REJECTED, "no message", Condition.SEGMENT_SEQUENCE))

    assert ("AR", "") == (answer["MSA.F1"], answer["MSA.F2"])
    assert "100" == answer["ERR.F3.R1.C1"]


@given(st.binary(max_size=300))
def test_any_bytes(raw: bytes) -> None:
    """Any bytes have an answer that ends its segments and holds no byte of a frame."""
    for message in (raw, b"MSH|^~\\&|" + raw):
        answer = acknowledgement(message, Answer.FAULTY, "reason", Condition.DATA_TYPE)
        assert not answer or answer.endswith(b"\r")
        assert not {0x0B, 0x1C, 0x0A} & set(answer)
        assert answer.count(b"\r") == (3 if answer else 0)
