"""The seam for those who find more identifiers, and Presidio behind it."""

import importlib.util
import sys
from collections.abc import Iterable

import pytest

from radir_node.errors import InvalidSetting
from radir_node.reports.display import SiteRules, shown_sentences
from radir_node.reports.identifiers import Identifier, IdentifierRecognizer
from radir_node.reports.parser import parse
from radir_node.reports.presidio import MODEL, presidio_recognizer


class Staff:
    """Knows the names of a house."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.seen: list[str] = []

    def recognize(self, sentence: str) -> Iterable[Identifier]:
        self.seen.append(sentence)
        for name in self.names:
            if (place := sentence.find(name)) >= 0:
                yield Identifier(place, place + len(name), "staff", shown="never shown")


class Broken:
    """Cannot answer."""

    def recognize(self, sentence: str) -> Iterable[Identifier]:
        raise ConnectionError("the model is away")


def shown(text: str, recognizer: IdentifierRecognizer) -> tuple[str, ...]:
    return shown_sentences(text, parse(text), site=SiteRules(recognizer=recognizer))


def test_what_a_recognizer_finds_is_taken_out() -> None:
    """Beside what the rules find; the words that are shown in its place are not the recognizer's."""
    text = "Nodule marked by Harrowgate on January 5, stable."

    assert ("Nodule marked by [removed] on [removed], stable.",) == shown(text, Staff("Harrowgate"))


@pytest.mark.parametrize("name", ["Kerley B", "Swan-Ganz", "Hampton", "Chiari", "No", "Nodule", "12 mm", "T12"])
def test_eponyms_and_words_of_medicine_are_given_back(name: str) -> None:
    """Known false hits of recognizers of names, and what would turn or hide a finding."""
    text = "No Kerley B lines, Swan-Ganz catheter, Hampton hump, Chiari malformation. Nodule of 12 mm at T12."

    assert tuple(shown(text, Staff())) == shown(text, Staff(name))


def test_a_name_is_cut_out_of_the_medicine_around_it() -> None:
    """A recognizer that takes too much loses what is medicine, not the name."""
    assert ("Left [removed] nodule.",) == shown("Left Harrowgate nodule.", Staff("Left Harrowgate nodule"))


def test_only_what_may_be_shown_is_recognized() -> None:
    """No other sentence reaches a recognizer."""
    staff = Staff()

    shown("History: Harrowgate fell.\nFindings: Nodule. Discussed effusion with Dr. Berg. The sky is blue.", staff)

    assert ["Nodule."] == staff.seen


def test_what_a_recognizer_raises_is_raised() -> None:
    """Half-scrubbed text is not shown."""
    with pytest.raises(ConnectionError):
        shown("Nodule.", Broken())


@pytest.mark.skipif(importlib.util.find_spec("presidio_analyzer") is not None, reason="Presidio is installed")
def test_without_presidio_the_reason_is_told() -> None:
    """The line names the package and the extra."""
    with pytest.raises(InvalidSetting, match=r"presidio_analyzer is not installed; install radir-node\[deid\]"):
        presidio_recognizer()


def test_nothing_imports_presidio_by_the_way() -> None:
    """Nor spaCy: they cost a second and hundreds of megabytes."""
    assert {"presidio_analyzer", "spacy"}.isdisjoint(sys.modules) or importlib.util.find_spec(MODEL) is not None


@pytest.fixture(scope="module")
def presidio() -> IdentifierRecognizer:
    for package in ("presidio_analyzer", MODEL):
        pytest.importorskip(package, reason=f"{package} is not installed (extra deid)")
    return presidio_recognizer()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Zebediah Quillfeather was seen at Northfield General with a nodule.",
            "[removed] was seen at [removed] with a nodule.",
        ),
        ("Nodule described by John Smith in Boston.", "Nodule described by [removed] in [removed]."),
        *((kept, kept) for kept in (
            "Kerley B lines and a Swan-Ganz catheter, edema.",
            "Hampton hump in the right lower lobe, embolism; no Chiari malformation on CT.",
            "Atelectasis, Consolidation, and Cardiomegaly.",
            "Ghon focus, Bochdalek and Morgagni hernia, 12 x 14 mm nodule at T12.",
            "Nodule, Lung-RADS 4A; emphysema, GOLD 2.",
        )),
    ],
)  # fmt: skip
def test_presidio_finds_names_and_no_medicine(text: str, expected: str, presidio: IdentifierRecognizer) -> None:
    """People, places and houses go; what it takes for them is given back."""
    assert (expected,) == shown(text, presidio)
