"""CDA documents give their sections; an attack by XML is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radir_node.documents import cda as cda_module
from radir_node.documents.cda import cda_text
from radir_node.errors import UnreadableReport

HEAD = '<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><title>Report</title>'


def document(body: str) -> bytes:
    return f"{HEAD}<component>{body}</component></ClinicalDocument>".encode()


def sections(*inner: str) -> bytes:
    parts = "".join(f"<component><section>{part}</section></component>" for part in inner)
    return document(f"<structuredBody>{parts}</structuredBody>")


def test_sections_with_their_customary_names() -> None:
    """The code names a section whose title is in another language; nested sections follow."""
    inner = "<component><section><title>Lungs</title><text>Clear <b>both</b> sides.</text></section></component>"
    payload = sections(f'<code code="59776-5"/><title>Befunde</title><text>Seen.</text>{inner}')

    assert "FINDINGS:\nSeen.\n\nLUNGS:\nClear both sides." == cda_text(payload)


def test_lines_stay_apart() -> None:
    """Paragraphs, items, rows and line breaks end a line: sentences do not run into each other."""
    payload = sections(
        "<title>Findings</title><text><paragraph>No effusion</paragraph><paragraph>Heart\n normal<br/>Spine old"
        "</paragraph><list><item>Nodule</item><item>Cyst</item></list>"
        "<table><tbody><tr><td>Size</td><td>6 mm</td></tr></tbody></table></text>"
    )

    assert "FINDINGS:\nNo effusion\nHeart normal\nSpine old\nNodule\nCyst\nSize 6 mm" == cda_text(payload)


def test_revisions() -> None:
    """What was deleted is still in the document, and is not read; what was inserted, and what follows, is."""
    deleted = '<content revised="delete">No effusion.</content>'
    payload = sections(
        f'<title>Findings</title><text>{deleted} <content revised="insert">Effusion.</content>'
        '<list><item revised="delete">Cyst</item><item>Nodule</item></list></text>',
        f"<title>Impression</title><text>{deleted}</text>",
    )

    assert "FINDINGS:\nEffusion.\nNodule" == cda_text(payload)


def test_plain_body() -> None:
    """A document without sections has a plain text, or none that is read."""
    assert "No effusion." == cda_text(
        document('<nonXMLBody><text mediaType="text/plain">No effusion.</text></nonXMLBody>') + b"\0"
    )
    assert "" == cda_text(document('<nonXMLBody><text representation="B64">JVBERi0=</text></nonXMLBody>'))


@pytest.mark.parametrize(
    "attack",
    [
        '<!DOCTYPE a [<!ENTITY b "bbbbbbbb">]><ClinicalDocument xmlns="urn:hl7-org:v3">&b;</ClinicalDocument>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><ClinicalDocument>&b;</ClinicalDocument>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><ClinicalDocument/>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/hostname">%p;]><ClinicalDocument/>',
        '<!DOCTYPE z [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;">]><ClinicalDocument>&b;</ClinicalDocument>',
    ],
)
def test_entities(attack: str) -> None:
    """Whoever declares a document type is refused: no entity is expanded, no file and no address is opened."""
    with pytest.raises(UnreadableReport, match=r"^the CDA document cannot be read \(\w+\)$"):
        cda_text(attack.encode())


def test_depth_and_number() -> None:
    """Depth and number of elements are limited while the document is read."""
    with pytest.raises(UnreadableReport, match="deeper than 150 elements"):
        cda_text(b"<a>" * 1_000_000)
    with pytest.raises(UnreadableReport, match="more than 100,000 elements"):
        cda_text(b"<a>" + b"<b/>" * cda_module.MAX_ELEMENTS + b"</a>")


@pytest.mark.parametrize(
    "payload", [b"no xml", b"<a>", b'<?xml version="1.0" encoding="nonsense"?><a/>', b"<a>\xff</a>"]
)
def test_no_xml(payload: bytes) -> None:
    """What is no XML is a reason that quotes nothing."""
    with pytest.raises(UnreadableReport, match=r"^the CDA document cannot be read \(\w+\)$"):
        cda_text(payload)


@given(st.binary(max_size=200), st.integers(0, 200))
@settings(max_examples=200)
def test_damage(noise: bytes, at: int) -> None:
    """A document with any damage gives a text or a reason, and nothing else."""
    whole = sections("<title>Findings</title><text>No effusion.</text>")
    try:
        assert isinstance(cda_text(whole[:at] + noise + whole[at:]), str)
    except UnreadableReport as error:
        assert "\n" not in str(error)
