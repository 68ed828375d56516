"""Narrative reports are read with their headings; other documents are no reports."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    ComprehensiveSRStorage,
    EncapsulatedCDAStorage,
    EncapsulatedPDFStorage,
    EnhancedSRStorage,
    XRayRadiationDoseSRStorage,
)
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from dicom_services.objects import sr_text
from dicom_services.objects.report_text import read_report
from radir_node.domain.report import ReportText
from radir_node.errors import NotIndexable

Item = Callable[..., Dataset]
Write = Callable[..., Path]

FINDINGS, FINDING = ("121070", "DCM", "Findings"), ("121071", "DCM", "Finding")
IMPRESSIONS, IMPRESSION = ("121072", "DCM", "Impressions"), ("121073", "DCM", "Impression")


def said(path: Path) -> str:
    report = read_report(path)
    assert isinstance(report, ReportText)
    return report.text


@pytest.mark.parametrize("sop_class", [EnhancedSRStorage, ComprehensiveSRStorage])
def test_sections_of_tid_2000(sr_document: Write, content_item: Item, sop_class: str) -> None:
    """Containers give the headings; the sentences below them follow, sections apart by a blank line."""
    sentence = content_item("TEXT", FINDING, TextValue="The lungs are clear.")
    second = content_item("TEXT", FINDING, TextValue="Heart size is normal.")
    conclusion = content_item("TEXT", IMPRESSION, TextValue="No acute disease.")
    path = sr_document(
        [
            content_item("CODE", ("121049", "DCM", "Language"), "HAS CONCEPT MOD"),
            content_item("PNAME", ("121008", "DCM", "Observer"), "HAS OBS CONTEXT", PersonName="Doe^Jane"),
            content_item("CONTAINER", FINDINGS, ContentSequence=[sentence, second]),
            content_item("CONTAINER", IMPRESSIONS, ContentSequence=[conclusion]),
        ],
        SOPClassUID=sop_class,
    )

    report = read_report(path)

    assert report is not None
    assert "FINDINGS:\nThe lungs are clear.\nHeart size is normal.\n\nIMPRESSION:\nNo acute disease." == report.text
    assert "Diagnostic imaging report" == report.title


def test_flat_basic_text(sr_document: Write, content_item: Item) -> None:
    """Text right under the root takes its own concept as heading."""
    path = sr_document(
        [
            content_item("TEXT", ("1", "99LOCAL", "Befund"), TextValue="Kein Erguss.\r\nHerz normal."),
            content_item("TEXT", IMPRESSION, TextValue="Unauffällig."),
        ]
    )

    assert "BEFUND:\nKein Erguss.\nHerz normal.\n\nIMPRESSION:\nUnauffällig." == said(path)


@pytest.mark.parametrize(
    ("concept", "heading"),
    [
        (("121070", "DCM", "Befund"), "FINDINGS"),
        (("19005-8", "LN", "Beurteilung"), "IMPRESSION"),
        (("121074", "DCM", "Prior Procedure Descriptions"), "COMPARISON"),
        (("7", "99LOCAL", "Lungs"), "LUNGS"),
    ],
)
def test_headings(sr_document: Write, content_item: Item, concept: tuple[str, str, str], heading: str) -> None:
    """A known English name decides, then the code, else the meaning as it stands."""
    text = content_item("TEXT", ("8", "99LOCAL", "Sentence"), TextValue="Something was seen.")
    path = sr_document([content_item("CONTAINER", concept, ContentSequence=[text])])

    assert f"{heading}:\nSomething was seen." == said(path)


def test_continuous_text(sr_document: Write, content_item: Item) -> None:
    """A CONTINUOUS container is one flowing sentence with its codes and measurements."""
    size = Dataset()
    size.NumericValue = "3.5"
    unit = Dataset()
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "cm", "UCUM", "centimeter"
    size.MeasurementUnitsCodeSequence = [unit]
    site = Dataset()
    site.CodeValue, site.CodingSchemeDesignator, site.CodeMeaning = "1", "SCT", "right upper lobe"
    path = sr_document(
        [
            content_item(
                "CONTAINER",
                FINDINGS,
                ContinuityOfContent="CONTINUOUS",
                ContentSequence=[
                    content_item("TEXT", FINDING, TextValue="A mass of"),
                    content_item("NUM", ("2", "99", "Diameter"), MeasuredValueSequence=[size]),
                    content_item("TEXT", FINDING, TextValue="in the"),
                    content_item("CODE", ("3", "99", "Site"), ConceptCodeSequence=[site]),
                ],
            )
        ]
    )

    assert "FINDINGS:\nA mass of 3.5 cm in the right upper lobe" == said(path)


def test_codes_and_measurements_carry_their_names(sr_document: Write, content_item: Item) -> None:
    """In a separate list a measurement is named."""
    size = Dataset()
    size.NumericValue = "52"
    path = sr_document(
        [
            content_item("TEXT", FINDING, TextValue="Cardiomegaly."),
            content_item("NUM", ("2", "99", "Cardiothoracic ratio"), MeasuredValueSequence=[size]),
        ]
    )

    assert said(path).endswith("Cardiothoracic ratio: 52")


@pytest.mark.parametrize(
    "attributes",
    [
        {"SOPClassUID": XRayRadiationDoseSRStorage},
        {"Manufacturer": "RadIR node"},
        {"title": ("similar-cases", "99RADIR", "Similar cases")},
        {"title": ("126000", "DCM", "Imaging Measurement Report")},
        {"title": ("113701", "DCM", "X-Ray Radiation Dose Report")},
    ],
)
def test_other_documents(sr_document: Write, content_item: Item, attributes: dict[str, object]) -> None:
    """Dose and measurement documents and the node's own are no reports, even with words in them."""
    path = sr_document([content_item("TEXT", FINDING, TextValue="The lungs are clear.")], **attributes)

    assert read_report(path) is None


def test_own_document_that_came_back(sr_document: Write, content_item: Item) -> None:
    """A document that declares the node's coding scheme is its own: it quotes the reports of other patients."""
    scheme = Dataset()
    scheme.CodingSchemeDesignator = "99RADIR"
    path = sr_document(
        [content_item("TEXT", FINDING, TextValue="The heart is enlarged.")], CodingSchemeIdentificationSequence=[scheme]
    )

    assert read_report(path) is None


def test_continuous_root_of_sections(sr_document: Write, content_item: Item) -> None:
    """A root that calls itself CONTINUOUS, as some libraries write by default, does not hide its sections."""
    finding = content_item("TEXT", FINDING, TextValue="The lungs are clear.")
    section = content_item("CONTAINER", FINDINGS, ContinuityOfContent="SEPARATE", ContentSequence=[finding])
    path = sr_document([section], ContinuityOfContent="CONTINUOUS")

    assert "FINDINGS:\nThe lungs are clear." == said(path)


def test_measurements_alone(sr_document: Write, content_item: Item) -> None:
    """A document without prose is no report."""
    size = Dataset()
    size.NumericValue = "3.5"

    assert read_report(sr_document([content_item("NUM", FINDING, MeasuredValueSequence=[size])])) is None
    assert read_report(sr_document([content_item("TEXT", FINDING, TextValue='{"albums": [1]}')])) is None


def test_endless_tree(sr_document: Write, content_item: Item, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree that is too deep or too wide is cut, what was read before stays."""
    monkeypatch.setattr(sr_text, "MAX_ITEMS", 50)
    deep = content_item("TEXT", FINDING, TextValue="Too deep.")
    for _ in range(sr_text.MAX_DEPTH + 2):
        deep = content_item("CONTAINER", FINDINGS, ContentSequence=[deep])
    first = content_item("TEXT", FINDING, TextValue="Read.")
    wide = [content_item("TEXT", FINDING, TextValue=f"Line {number}.") for number in range(100)]

    text = said(sr_document([first, deep, *wide]))

    assert text.startswith("FINDINGS:\nRead.")
    assert "Too deep" not in text
    assert "Line 99" not in text


def encapsulated(save: Write, sop_class: str, payload: bytes, title: str = "") -> Path:
    dataset = Dataset()
    dataset.SOPClassUID = sop_class
    dataset.DocumentTitle = title
    dataset.EncapsulatedDocument = payload + b"\0" * (len(payload) % 2)
    return save(dataset)


def pdf(*pages: str) -> bytes:
    """Make a PDF with one line of text on each page."""
    writer = PdfWriter()
    font = DictionaryObject({NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1")})
    font[NameObject("/BaseFont")] = NameObject("/Helvetica")
    for line in pages:
        page = writer.add_blank_page(width=400, height=200)
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 100 Td ({line}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
        fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def test_pdf(save: Write) -> None:
    """The text layer of an Encapsulated PDF is the report, its title the document's."""
    report = read_report(encapsulated(save, EncapsulatedPDFStorage, pdf("No pneumothorax.", "Page two."), "Radiology"))

    assert report is not None
    assert ("No pneumothorax.\n\nPage two.", "Radiology") == (report.text, report.title)


def test_scanned_pdf(save: Write) -> None:
    """A PDF without text layer is no report."""
    assert read_report(encapsulated(save, EncapsulatedPDFStorage, pdf(""))) is None


@pytest.mark.parametrize(("payload", "reason"), [(b"%PDF-1.4 broken", "PDF cannot be read"), (b"", "empty")])
def test_bad_pdf(save: Write, payload: bytes, reason: str) -> None:
    """A PDF that is broken or empty is a reason."""
    with pytest.raises(NotIndexable, match=reason):
        read_report(encapsulated(save, EncapsulatedPDFStorage, payload))


def cda(body: str) -> bytes:
    head = '<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><title>Report</title>'
    return f"{head}<component>{body}</component></ClinicalDocument>".encode()


def test_cda(save: Write) -> None:
    """Sections of a CDA document become headings and text, nested ones too."""
    inner = "<component><section><title>Lungs</title><text>Clear <b>both</b> sides.</text></section></component>"
    section = f'<section><code code="59776-5"/><title>Befunde</title><text>Seen.</text>{inner}</section>'
    payload = cda(f"<structuredBody><component>{section}</component></structuredBody>")

    assert "FINDINGS:\nSeen.\n\nLUNGS:\nClear both sides." == said(encapsulated(save, EncapsulatedCDAStorage, payload))


def test_plain_cda_body(save: Write) -> None:
    """A CDA document with a plain body is read whole."""
    payload = cda('<nonXMLBody><text mediaType="text/plain">No effusion.</text></nonXMLBody>')

    assert "No effusion." == said(encapsulated(save, EncapsulatedCDAStorage, payload))


def test_xml_bomb(save: Write) -> None:
    """A document that declares entities is refused."""
    payload = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb">]><ClinicalDocument xmlns="urn:hl7-org:v3">&b;</ClinicalDocument>'

    with pytest.raises(NotIndexable, match="CDA"):
        read_report(encapsulated(save, EncapsulatedCDAStorage, payload))


def test_images_are_no_reports(radiograph: Write, ramp: object) -> None:
    """An image is no report."""
    assert read_report(radiograph(ramp)) is None
