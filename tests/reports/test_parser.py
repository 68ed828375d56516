"""The whole parser: what speaks, where the evidence lies, and that no text can break it."""

import logging
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radir_node.domain.anatomy import AnatomyRef
from radir_node.reports.lexicon import load_lexicon, lowered
from radir_node.reports.parser import (
    LANGUAGE,
    PARSER_VERSION,
    ParsedReport,
    default_site,
    finding_kind,
    finding_label,
    parse,
    parse_report,
)
from radir_node.reports.sections import split_sections

REPORT = """CHEST RADIOGRAPH
INDICATION: Rule out pneumothorax. History of pneumonia.
TECHNIQUE: PA and lateral. Effusion protocol.
COMPARISON: Nodule on the prior study.

FINDINGS:
Small right pleural
effusion. 1. Mild cardiomegaly.  2) Emphysema
LUNGS: No nodule
IMPRESSION: Left lower lobe consolidation.
ADDENDUM:
Healing rib fracture.

RECOMMENDATION: CT for possible mass.
Electronically signed by: A Scarring, MD
"""

SENTENCES = [
    "No pleural effusion or pneumothorax.",
    "Opacities in the right upper and left lower lobes.",
    "The heart is mildly enlarged.",
    "Possible pneumonia at the left base.",
    "Previously seen nodule has resolved.",
    "Pleural effusion: none.",
]
PIECES = [*SENTENCES, "FINDINGS:", "\n", "İmpression: ", "left", ";", "1."]


def test_only_sections_about_the_images_speak() -> None:
    """Indication, technique, comparison, recommendation and signature yield no tags."""
    found = {tag.finding for tag in parse(REPORT)}

    assert found == {
        "pleural_effusion", "cardiomegaly", "emphysema", "nodule", "consolidation", "fracture",
    }  # fmt: skip


def test_a_text_without_headings_speaks_as_a_whole() -> None:
    """A bare impression line is read."""
    assert {tag.finding for tag in parse("Cardiomegaly.\nNo edema.")} == {"cardiomegaly", "edema"}


def test_an_inline_heading_begins_its_section() -> None:
    """Reports written in one paragraph are split as well."""
    text = "Comparison: nodule seen before. Findings: Mild edema. Impression: Edema."

    assert {tag.finding for tag in parse(text)} == {"edema"}


def test_sections_cover_the_text_in_order() -> None:
    """No character belongs to two sections."""
    sections = split_sections(lowered(REPORT), load_lexicon(LANGUAGE))

    ends = [section.end for section in sections]
    assert sorted(ends) == ends
    assert all(a.end <= b.start for a, b in pairwise(sections))


def test_the_evidence_is_the_mention_within_its_sentence() -> None:
    """Offsets cut the very words out of the report, also over a line break."""
    effusion = next(tag for tag in parse(REPORT) if tag.finding == "pleural_effusion")

    assert REPORT[effusion.start : effusion.end] == "pleural\neffusion"
    assert REPORT[effusion.sentence_start : effusion.sentence_end] == "Small right pleural\neffusion."


def test_numbered_lists_and_labels_are_sentences_of_their_own() -> None:
    """List numbers are no sentences, and an unpunctuated line ends where the next label begins."""
    sentences = {REPORT[tag.sentence_start : tag.sentence_end] for tag in parse(REPORT)}

    assert {"Mild cardiomegaly.", "Emphysema", "LUNGS: No nodule"} <= sentences


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_every_line_end_keeps_sentences_apart(end: str, statuses: Callable[[str], dict[str, set[str]]]) -> None:
    """Carriage returns from HL7 do not fuse a statement with the denial in the next line."""
    text = f"FINDINGS:{end}Nodule in the right upper lobe{end}No pneumothorax{end}{end}IMPRESSION:{end}Nodule."

    assert statuses(text) == {"nodule": {"present"}, "pneumothorax": {"absent"}}


@pytest.mark.parametrize(
    "text",
    [
        "Kein Pneumothorax, keine Infiltrate. Das Herz ist nicht vergrößert und die Pleura ist frei.",
        "Pas de pneumothorax ni de nodule dans le poumon. Il existe une opacité de la base et du hile.",
        "No se observa neumotórax en el pulmón. Los hilios y la pleura sin derrame, con edema del lóbulo.",
        "Her iki akciğerde konsolidasyon veya nodül izlenmedi. Plevral effüzyon saptanmadı. Kalp boyutları normal "
        "sınırlardadır, perikardiyal effüzyon görülmedi, mediastinal lenfadenopati yoktur.",
        "Nie stwierdza się zmian ogniskowych ani płynu w jamach opłucnowych. Sylwetka serca niepowiększona, "
        "pneumothorax nieobecny, przepona wolna, kąty przeponowo-żebrowe wolne.",
        "Лёгочные поля без очаговых и инфильтративных теней. Плевральный выпот не определяется. Сердце не увеличено, "
        "корни структурны, диафрагма расположена обычно.",
    ],
)
def test_a_text_in_another_language_has_no_tags_and_says_so(text: str) -> None:
    """Words that look alike in another language are not guessed at; no language is given."""
    assert ParsedReport((), "", PARSER_VERSION) == parse_report(text)


@pytest.mark.parametrize(
    "text", ["Cardiomegaly.", "", "Clear lungs. Normal heart. No pneumothorax. No pleural effusion. Old rib fractures."]
)
def test_a_short_text_is_taken_for_english(text: str) -> None:
    """Telegram style without small words is read, and the report says in which language and by which version."""
    parsed = parse_report(text)

    assert ("en", PARSER_VERSION) == (parsed.language, parsed.parser_version)
    assert parsed.tags == parse(text)


def test_a_language_without_lexicon_is_an_error() -> None:
    """What a source is set to must exist."""
    with pytest.raises(FileNotFoundError):
        parse_report("Cardiomegaly.", "tlh")


@settings(max_examples=300)
@given(
    st.lists(
        st.one_of(st.sampled_from([*SENTENCES, "FINDINGS:", "\n", "İmpression: ", "left", ";"]), st.text(max_size=20))
    )
)
def test_no_text_breaks_the_parser(pieces: list[str]) -> None:
    """Whatever arrives, parsing ends with tags whose spans lie in the text and whose anatomy exists."""
    text = " ".join(pieces)

    for tag in parse(text):
        assert 0 <= tag.sentence_start <= tag.start < tag.end <= tag.sentence_end <= len(text)
        assert tag.anatomy == AnatomyRef.from_key(tag.anatomy).key
        assert tag.rule


def test_a_text_without_stops_is_read_in_pieces() -> None:
    """A report that lost its punctuation costs time in proportion to its length, and keeps its tags."""
    text = "Nodule in the left lung and no edema " * 400

    found = Counter(tag.finding for tag in parse(text))

    assert found["nodule"] + found["edema"] > 790
    assert max(tag.sentence_end - tag.sentence_start for tag in parse(text)) <= 1000


def test_every_finding_has_a_label_and_a_site() -> None:
    """The lexicon can name all it tags, and tell findings from diseases and devices."""
    for finding in load_lexicon(LANGUAGE).findings:
        assert finding_label(finding)
        assert finding_kind(finding) in ("finding", "disease", "device")
        assert default_site(finding) == "" or AnatomyRef.from_key(default_site(finding))


def test_parsing_leaves_no_word_in_the_log(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """Report text reaches neither a log record nor the terminal."""
    with caplog.at_level(logging.DEBUG):
        parse("FINDINGS: Zebediah Quillfeather has a nodule in the left lung.")

    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")
