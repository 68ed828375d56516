"""HL7 v2 messages give what they say, and one line of reason where they say too little."""

import base64
import datetime as dt
from collections.abc import Callable

import hl7
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radir_node.domain.received_report import ReceivedReport, ReportStatus, standing
from radir_node.errors import InvalidSetting, UnreadableReport
from radir_node.reports.intake import hl7_segments
from radir_node.reports.intake.hl7_header import UnsupportedMessage
from radir_node.reports.intake.hl7_message import read_message
from radir_node.reports.intake.source import SourceRules

Write = Callable[..., bytes]
Segment = Callable[..., str]


def one(raw: bytes, **rules: object) -> ReceivedReport:
    (report,) = read_message(raw, SourceRules(**rules))  # type: ignore[arg-type]  # by name
    return report


def reason(raw: bytes, **rules: object) -> str:
    with pytest.raises(UnreadableReport) as refused:
        read_message(raw, SourceRules(**rules))  # type: ignore[arg-type]  # by name
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_fields(oru: Write) -> None:
    """Every field comes from where the standard and IHE have it."""
    zds = "ZDS|1.2.840.113619.2.55.3.604688^RIS^Application^DICOM"
    report = one(oru() + zds.encode())

    assert ("FILL1", ReportStatus.FINAL, "CT CHEST") == (report.report_key, report.status, report.title)
    assert ("ACC1",) == report.accession_numbers
    assert ("1.2.840.113619.2.55.3.604688",) == report.study_instance_uids
    assert ("12345", "HOSP") == (report.patient_id, report.issuer_of_patient_id)
    assert dt.datetime(2025, 1, 1, 11, tzinfo=dt.UTC) == report.effective_at
    assert report.text.startswith("FINDINGS:\nThere is a 6 mm nodule in the right upper lobe.\nNo pleural effusion.")


def test_people(oru: Write) -> None:
    """All who are named are identifiers; a short number, which may be a measurement, is none."""
    people = one(
        oru()
        + b"PV1|1|I|||||4711^ATTEND^ANNA|4712^REFERRING^RALF\r"
        + b"NK1|1|DOE&VAN^JOHN\rOBX|2|TX|IMP||Fine.||||||F|||||3^SCRIBE^SAM\r"
    ).identifiers

    for name in ("DOE^JANE^Q", "SMITHERS^JANE", "COLLECT^COLIN", "REFER^RITA", "COPY^CARL", "READER^RUDI"):
        assert name in people
    for name in ("HELPER^HANS", "ATTEND^ANNA", "REFERRING^RALF", "DOE VAN^JOHN", "SCRIBE^SAM", "12345"):
        assert name in people
    assert not {"1234", "9", "5", "77"} & set(people)


def test_names_of_before_2_3(oru: Write) -> None:
    """A name in place of the number, undivided, is one all the same; what holds a digit is a number."""
    obr = [""] * 36
    obr[0], obr[3], obr[25] = "OBR", "FILL1", "F"
    obr[16], obr[28], obr[32], obr[33], obr[35] = "SMITH,JOHN MD", "A123~4711", "WELBY^20250101", "77&", "KILDARE&&"

    people = one(oru("|".join(obr), OBX)).identifiers

    assert {"SMITH,JOHN MD", "WELBY", "KILDARE"} <= set(people)
    assert not {"A123", "4711", "77", "20250101"} & set(people)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_line_ends(oru: Write, end: str) -> None:
    """Segments may end in what the standard forbids."""
    assert "ACC1" in one(oru(end=end)).accession_numbers


@pytest.mark.parametrize("text", ["Nodule in the\nRUL\nis new.", "Nodule in the\nRUL", "Collapse of\nT12"])
def test_lines_that_look_like_segments(oru: Write, obr: Segment, text: str) -> None:
    """Three capitals on a line of their own, or at the end of a field, are words of the report."""
    raw = oru(obr(), f"OBX|1|TX|GDT||{text}||||||F", "NTE", "ZZZ")

    assert f"FINDINGS:\n{text}" == one(raw).text


def test_line_breaks_inside_a_field(oru: Write, obr: Segment) -> None:
    """A line that is no segment belongs to the one before it."""
    raw = oru(obr(), "OBX|1|TX|GDT||Heart normal.\nNo effusion.\n\nLungs clear.||||||F")

    assert "FINDINGS:\nHeart normal.\nNo effusion.\n\nLungs clear." == one(raw).text


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (r"lobe.\.br\No effusion.", "lobe.\nNo effusion."),
        (r"lobe.\.BR\No effusion.", "lobe.\nNo effusion."),
        (r"lobe.\X0D\No effusion.", "lobe.\nNo effusion."),
        (r"lobe.\X0D0A\No effusion.", "lobe.\nNo effusion."),
        (r"lobe.\.sp2\No effusion.", "lobe.\n\nNo effusion."),
        (r"lobe.\.sp999999999999\No.", "lobe.\n\nNo."),
        (r"lobe.\.sp999999\No.", "lobe.\n\nNo."),
        (r"a\.in+4\b\.ti-2\c\.sk3\d\.fi\e\.ce\f", "abc   de\nf"),
        ("lobe.~No effusion.~~Heart normal.", "lobe.\nNo effusion.\n\nHeart normal."),
        (r"\H\IMPRESSION\N\ fine", "IMPRESSION fine"),
        (r"a \T\ b \S\ c \R\ d \F\ e \E\ f", "a & b ^ c ~ d | e \\ f"),
        (r"a & b ^ c", "a & b ^ c"),
        (r"\E\.br\E\ literal", r"\.br\ literal"),
        (r"either \ or", r"either \ or"),
        (r"path C:\temp\.br\next", "path C:\\temp\nnext"),
        (r"Ergu\XC39F\ klein", "Erguß klein"),
        (r"Ergu\XC3\\X9F\ klein", "Erguß klein"),
        (r"\E\X41\ stays", "\\X41\\ stays"),
        (r"\Zxy\own \P\sign", "own sign"),
        ("soft\x0bbreak", "soft\nbreak"),
    ],
)
def test_escapes(oru: Write, obr: Segment, obx: Segment, sent: str, read: str) -> None:
    """Line breaks of every kind become newlines, delimiters come back, what is no sequence stays."""
    assert read == one(oru(obr(), obx(sent))).text


@pytest.mark.parametrize("sent", [r"\XFF\ text", r"\C2842\ text", r"\M2459FD\ text"])
def test_escapes_that_are_refused(oru: Write, obr: Segment, obx: Segment, sent: str) -> None:
    """Bytes that are no characters, and other character sets, are refused rather than dropped."""
    assert "an escape sequence" in reason(oru(obr(), obx(sent)))


@pytest.mark.parametrize(
    ("identifier", "heading"),
    [
        ("71250&GDT^CT CHEST", "FINDINGS"),
        ("71250&IMP^CT CHEST", "IMPRESSION"),
        ("IMP^x", "IMPRESSION"),
        ("59776-5^x^LN", "FINDINGS"),
        ("1^Conclusion", "CONCLUSION"),
        ("X^y^L^19005-8^z^LN", "IMPRESSION"),
        ("71250^CT CHEST^C4", ""),
    ],
)
def test_sections(oru: Write, obr: Segment, identifier: str, heading: str) -> None:
    """OBX-3 names the section by suffix, code or text; a procedure is no section."""
    text = one(oru(obr(), f"OBX|1|TX|{identifier}||Small nodule.||||||F")).text

    assert (f"{heading}:\nSmall nodule." if heading else "Small nodule.") == text


def test_lines_of_one_section(oru: Write, obr: Segment, obx: Segment) -> None:
    """Neighbours of one section are one text; a heading that the text has itself is not repeated."""
    raw = oru(
        obr(), obx("FINDINGS:", "GDT"), obx("Small nodule.", "GDT"), obx("", "GDT"), obx("Impression: fine", "IMP")
    )

    assert "FINDINGS:\nSmall nodule.\n\nImpression: fine" == one(raw).text


def test_sections_that_do_not_speak(oru: Write, obr: Segment) -> None:
    """A whole report under the name of its procedure stands without; beside a history the rest is the findings."""

    def line(identifier: str, text: str) -> str:
        return f"OBX|1|TX|{identifier}||{text}||||||F"

    procedure, history, findings = (line(f"X^{name}", f"{name}.") for name in ("Procedure", "History", "Findings"))
    plain = line("71250^CT CHEST", "Small nodule.")

    assert "Procedure.\nProcedure." == one(oru(obr(), procedure, procedure)).text
    assert "TECHNIQUE:\nProcedure.\n\nFINDINGS:\nFindings." == one(oru(obr(), procedure, findings)).text
    assert "HISTORY:\nHistory.\n\nFINDINGS:\nSmall nodule." == one(oru(obr(), history, plain)).text


@pytest.mark.parametrize("kind", ["TX", "FT", "ST", ""])
def test_value_types(oru: Write, obr: Segment, obx: Segment, kind: str) -> None:
    """All types of text are text; measurements, codes and pointers are none."""
    others = ("OBX|2|NM|1^Dose||3.5|mGy", "OBX|3|CE|2^BI-RADS||2^Benign", "OBX|4|RP|3^Images||http://pacs")

    assert "Nodule." == one(oru(obr(), obx("Nodule.", kind=kind), *others)).text


def test_documents(oru: Write, obr: Segment) -> None:
    """An ED value is read by what it is; base64 may be broken into lines."""
    rtf = base64.encodebytes(rb"{\rtf1\ansi No pneumothorax, and none was expected in this long line of text.}")
    raw = oru(obr(), "OBX|1|ED|IMP||^application^rtf^Base64^" + rtf.decode().replace("\n", r"\.br\ "[:-1]) + "||||||F")

    assert "IMPRESSION:\nNo pneumothorax, and none was expected in this long line of text." == one(raw).text
    assert "Hello world" == one(oru(obr(), f"OBX|1|ED|1||^text^plain^Hex^{b'Hello world'.hex()}||||||F")).text
    assert "Fine^ & well" == one(oru(obr(), r"OBX|1|ED|1||^text^html^A^<p>Fine^ \T\ well</p>||||||F")).text


def test_documents_beside_text(oru: Write, obr: Segment, obx: Segment) -> None:
    """Of text and document, which say the same, the text is read unless it is a stub; a bad document does no harm."""

    def ed(payload: bytes) -> str:
        return f"OBX|1|ED|1||^text^plain^Base64^{base64.b64encode(payload).decode()}||||||F"

    whole = b"FINDINGS: no pneumothorax. IMPRESSION: fine."
    assert whole.decode() == one(oru(obr(), obx("See below."), ed(whole))).text
    assert "No pneumothorax. Fine." == one(oru(obr(), obx("No pneumothorax. Fine."), ed(b"HOSPITAL\n" + whole))).text
    assert "Longer than the document." == one(oru(obr(), obx("Longer than the document."), ed(b"No."))).text
    assert "See below." == one(oru(obr(), obx("See below."), ed(b"PK\x03\x04"))).text
    assert "OBX (segment 4), OBX-5: the attached document is a picture" in reason(oru(obr(), ed(b"PK\x03\x04")))
    assert "OBX-5: the data are not base64" in reason(oru(obr(), "OBX|1|ED|1||^a^b^Base64^?!||||||F"))
    assert "OBX-5: no data" in reason(oru(obr(), "OBX|1|ED|1||^a^b^Base64||||||F"))


@pytest.mark.parametrize(
    ("order", "line", "status"),
    [
        ("F", "F", "final"),
        ("P", "F", "preliminary"),
        ("F", "P", "preliminary"),
        ("C", "F", "corrected"),
        ("F", "C", "corrected"),
        ("X", "F", "cancelled"),
        ("F", "D", "cancelled"),
        ("F", "W", "cancelled"),
        ("A", "F", "preliminary"),
        ("R", "F", "preliminary"),
        ("", "F", "final"),
        ("", "C", "corrected"),
        ("", "P", "preliminary"),
        ("", "X", "cancelled"),
        ("F", "", "final"),
    ],
)
def test_status(oru: Write, obr: Segment, obx: Segment, order: str, line: str, status: str) -> None:
    """The order decides, and its lines where they take away or correct."""
    report = one(oru(obr(order), obx("Small nodule.", status=line)))

    assert ReportStatus(status) is report.status
    assert ("" if status == "cancelled" else "Small nodule.") == report.text


def test_status_is_never_guessed(oru: Write, obr: Segment, obx: Segment) -> None:
    """No status, or one that no report has, is a reason; a source may give it a meaning."""
    nothing = oru(obr(""), obx("Small nodule.", status=""))

    assert "neither OBR-25 nor OBX-11 says whether the report is final" == reason(nothing)
    assert "OBR-25" in reason(oru(obr("Z"), obx("Small nodule.")))
    assert ReportStatus.FINAL is one(nothing, statuses={"": ReportStatus.FINAL}).status
    addendum = oru(obr("A"), obx("Small nodule."))
    assert ReportStatus.ADDENDUM is one(addendum, statuses={"A": ReportStatus.ADDENDUM}).status


def test_lines_that_are_left_out(oru: Write, obr: Segment, obx: Segment) -> None:
    """Of a final report neither deleted nor preliminary lines are kept."""
    raw = oru(obr(), obx("Kept."), obx("Deleted.", status="D"), obx("Preliminary.", status="P"))

    assert "Kept." == one(raw).text


def test_addendum(oru: Write, obr: Segment, obx: Segment) -> None:
    """Alone it is appended; sent again with the report, it does not stand there twice."""
    first = one(oru(obr(), obx("Nodule.", "GDT")))
    alone = one(oru(obr("C"), obx("ADDENDUM: no nodule.", "ADT")))
    whole = one(oru(obr(), obx("Nodule.", "GDT"), obx("No nodule.", "ADT")))

    assert (ReportStatus.ADDENDUM, ReportStatus.CORRECTED) == (alone.status, whole.status)
    shown = standing([first, one(oru(obr(), obx("No nodule.", "ADT"))), whole])
    assert shown is not None
    assert "FINDINGS:\nNodule.\n\nADDENDUM:\nNo nodule." == shown.text


def test_addendum_stays_one(oru: Write, mdm: Write, obr: Segment, obx: Segment) -> None:
    """What the event or the source calls an addendum never takes the place of the report."""
    lines = (obx("No nodule.", "ADT"), obx("Fine.", "IMP"))

    for report in (
        one(mdm("T06", *lines)),
        one(oru(obr("A"), *lines), statuses={"A": ReportStatus.ADDENDUM}),
    ):
        assert (ReportStatus.ADDENDUM, "No nodule.\n\nIMPRESSION:\nFine.") == (report.status, report.text)


def test_accession(oru: Write, obr: Segment) -> None:
    """OBR-18, else OBR-3; a source may say otherwise."""
    assert ("FILL1",) == one(oru(obr(accession=""), OBX)).accession_numbers
    assert ("FILL1",) == one(oru(obr(), OBX), accession_fields=("OBR-3", "OBR-18")).accession_numbers
    assert ("CT CHEST",) == one(oru(obr(), OBX), accession_fields=("ZZZ-9.1", "OBR-4.2")).accession_numbers
    with pytest.raises(InvalidSetting, match="accession_fields"):
        SourceRules(accession_fields=("OBR18",))


OBX = "OBX|1|TX|1^x||Small nodule.||||||F"


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ("1^^^A^SS~2^^^B^MR", ("2", "B")),
        ("1^^^A^PI~2^^^B^MR", ("2", "B")),
        ("1^^^A~2^^^B^XX", ("1", "A")),
        ("^^^A^MR~2^^^B&1.2&ISO^XX", ("2", "B")),
        ("1^^^&1.2.3&ISO^MR", ("1", "1.2.3")),
        ("", ("", "")),
        ('""', ("", "")),
    ],
)
def test_patient(oru: Write, numbers: str, expected: tuple[str, str]) -> None:
    """Of several numbers the medical record number, then the internal one, then one of no type."""
    report = one(oru(pid=numbers))

    assert expected == (report.patient_id, report.issuer_of_patient_id)


def test_issuer_of_the_source(oru: Write) -> None:
    """Numbers without issuer have that of their source."""
    assert "RIS" == one(oru(pid="12345"), issuer_of_patient_id="RIS").issuer_of_patient_id
    assert "HOSP" == one(oru(), issuer_of_patient_id="RIS").issuer_of_patient_id


def test_study_uid(oru: Write, obr: Segment) -> None:
    """ZDS-1, IPC-3 and an observation of the DICOM study all name it; without an accession number one is enough."""
    ipc = "IPC|ACC|RP|1.2.3.4^RIS|SPS"
    hd = "OBX|2|HD|113014^DICOM Study^DCM||1.2.3.5||||||F"

    assert ("1.2.3.4", "1.2.3.5") == one(oru(obr(), OBX, ipc, hd)).study_instance_uids
    report = one(oru(obr(filler="", accession=""), OBX, "ZDS|1.2.3^x"))
    assert ((), "1.2.3") == (report.accession_numbers, report.report_key)


def test_study_uid_is_no_text(oru: Write, obr: Segment) -> None:
    """Whatever type its observation has; a local code of the same digits stays text."""
    told = one(oru(obr(), OBX, "OBX|2|ST|113014^DICOM Study^DCM||1.2.3.5||||||F"))
    other = one(oru(obr(), OBX, "OBX|2|TX|113014^CT CHEST^L||No effusion.||||||F"))

    assert (("1.2.3.5",), "Small nodule.") == (told.study_instance_uids, told.text)
    assert ((), "Small nodule.\nNo effusion.") == (other.study_instance_uids, other.text)


def test_nothing_to_link_by(oru: Write, obr: Segment) -> None:
    """Without accession number and study a report belongs to nothing; something that is no UID does not count."""
    text = reason(oru(obr(filler="", accession=""), OBX, "ZDS|study^x"))

    assert (
        "nothing to link the report by: no accession number and no study UID in OBR-18, OBR-3, TXA-15, ZDS-1, IPC-3"
        == text
    )


def test_orders_that_were_read_together(oru: Write, obr: Segment, obx: Segment) -> None:
    """Orders with one text, or with the same, are one report of several accession numbers."""
    second = obr(filler="FILL2", accession="ACC2")
    zds = "ZDS|1.2.3^x"

    for raw in (
        oru(obr(), second, obx("Nodule."), zds),
        oru(obr(), obx("Nodule."), second, zds),
        oru(obr(), obx("Nodule."), zds, second, obx("Nodule.")),
    ):
        report = one(raw)
        assert (("ACC1", "ACC2"), ("1.2.3",), "FILL1") == (
            report.accession_numbers,
            report.study_instance_uids,
            report.report_key,
        )


def test_orders_with_texts_of_their_own(oru: Write, obr: Segment, obx: Segment) -> None:
    """Different texts are different reports; a cancelled order is one of its own."""
    second, third = obr(filler="FILL2", accession="ACC2"), obr("X", filler="FILL3", accession="ACC3")

    reports = read_message(oru(obr(), obx("Chest."), "ZDS|1.2.3^x", second, obx("Abdomen."), third))

    assert [("FILL1", "Chest."), ("FILL2", "Abdomen."), ("FILL3", "")] == [(r.report_key, r.text) for r in reports]
    assert [("1.2.3",), (), ()] == [report.study_instance_uids for report in reports]
    assert ReportStatus.CANCELLED is reports[2].status


def test_orders_that_are_not_read_yet(oru: Write, obr: Segment, obx: Segment) -> None:
    """An order that is still to be read has no final report, whichever comes first; one that says nothing shares it."""
    for status in "PSI":
        waits, read = obr(status, filler="FILL2", accession="ACC2"), (obr(), obx("Nodule."))
        for report in (one(oru(waits, *read)), one(oru(*read, waits))):
            assert ("FILL1", ("ACC1",), ReportStatus.FINAL) == (
                report.report_key,
                report.accession_numbers,
                report.status,
            )
    silent, final = obr("", filler="FILL2", accession="ACC2"), obr(filler="FILL3", accession="ACC3")
    corrected = one(oru(obr(), obx("Nodule.", status="C"), silent, final))
    assert (("ACC1", "ACC2", "ACC3"), ReportStatus.CORRECTED) == (corrected.accession_numbers, corrected.status)
    assert "no report text" in reason(oru(obr("P")))


def test_order_between_two_reports(oru: Write, obr: Segment, obx: Segment) -> None:
    """An order without a text belongs to the report of its own status, though the other is nearer by rule."""
    second, third = obr(filler="FILL2", accession="ACC2"), obr("P", filler="FILL3", accession="ACC3")

    reports = read_message(oru(obr(), obx("Chest."), second, third, obx("Abdomen.")))

    assert [("ACC1", "ACC2"), ("ACC3",)] == [report.accession_numbers for report in reports]


def test_orders_of_one_report_key(oru: Write, obr: Segment, obx: Segment) -> None:
    """Several OBRs under one filler number are one report; as two each would take the place of the other."""
    second = obr(accession="ACC2")
    whole = one(oru(obr(), obx("Chest.", "GDT"), second, obx("Abdomen.", "GDT"), obx("Fine.", "IMP")))
    same = one(oru(obr(), obx("Nodule."), second, obx("Nodule.")))

    assert (("ACC1", "ACC2"), "FINDINGS:\nChest.\nAbdomen.\n\nIMPRESSION:\nFine.") == (
        whole.accession_numbers,
        whole.text,
    )
    assert (("ACC1", "ACC2"), "Nodule.") == (same.accession_numbers, same.text)
    for key in ({"filler": ""}, {"filler": "", "accession": ""}):
        study = "ZDS|1.2.3^x"
        assert "Chest.\nLungs." == one(oru(obr(**key), obx("Chest."), study, obr(**key), obx("Lungs."), study)).text


@pytest.mark.parametrize(
    ("first", "second", "status", "text"),
    [
        (("F", "GDT"), ("F", "ADT"), "corrected", "FINDINGS:\nChest.\n\nADDENDUM:\nMore."),
        (("F", "GDT"), ("B", ""), "corrected", "FINDINGS:\nChest.\n\nADDENDUM:\nMore."),
        (("F", "GDT"), ("P", ""), "final", "FINDINGS:\nChest."),
        (("F", "GDT"), ("X", ""), "final", "FINDINGS:\nChest."),
        (("F", "GDT"), ("C", "IMP"), "corrected", "FINDINGS:\nChest.\n\nIMPRESSION:\nMore."),
        (("P", "GDT"), ("P", "IMP"), "preliminary", "FINDINGS:\nChest.\n\nIMPRESSION:\nMore."),
        (("X", "GDT"), ("X", ""), "cancelled", ""),
    ],
)
def test_statuses_of_one_report_key(
    oru: Write, obr: Segment, obx: Segment, first: tuple[str, str], second: tuple[str, str], status: str, text: str
) -> None:
    """What is read stands, without what is not read yet or taken away; an addendum beside its report makes it whole."""
    parts = (obr(first[0]), obx("Chest.", first[1]), obr(second[0]), obx("More.", second[1]))

    report = one(oru(*parts), statuses={"B": ReportStatus.ADDENDUM})

    assert (ReportStatus(status), text) == (report.status, report.text)


@pytest.mark.parametrize(
    ("event", "completion", "availability", "status"),
    [
        ("T02", "AU", "AV", "final"),
        ("T02", "", "", "final"),
        ("T02", "DI", "AV", "preliminary"),
        ("T04", "LA", "AV", "final"),
        ("T04", "LA", "CA", "cancelled"),
        ("T06", "AU", "AV", "addendum"),
        ("T08", "AU", "AV", "corrected"),
        ("T10", "AU", "AV", "corrected"),
        ("T10", "IP", "AV", "preliminary"),
        ("T11", "AU", "AV", "cancelled"),
    ],
)
def test_documents_by_mdm(mdm: Write, event: str, completion: str, availability: str, status: str) -> None:
    """The event says what a document is to the report, TXA-17 whether it may be shown, TXA-19 whether it stands."""
    report = one(mdm(event, OBX, completion=completion, availability=availability))

    assert (ReportStatus(status), "FILL1", ("ACC1",)) == (report.status, report.report_key, report.accession_numbers)
    assert dt.datetime(2025, 1, 1, 11, tzinfo=dt.UTC) == report.effective_at
    assert {"PRIMARY^PAUL", "ORIGIN^OLGA", "SIGN^SUSI"} <= set(report.identifiers)


def test_documents_whose_status_is_not_told(mdm: Write, obr: Segment) -> None:
    """An unknown TXA-17 is a reason; an empty one leaves it to OBR-25 and OBX-11, and these must tell then."""
    untold = OBX.removesuffix("F")

    assert "TXA-17: no completion status of table 0271" == reason(mdm("T02", OBX, completion="XX"))
    own = {"XX": ReportStatus.PRELIMINARY}
    assert ReportStatus.PRELIMINARY is one(mdm("T02", OBX, completion="XX"), statuses=own).status
    assert ReportStatus.PRELIMINARY is one(mdm("T02", OBX.removesuffix("F") + "P", completion="")).status
    assert "neither TXA-17, OBR-25 nor OBX-11 says whether the document is final" == reason(
        mdm("T02", untold, completion="", order=False)
    )
    assert ReportStatus.CANCELLED is one(mdm("T11", untold, completion="", order=False)).status


def test_mdm_without_order(mdm: Write) -> None:
    """A document without OBR is linked by the filler order number of TXA-15."""
    report = one(mdm("T02", OBX, order=False))

    assert ("FILL1", ("FILL1",)) == (report.report_key, report.accession_numbers)
    assert dt.datetime(2025, 1, 1, 12, tzinfo=dt.UTC) == report.effective_at


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("20250101120000", dt.datetime(2025, 1, 1, 11, tzinfo=dt.UTC)),
        ("20250101120000-0500", dt.datetime(2025, 1, 1, 17, tzinfo=dt.UTC)),
        ("202501011200", dt.datetime(2025, 1, 1, 11, tzinfo=dt.UTC)),
        ("20250101120000.1234", dt.datetime(2025, 1, 1, 11, 0, 0, 123400, tzinfo=dt.UTC)),
        ("2025010112", dt.datetime(2025, 1, 1, 11, tzinfo=dt.UTC)),
        ("20250101", dt.datetime(2025, 1, 1, 11, 5, tzinfo=dt.UTC)),
        ("", dt.datetime(2025, 1, 1, 11, 5, tzinfo=dt.UTC)),
        ("20251399", dt.datetime(2025, 1, 1, 11, 5, tzinfo=dt.UTC)),
        ("2025", dt.datetime(2025, 1, 1, 11, 5, tzinfo=dt.UTC)),
    ],
)
def test_time(oru: Write, obr: Segment, at: str, expected: dt.datetime) -> None:
    """OBR-22 to the hour or better, else MSH-7, whose zone is that of the message."""
    assert expected == one(oru(obr(at=at), OBX)).effective_at


def test_time_without_a_zone(oru: Write, obr: Segment) -> None:
    """Without any zone it is that of this machine; without any time it is not told."""
    msh = r"MSH|^~\&|RIS|HOSP|RADIR|NODE|20250101120500||ORU^R01|MSG01|P|2.5.1"

    assert dt.datetime(2025, 1, 1, 12).astimezone() == one(oru(obr(), OBX, msh=msh)).effective_at
    no_time = r"MSH|^~\&|RIS|HOSP|RADIR|NODE|||ORU^R01|MSG01|P|2.5.1"
    assert one(oru(obr(at="00010101"), OBX, msh=no_time)).effective_at is None


@pytest.mark.parametrize(
    ("name", "encoding", "text"),
    [
        ("", "utf-8", "Erguß"),
        ("ASCII", "ascii", "Erguss"),
        ("UNICODE UTF-8", "utf-8", "胸水"),
        ("8859/1", "latin-1", "Erguß"),
        ("8859/1", "cp1252", "“Erguß”"),
        ("8859/2", "iso8859-2", "wysięk"),
        ("8859/5", "iso8859-5", "выпот"),
        ("8859/15", "iso8859-15", "Erguß €"),
        ("GB 18030-2000", "gb18030", "未见胸腔积液"),
        ("BIG-5", "big5", "胸腔積液"),
        ("KS X 1001", "euc_kr", "흉수 없음"),
        ("ASCII~ISO IR87", "iso2022_jp", "胸水なし"),
        ("~ISO IR87", "iso2022_jp", "胸水なし"),
        ("ISO IR87", "iso2022_jp", "胸水なし"),
    ],
)
def test_character_sets(oru: Write, obr: Segment, obx: Segment, name: str, encoding: str, text: str) -> None:
    """The character sets of table 0211 are read."""
    assert text == one(oru(obr(), obx(text), charset=name, encoding=encoding)).text


@pytest.mark.parametrize(
    ("name", "encoding", "text", "expected"),
    [
        ("8859/1", "utf-8", "Erguß", "the text is in UTF-8 and not in the character set that MSH-18 names"),
        ("ASCII", "utf-8", "Erguß", "the text is not in the character set that MSH-18 names"),
        ("", "latin-1", "Erguß", "the text is not in the character set that MSH-18 names"),
        ("UNICODE UTF-8", "latin-1", "Erguß", "the text is not in the character set that MSH-18 names"),
        (
            "GB 18030-2000",
            "utf-8",
            "未见胸腔积液",
            "the text is in UTF-8 and not in the character set that MSH-18 names",
        ),
        ("CNS 11643-1992", "utf-8", "x", "MSH-18 names a character set that is not read"),
        ("UNICODE UTF-16", "utf-8", "x", "MSH-18 names a character set that is not read"),
    ],
)
def test_wrong_character_sets(
    oru: Write, obr: Segment, obx: Segment, name: str, encoding: str, text: str, expected: str
) -> None:
    """A message that is not in the character set it names is refused, never garbled."""
    assert expected == reason(oru(obr(), obx(text), charset=name, encoding=encoding))


def test_character_set_of_the_source(oru: Write, obr: Segment, obx: Segment) -> None:
    """A source that is known to be wrong is read as what it sends."""
    raw = oru(obr(), obx("Erguß"), charset="ASCII", encoding="latin-1")

    assert "Erguß" == one(raw, character_set="latin-1").text


@pytest.mark.parametrize(
    ("msh", "expected", "condition"),
    [
        (r"MSH|^~\&|A|B|C|D|2025||ADT^A01|1|P|2.5.1", "MSH-9: not a report", 200),
        (r"MSH|^~\&|A|B|C|D|2025||ORU^R30|1|P|2.5.1", "MSH-9: of ORU only R01", 201),
        (r"MSH|^~\&|A|B|C|D|2025||MDM^T01|1|P|2.5.1", "MSH-9: of MDM only T02", 201),
        (r"MSH|^~\&|A|B|C|D|2025||ORU^R01|1|P|3.0", "MSH-12: only HL7 version 2", 203),
        ("HELLO", "does not begin with an MSH segment", 100),
        ("MSH", "does not begin with an MSH segment", 100),
        ("MSH|^^^^|A", "does not begin with an MSH segment", 100),
        (r"FHS|^~\&|A", "a batch or file of messages", 100),
    ],
)
def test_other_messages(oru: Write, msh: str, expected: str, condition: int) -> None:
    """What is no report is told apart from a faulty one, with its code of table 0357."""
    with pytest.raises(UnsupportedMessage, match=expected) as refused:
        read_message(oru(msh=msh))

    assert condition == refused.value.condition


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (("NTE|1||text",), "no OBR segment"),
        (("OBR|1|A|B||||||||||||||||||||||F",), "no report text in OBX-5"),
        (("OBR|1||ACC", "OBX|1|TX|1||123.||||||F"), "the message holds no report text"),
        (("OBR|1||ACC", "OBX|1|TX|1||" + "word " * 50_000 + "||||||F"), "longer than 200,000 characters"),
        (("OBR|1||" + "A" * 300, "OBX|1|TX|1||word||||||F"), "the accession number is longer than 200 characters"),
        (("OBR|1||ACC",) * 101, "more than 100 OBR segments"),
        (("NTE|1",) * 5_001, "more than 5,000 segments"),
        (("NTE|" + "^" * 100_001,), "more than 100,000 fields and components"),
    ],
)
def test_faulty_messages(oru: Write, body: tuple[str, ...], expected: str) -> None:
    """Too little and too much are one line each."""
    assert expected in reason(oru(*body))


def test_two_messages_in_one(oru: Write) -> None:
    """A second header is not read over."""
    assert "more than one MSH segment; messages are taken one by one" == reason(oru() + oru())


def test_large_message(oru: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than any report is refused before it is decoded."""
    monkeypatch.setattr(hl7_segments, "MAX_MESSAGE_BYTES", 100)

    assert "the message is larger than 0 MiB" == reason(oru())


def test_fields_are_those_that_the_hl7_package_finds(oru: Write) -> None:
    """Paths mean what they mean to the package."""
    theirs = hl7.parse(oru().decode())
    segments = hl7_segments.read_segments(oru(), SourceRules())
    ours = {segment.name: segment for segment in segments}

    assert theirs["OBR.F16.R1.C2"] == ours["OBR"].value(16, 2)
    assert theirs["MSH.F9.R1.C2"] == ours["MSH"].value(9, 2)
    assert theirs["PID.F3.R1.C5"] == ours["PID"].value(3, 5)
    assert theirs["OBR.F32.R1.C1.S2"] == next(ours["OBR"].values(32)).component(1, 2)


@given(st.text(st.sampled_from("|^~&\\Fx é1")))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fields_are_taken_apart_as_by_the_hl7_package(oru: Write, fields: str) -> None:
    """Whatever delimiters a segment holds, both find the same fields, components and subcomponents."""
    raw = oru("ZZZ|" + fields + "x")
    theirs = hl7.parse(raw.decode()).segment("ZZZ")
    ours = hl7_segments.read_segments(raw, SourceRules())[-1]

    for number in range(1, len(theirs)):
        assert str(theirs[number]) == "~".join(ours.raw(number))
        expected = [
            [[str(part) for part in parts(component)] for component in parts(value)] for value in theirs[number]
        ]
        found = [[component.split("&") for component in value.components] for value in ours.values(number)]
        assert expected == (found or [[[""]]])


def parts(container: object) -> list[object]:
    """The hl7 package leaves out containers around what is not divided."""
    return list(container) if isinstance(container, hl7.Container) else [container]


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_any_bytes(raw: bytes) -> None:
    """Any bytes are a report or a reason, and nothing else."""
    for message in (raw, b"MSH|^~\\&|" + raw):
        try:
            assert read_message(message)
        except UnreadableReport as error:
            assert "\n" not in str(error)


@given(st.binary(max_size=60), st.integers(0, 700))
@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage(oru: Write, noise: bytes, at: int) -> None:
    """A message with any damage is a report or a reason, and nothing else."""
    whole = oru()
    try:
        assert read_message(whole[:at] + noise + whole[at + len(noise) :])
    except UnreadableReport as error:
        assert "\n" not in str(error)


@given(
    st.lists(st.sampled_from(["|", "^", "~", "\\", "&", "\r", "OBX", "OBR", "ED", "Base64", "F", "\\.br\\", "é", "x"]))
)
@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_structure(oru: Write, parts: list[str]) -> None:
    """Delimiters in any order are a report or a reason, and nothing else."""
    try:
        assert read_message(oru("OBR|1||ACC", "".join(parts)))
    except UnreadableReport as error:
        assert "\n" not in str(error)
