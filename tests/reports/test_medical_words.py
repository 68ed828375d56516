"""No word, number or name of medicine is ever taken out by guess."""

import datetime as dt
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radir_node.domain.anatomy import SITES
from radir_node.reports.identifiers import Identifier
from radir_node.reports.lexicon import load_lexicon
from radir_node.reports.medical_words import is_medical_word
from radir_node.reports.parser import LANGUAGE
from radir_node.reports.scrub import scrubber

STRANGERS = ("QUILLFEATHER^ZEBEDIAH", "4471188", "ACC20210312", "HARROWGATE^OTTOLINE", "0120")
STUDY = dt.date(2019, 6, 3)
FINDINGS = [finding.label for finding in load_lexicon(LANGUAGE).findings.values()]
PLACES = [name for site in SITES.values() for name in site.names]
NUMBERS = [
    *(
        "12 x 14 mm",
        "2.5 cm",
        "2.5 x 3.1 x 4 cm",
        "12×14 mm",
        "3:1",
        "1200 mL",
        "2000 HU",
        "-950 HU",
        "15%",
        "2.5-10 mm",
    ),
    *("T12", "L1-L2", "T11/T12", "C5-C6", "T3, T4 and T5", "ribs 10 11 12", "segments 2 and 3", "from 1/3 to 1/2"),
    *("series 4 image 32", "images 100-120", "Se: 3, Im: 86", "slice 2012", "the 12:00 position", "10 o'clock"),
    *("BI-RADS 3", "Lung-RADS 4A", "GOLD 2", "stage IIIB", "grade 2/4", "NYHA III", "type A", "ratio of 1:20"),
]
EPONYMS = [
    *(
        "Kerley B lines",
        "Swan-Ganz catheter",
        "Hampton hump",
        "Hampton's hump",
        "Chiari malformation",
        "Ghon focus",
        "Morgagni hernia",
    ),
    *(
        "Bochdalek hernia",
        "Hodgkin lymphoma",
        "Hodgkin's disease",
        "Pancoast tumor",
        "Stanford type A dissection",
        "St. Jude valve",
    ),
    *(
        "Sjögren syndrome",
        "Ivor Lewis esophagectomy",
        "Mounier-Kuhn syndrome",
        "Schmorl's nodes",
        "Birt-Hogg-Dubé syndrome",
    ),
]
TEMPLATES = [
    "{0}, {1}, in the {2}.",
    "No {0} of the {2}: {1}.",
    "There may be {0} at the {2} measuring {1}, unlikely to be new.",
]
CASES = [str, str.upper, str.title]


class Eager:
    """A recognizer that takes every word for a person."""

    def recognize(self, sentence: str) -> Iterable[Identifier]:
        return [Identifier(0, len(sentence), "person")]


@settings(max_examples=400)
@given(
    st.sampled_from(TEMPLATES),
    st.sampled_from(FINDINGS + EPONYMS),
    st.sampled_from(NUMBERS + EPONYMS),
    st.sampled_from(PLACES),
    st.sampled_from(CASES),
)
def test_a_sentence_of_medicine_alone_stays_as_it_is(
    template: str, finding: str, number: str, place: str, case: type[str]
) -> None:
    """Findings, anatomy, sizes, levels, image numbers, grades, eponyms, in any case, with a study date and without."""
    sentence = case(template.format(finding, number, place))

    assert sentence == scrubber(STRANGERS).scrub(sentence)
    assert sentence == scrubber(STRANGERS, study_date=STUDY).scrub(sentence)


@settings(max_examples=200)
@given(
    st.sampled_from(["{0}, {1}, in the {2}.", "No {0} of the {2}: {1}."]),
    st.sampled_from(FINDINGS + EPONYMS),
    st.sampled_from(NUMBERS),
    st.sampled_from([name for name in PLACES if all(map(is_medical_word, name.split()))]),
)
def test_no_recognizer_can_take_medicine_out(template: str, finding: str, number: str, place: str) -> None:
    """Even one that takes the whole sentence for a person."""
    sentence = template.format(finding, number, place)

    for word in (number, place, "No", "in the"):
        assert (word in sentence) == (word in scrubber((), recognizer=Eager()).scrub(sentence))


@pytest.mark.parametrize("word", ["lung", "pneumothorax", "opacities", "no", "may", "ct", "consolidative", "left"])
def test_the_lexicon_knows_its_words(word: str) -> None:
    """Words and stems of the phrases, function words, abbreviations."""
    assert is_medical_word(word)


@pytest.mark.parametrize("word", ["quillfeather", "turner", "ribeiro", "scarlett", "hampton", "xxxx1"])
def test_names_are_no_words_of_medicine(word: str) -> None:
    """Neither by a short stem ("rib", "scar") nor as part of an eponym ("turner syndrome")."""
    assert not is_medical_word(word)
