"""A document is read by what it is, whatever it is called; RTF, HTML and character sets by example."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radir_node.documents.attachment import attachment_text
from radir_node.documents.charsets import decoded
from radir_node.documents.markup import html_text
from radir_node.documents.plain import tidy
from radir_node.documents.rtf import rtf_text
from radir_node.errors import UnreadableReport

CDA = (
    b'<ClinicalDocument xmlns="urn:hl7-org:v3"><component><structuredBody><component><section><title>Impression</title>'
    b"<text>No effusion.</text></section></component></structuredBody></component></ClinicalDocument>"
)


def test_kinds(pdf: Callable[..., bytes]) -> None:
    """The bytes decide; the media type only tells HTML from text, and names the character set."""
    assert "No effusion." == attachment_text(pdf("No effusion."), "text/plain")
    assert "IMPRESSION:\nNo effusion." == attachment_text(CDA, "application/octet-stream")
    assert "No effusion." == attachment_text(rb"{\rtf1\ansi No effusion.}", "")
    assert "No effusion." == attachment_text(b"No <b>effusion</b>.", "text/html")
    assert "No effusion." == attachment_text(b"<!-- x --><?php x ?>\n<html><p>No effusion.</p></html>")
    assert "No effusion." == attachment_text(b"<?xml version='1.0'?><!DOCTYPE html><html>No effusion.</html>")
    assert "See ClinicalDocument." == attachment_text(b"<!-- x --><body>See ClinicalDocument.</body>", "")
    assert "<3 mm" == attachment_text(b"<3 mm", "text/plain")
    assert "Kein Erguß." == attachment_text("Kein Erguß.".encode("cp1252"), "text/plain; charset=windows-1252")


@pytest.mark.parametrize("mark", ["utf-16", "utf-16-be"])
def test_utf_16(mark: str) -> None:
    """A byte order mark tells it."""

    def encoded(text: str) -> bytes:
        return (text if mark == "utf-16" else "\ufeff" + text).encode(mark)

    assert "Kein Erguß." == attachment_text(encoded("Kein Erguß."), "text/plain")
    assert "Kein Erguß." == attachment_text(encoded("<html><p>Kein Erguß.</p></html>"))
    assert "IMPRESSION:\nNo effusion." == attachment_text(encoded(CDA.decode()))
    assert "IMPRESSION:\nNo effusion." == attachment_text(
        encoded("<?xml version='1.0' encoding='UTF-16'?>" + CDA.decode())
    )
    with pytest.raises(UnreadableReport, match="not in the character set that its byte order mark names"):
        attachment_text(encoded("x") + b"\xd8")


@pytest.mark.parametrize(
    ("payload", "media_type", "reason"),
    [
        (b"", "", "the attached document is empty"),
        (b"   ", "text/plain", "the text holds no text"),
        (b"PK\x03\x04 word", "", "the attached document is a picture or of a kind that is not read"),
        (b"\x89PNG\r\n", "text/plain", "the attached document is a picture or of a kind that is not read"),
        (b"<?xml version='1.0'?><a/>", "", "the attached XML document is no CDA document"),
        (b"Ergu\xdf", "text/plain", "the text is not in the character set that the default, UTF-8, names"),
        (b"x", "text/plain; charset=nonsense", "its media type names an unknown character set"),
        (b"x", "text/plain; charset=idna", "its media type names a character set that is not read"),
    ],
)
def test_refused(payload: bytes, media_type: str, reason: str) -> None:
    """Every other document is one reason."""
    with pytest.raises(UnreadableReport) as refused:
        attachment_text(payload, media_type)

    assert reason == str(refused.value)


def test_scan_is_said_to_be_one(pdf: Callable[..., bytes]) -> None:
    """A PDF without text layer is told apart from a broken one."""
    with pytest.raises(UnreadableReport, match="the PDF holds no text: it is a scan"):
        attachment_text(pdf(""))


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}FINDINGS:\par No effusion.\line Heart \b normal\b0 .}", None),
        (rb"{\rtf1\ansi\ansicpg1252 FINDINGS:\par No effusion.\par{\*\generator X;}Heart normal.}", None),
        (rb"{\rtf1\ansi\ansicpg1252 Ergu\'df \u223?, 6 mm \u8211\'96 7 mm}", "Erguß ß, 6 mm – 7 mm"),
        (rb"{\rtf1\ansi\uc1 \u-10179?\u-8704?}", "😀"),
        (rb"{\rtf1{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}}\f1\'cd\'e5\'f2\f0  effusion}", "Нет effusion"),
        (rb"{\rtf1\ansicpg932 \'8b\'b9\'90\'85}", "胸水"),
        (rb"{\rtf1{\pict\bin5 }}}}}\par}a\{b\}\\c\~d}", "a{b}\\c d"),
        (rb"{\rtf1{\field{\*\fldinst HYPERLINK x}{\fldrslt seen}}}", "seen"),
        (
            rb"{\rtf1 Heart {\deleted not }normal.{\v secret} \v hidden\v0 Spine\deleted gone\plain  old.}",
            "Heart normal. Spine old.",
        ),
        (rb"{\rtf1\deff1{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}}\'cd {\f0\'e9\plain\'e5}\f0\'e9}", "Н éеé"),
        (rb"{\rtf1 {\header Hospital}{\info{\author Jane Doe}}text", "text"),
    ],
)
def test_rtf(document: bytes, text: str | None) -> None:
    """Text, paragraphs and characters are kept; tables of the document, pictures and headers are not."""
    assert (text or "FINDINGS:\nNo effusion.\nHeart normal.") == rtf_text(document)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"text", "does not begin as one"),
        (b"{\\rtf1" + b"{" * 300, "nested deeper than 200 groups"),
        (rb"{\rtf1\ansicpg1252 \'81}", "no characters of its cp1252"),
        (rb"{\rtf1\ansicpg99999 \'81}", "no characters of its cp99999"),
    ],
)
def test_bad_rtf(document: bytes, reason: str) -> None:
    """Bytes that are no characters are refused rather than guessed."""
    with pytest.raises(UnreadableReport, match=reason):
        rtf_text(document)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>No effusion</p><p>Heart&nbsp;normal<br>Spine</p>", "No effusion\n\nHeart normal\nSpine"),
        (
            "<html><head><title>x</title><style>p{}</style></head><BODY>No <b>effusion</b>.</BODY></html>",
            "No effusion.",
        ),
        ("a<script>alert('<p>b</p>')</script>c<!-- <p>d</p> -->e", "ace"),
        ("<pre>FINDINGS:\nNo effusion</pre>", "FINDINGS:\nNo effusion"),
        ("<table><tr><td>Size</td><td>&lt; 6 mm</td></tr></table>", "Size < 6 mm"),
        ("nodule < 5 mm and > 3 mm", "nodule < 5 mm and > 3 mm"),
        ("text<img src='x' onerror='alert(1)'", "text"),
        ("İ<SCRIPT>x</SCRIPT>y", "İy"),
        ("Heart <del>not </del>normal<details>x</details>", "Heart normalx"),
    ],
)
def test_html(markup: str, text: str) -> None:
    """What a reader would see, line by line."""
    assert text == html_text(markup)


@pytest.mark.parametrize("unit", ["<", "<!--", "<script>", "<p", "</", "&", "<!", "<![CDATA["])
def test_html_in_linear_time(unit: str) -> None:
    """No text makes the reduction slow."""
    begin = time.monotonic()

    html_text(unit * 100_000)

    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("Kein Erguß", "latin-1"),
        ("“smart” – quotes", "cp1252"),
        ("Нет выпота", "iso8859-5"),
        ("未见胸腔积液", "gb18030"),
        ("흉수 없음", "euc_kr"),
        ("胸水なし", "iso2022_jp"),
        ("No effusion", "ascii"),
    ],
)
def test_character_sets(text: str, charset: str) -> None:
    """A text in the character set that is named comes out as it was; in another one it is a reason."""
    assert text == decoded(text.encode(charset), charset, "MSH-18")
    if not text.isascii():
        with pytest.raises(UnreadableReport, match="MSH-18 names"):
            decoded(text.encode(), charset, "MSH-18")


def test_latin1_with_the_quotes_of_windows() -> None:
    """Who says Latin-1 and sends what would be control characters means Windows-1252; no other set is guessed."""
    assert "“normal”" == decoded("“normal”".encode("cp1252"), "latin-1", "MSH-18")
    with pytest.raises(UnreadableReport, match="control characters"):
        decoded("“normal”".encode("cp1252"), "iso8859-2", "MSH-18")


@given(st.text())
def test_tidy(text: str) -> None:
    """What leaves this room can be stored: no NUL, no halves of pairs, newlines only; tidying twice changes nothing."""
    clean = tidy(text)

    assert clean == clean.encode().decode()
    assert not any(ord(character) < 32 and character not in "\n\t" for character in clean)
    assert clean == tidy(clean)


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_any_bytes(payload: bytes) -> None:
    """Any bytes give a text or a reason, and nothing else."""
    for read in (rtf_text, attachment_text):
        try:
            assert isinstance(read(b"{\\rtf1" + payload), str)
        except UnreadableReport as error:
            assert "\n" not in str(error)
    assert isinstance(html_text(payload.decode("latin-1")), str)
