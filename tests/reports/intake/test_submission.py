"""Bodies of REST requests and rows of bulk files: the same fields, each fault with its place."""

import csv
import datetime as dt
import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radir_node.domain.received_report import ReceivedReport, ReportStatus
from radir_node.errors import UnreadableReport
from radir_node.reports.intake.submission import read_submission
from radir_node.reports.intake.table import MAX_ROW_BYTES, Format, read_table

NO_CSV = "not a valid CSV row: quotes that do not match, or a carriage return alone"
NO_LINK = "no accession number and no study UID in accession_number and study_instance_uid"
UID = "1.2.840.113619.2.55.3.604688"


def submitted(key: str = "ACC1", media_type: str = "application/json", **fields: Any) -> ReceivedReport:
    return read_submission(key, json.dumps(fields).encode(), media_type)


def test_json_body() -> None:
    """All fields arrive; what is not given is what is usual."""
    report = submitted(
        findings="Nodule.",
        impression="Benign.",
        patient_id="12345",
        issuer_of_patient_id="HOSP",
        report_key="R1",
        status="Corrected",
        language="de",
        effective_at="2025-01-01T12:00:00Z",
        title="CT",
        identifiers=["Doe^Jane"],
        study_instance_uid=UID,
    )

    assert (
        ReceivedReport(
            report_key="R1",
            status=ReportStatus.CORRECTED,
            text="FINDINGS:\nNodule.\n\nIMPRESSION:\nBenign.",
            accession_numbers=("ACC1",),
            study_instance_uids=(UID,),
            patient_id="12345",
            issuer_of_patient_id="HOSP",
            title="CT",
            language="de",
            effective_at=dt.datetime(2025, 1, 1, 12, tzinfo=dt.UTC),
            identifiers=("Doe^Jane",),
        )
        == report
    )
    assert ("ACC1", ReportStatus.FINAL) == (submitted(text="x").report_key, submitted(text="x").status)
    assert ReportStatus.CANCELLED is submitted(status="cancelled").status


def test_key_of_the_address() -> None:
    """A UID of many parts is a study, everything else an accession number."""
    assert ((UID,), ()) == (submitted(UID, text="x").study_instance_uids, submitted(UID, text="x").accession_numbers)
    assert ("2025.01.17",) == submitted("2025.01.17", text="x").accession_numbers
    assert ("ACC1", "ACC2") == submitted(text="x", accession_number=["ACC2", "ACC1"]).accession_numbers


def test_plain_text_body() -> None:
    """A text is a final report, in the character set that it names."""
    assert "Erguß." == read_submission("ACC1", "Erguß.".encode(), "text/plain").text
    assert "Erguß." == read_submission("ACC1", "Erguß.".encode("latin-1"), 'text/plain; charset="ISO-8859-1"').text


@pytest.mark.parametrize(
    ("body", "media_type", "expected"),
    [
        (b"x", "text/html", "the body must be application/json or text/plain"),
        (b"\xff", "text/plain", "the text is not in the character set that Content-Type names"),
        (b" ", "text/plain", "the message holds no report text"),
        (b"{", "application/json", "body: no JSON (line 1, column 2)"),
        (b'{"txt": "x"}', "application/json", "body: 1 unknown fields; known are accession_number"),
        ('{"text": "x"}'.encode("utf-16"), "application/json", "body: not in UTF-8"),
        (b'{"text": 5}', "application/json", "body.text: must be a string"),
        (b'{"text": "x", "findings": "y"}', "application/json", "body.text: stands beside findings or impression"),
        (b'{"text": "x", "status": "done"}', "application/json", "body.status: must be one of preliminary, final"),
        (b'{"text": "x", "effective_at": "soon"}', "application/json", "body.effective_at: not a time of ISO 8601"),
        (b'{"text": "x", "study_instance_uid": "a"}', "application/json", "body.study_instance_uid: no UID"),
        (b'{"text": "x", "identifiers": [5]}', "application/json", "body.identifiers: must be at most 1,000 strings"),
    ],
)
def test_faults(body: bytes, media_type: str, expected: str) -> None:
    """Each fault is one line with the name of its field, and quotes no value."""
    with pytest.raises(UnreadableReport) as refused:
        read_submission("ACC1", body, media_type)

    assert str(refused.value).startswith(expected)


def table(content: "bytes | str", written: Format = Format.CSV) -> list[tuple[int, ReceivedReport | UnreadableReport]]:
    raw = content if isinstance(content, bytes) else content.encode()
    return list(read_table(io.BytesIO(raw), written))


def texts(rows: list[tuple[int, ReceivedReport | UnreadableReport]]) -> list[tuple[int, str]]:
    return [(number, row.text if isinstance(row, ReceivedReport) else f"! {row}") for number, row in rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv(delimiter: str) -> None:
    """Columns in any order, quoted texts with line breaks, several links in one cell; spreadsheets' own delimiters."""
    rows = (
        ("\ufeffAccession_Number", "text", "study_instance_uid", "status"),
        ("ACC1\\ACC2", '"Heart normal.\nNo ""effusion""."', UID, ""),
        ("", "", "", ""),
        ("ACC3", "", "", "cancelled"),
    )
    found = table("\r\n".join(delimiter.join(cells) for cells in rows))

    assert [(1, 'Heart normal.\nNo "effusion".'), (3, "")] == texts(found)
    first = found[0][1]
    assert isinstance(first, ReceivedReport)
    assert (("ACC1", "ACC2"), (UID,)) == (first.accession_numbers, first.study_instance_uids)


def test_json_lines() -> None:
    """One object a line; empty lines are counted and left out."""
    lines = [json.dumps({"accession_number": "ACC1", "text": "Heart."}), "", '{"text": 5}', "{", '{"text": "x"}']

    assert [
        (1, "Heart."),
        (3, "! row 3.text: must be a string"),
        (4, "! row 4: no JSON (line 1, column 2)"),
        (5, f"! row 5: nothing to link the report by: {NO_LINK}"),
    ] == texts(table("\n".join(lines), Format.JSON_LINES))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "columns missing: accession_number or study_instance_uid; missing: text or findings or impression; known"),
        ("accession_number,report", "columns 1 unknown (report); missing: text or findings or impression; known are"),
        ("text,text", "columns twice: text; missing: accession_number or study_instance_uid; known are"),
        ("ACC1,The heart is normal.", "columns 2 unknown (is there a header?)"),
        ("text", "columns missing: accession_number or study_instance_uid"),
    ],
)
def test_header(header: str, expected: str) -> None:
    """One line lists what is missing and what is unknown, and quotes no cell of a file without header."""
    with pytest.raises(UnreadableReport) as refused:
        table(header + "\nACC1,x\n")

    assert str(refused.value).startswith(expected)
    assert "heart" not in str(refused.value)


def test_bad_rows() -> None:
    """A bad row costs that row."""
    rows = [
        b"accession_number,text,effective_at",
        b"ACC1,Heart.,",
        b"ACC2,Ergu\xdf.,",
        b"ACC3,He\0art.,",
        b"ACC4,Heart.",
        b"ACC5,Heart.,,,",
        b"ACC6,Heart.,soon",
        b"ACC7,,",
        b"ACC8,Heart.,2025-01-01",
    ]

    assert [
        (1, "Heart."),
        (2, "! row 2.text: not in UTF-8, or with NUL characters"),
        (3, "! row 3.text: not in UTF-8, or with NUL characters"),
        (4, "! row 4: 1 cells too few"),
        (5, "! row 5: 2 cells too many"),
        (6, "! row 6.effective_at: not a time of ISO 8601"),
        (7, "! row 7: the message holds no report text"),
        (8, "Heart."),
    ] == texts(table(b"\n".join(rows)))


def test_quote_without_end() -> None:
    """Where rows cannot be told apart any more the file ends, and says so."""
    rows = ["accession_number,text", "ACC1,Heart.", 'ACC2,"Heart', *["ACC3,Lungs."] * 10]

    (first, second) = texts(table("\n".join(rows)))

    assert (1, "Heart.") == first
    assert second == (2, f"! row 2: {NO_CSV}; the rows from here on are not read")


def test_carriage_returns_alone() -> None:
    """Line ends of a kind that CSV has not are said to be one, in the header and in a row."""
    with pytest.raises(UnreadableReport, match=f"^header: {NO_CSV}$"):
        table("accession_number,text\rACC1,Heart.\r")
    assert [(1, f"! row 1: {NO_CSV}; the rows from here on are not read")] == texts(
        table("accession_number,text\nACC1,Heart.\rLungs.\nACC2,Heart.\n")
    )


def test_long_cell_in_the_header() -> None:
    """A file whose first line is a report is refused by its columns, however long that line is."""
    csv.field_size_limit(1000)  # as in a process that read no table yet

    with pytest.raises(UnreadableReport, match=r"columns 2 unknown \(is there a header\?\)"):
        table(f'ACC1,"{"Heart normal. " * 200}"\n')


@pytest.mark.parametrize("written", list(Format))
def test_endless_row(written: Format) -> None:
    """A row that never ends is an error before it fills the memory; the file is never held as a whole."""

    class Endless(io.RawIOBase):
        def __init__(self) -> None:
            self.start = b"accession_number,text\n" if written is Format.CSV else b""
            self.given = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            piece = self.start or (b'"' if self.given == len(b"accession_number,text\n") else b"x") * 1
            piece = piece if self.start else piece + b"x" * (min(len(buffer), 1 << 16) - 1)
            self.start = b""
            buffer[: len(piece)] = piece
            self.given += len(piece)
            return len(piece)

    endless = Endless()

    rows = texts(list(read_table(io.BufferedReader(endless), written)))

    assert [(1, f"! row 1: longer than {MAX_ROW_BYTES >> 20} MiB; the rows from here on are not read")] == rows
    assert endless.given < 2 * MAX_ROW_BYTES


def test_memory() -> None:
    """A large file costs the memory of one row."""

    class Large(io.RawIOBase):
        def __init__(self) -> None:
            self.lines = self.content()
            self.rest = b""

        @staticmethod
        def content() -> Iterator[bytes]:
            yield b"accession_number,text\n"
            for number in range(2_000):
                yield b'ACC%d,"%s"\n' % (number, b"Heart normal.\n" * 700)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            self.rest = self.rest or next(self.lines, b"")
            size = min(len(buffer), len(self.rest))
            buffer[:size], self.rest = self.rest[:size], self.rest[size:]
            return size

    tracemalloc.start()
    rows = sum(1 for _ in read_table(io.BufferedReader(Large()), Format.CSV))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 2_000 == rows
    assert peak < 2 << 20


@given(st.binary(max_size=200), st.sampled_from(list(Format)))
@settings(max_examples=300)
def test_any_bytes(raw: bytes, written: Format) -> None:
    """Any bytes are rows and reasons, and nothing else."""
    for number, row in table(b"accession_number,text\n" + raw, written):
        assert number > 0
        assert isinstance(row, ReceivedReport) or "\n" not in str(row)
    for media_type in ("application/json", "text/plain"):
        try:
            assert read_submission("ACC1", raw, media_type)
        except UnreadableReport as error:
            assert "\n" not in str(error)
