"""What must hold for any report: the way it is written changes nothing, and lists mean what their parts mean."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radir_node.reports.anatomy import roll_up
from radir_node.reports.parser import parse

SENTENCES = [
    "No pleural effusion or pneumothorax.",
    "Opacities in the right upper and left lower lobes.",
    "The heart is mildly enlarged.",
    "Possible pneumonia at the left base.",
    "Previously seen nodule has resolved.",
    "Pleural effusion: none.",
    "There is no pleural effusion on the right; a small pleural effusion is present on the left.",
    "Stable 4 mm nodule in the lingula, and a new consolidation in the right lower lobe.",
    "Enlarged right paratracheal and left hilar lymph nodes.",
    "Atelectasis versus pneumonia at the left base.",
    "Trachea, both main bronchi are open.",
    "Sternotomy wires are intact.",
]
FINDINGS = ["Atelectasis", "Consolidation", "Ground-glass opacities", "Scarring", "Emphysema"]
PLACES = {
    "right upper lobe": "upper_lobe:right",
    "left lower lobe": "lower_lobe:left",
    "right middle lobe": "middle_lobe:right",
    "lingula": "lingula:left",
    "left lung apex": "lung_apex:left",
}


def facts(text: str) -> Counter[tuple[str, ...]]:
    """Count what is stated, wherever it stands and however it is written."""
    return Counter((tag.finding, tag.anatomy, tag.status, tag.change) for tag in parse(text))


@given(st.sampled_from(SENTENCES), st.sampled_from([str.upper, str.lower, str.title]))
def test_case_changes_nothing(sentence: str, change: type[str]) -> None:
    """A report in capitals has the tags of the plain one."""
    assert facts(sentence)
    assert facts(sentence) == facts(change(sentence))


@given(st.sampled_from(SENTENCES), st.data())
def test_white_space_changes_nothing(sentence: str, data: st.DataObject) -> None:
    """Ragged blanks, tabs and lines wrapped in the middle of a sentence are blanks."""
    words = sentence.split(" ")
    blanks = [data.draw(st.sampled_from([" ", "  ", "\t", " \t ", "\u00a0"])) for _ in words[1:]]

    ragged = "".join(a + b for a, b in zip(words, [*blanks, ""], strict=True))

    assert facts(sentence) == facts(ragged)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_wrapped_line_is_a_blank(sentence: str) -> None:
    """A line break before a word in lower case goes on with the sentence."""
    words = sentence.split(" ")
    for index in range(1, len(words)):
        if words[index][0].islower():
            wrapped = " ".join(words[:index]) + "\n" + " ".join(words[index:])
            assert facts(sentence) == facts(wrapped)


@given(st.permutations(SENTENCES))
def test_the_order_of_sentences_changes_nothing(sentences: list[str]) -> None:
    """Each sentence is read by itself, so a report is the sum of its sentences."""
    expected = sum((facts(sentence) for sentence in SENTENCES), Counter())

    assert expected == facts(" ".join(sentences))


@given(st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=6))
def test_numbering_changes_nothing(sentences: list[str]) -> None:
    """A numbered list, in one line or in many, has the tags of its sentences."""
    expected = facts(" ".join(sentences))
    numbered = [f"{number}. {sentence}" for number, sentence in enumerate(sentences, 1)]

    assert expected == facts("IMPRESSION:\n" + "\n".join(numbered))
    assert expected == facts("IMPRESSION: " + " ".join(numbered))


@given(st.sampled_from(FINDINGS), st.lists(st.sampled_from(sorted(PLACES)), min_size=1, max_size=4, unique=True))
def test_a_list_of_places_is_one_tag_each(finding: str, places: list[str]) -> None:
    """ "X in the a, b and c" is what "X in the a", "X in the b" and "X in the c" are together."""
    expected = sum((facts(f"{finding} in the {place}.") for place in places), Counter())

    assert expected == facts(f"{finding} in the {listed(places)}.")


@given(st.lists(st.sampled_from(FINDINGS), min_size=1, max_size=4, unique=True), st.sampled_from(sorted(PLACES)))
def test_a_list_of_findings_shares_its_place(findings: list[str], place: str) -> None:
    """ "X, Y and Z in the a" places each of them there."""
    expected = sum((facts(f"{finding} in the {place}.") for finding in findings), Counter())

    assert expected == facts(f"{listed(findings)} in the {place}.")


@given(st.lists(st.sampled_from(FINDINGS), min_size=1, max_size=5, unique=True))
def test_a_negation_reaches_all_of_a_list(findings: list[str]) -> None:
    """ "No X, Y or Z." denies each, and so does "X, Y and Z are not seen." """
    for text in (f"No {listed(findings, 'or').lower()}.", f"{listed(findings)} are not seen."):
        assert {"absent"} == {tag.status for tag in parse(text)}
        assert len(findings) == len(parse(text))


@given(st.sampled_from(["right", "left"]), st.permutations(["upper", "lower"]))
def test_lobes_of_a_list_share_side_and_head(side: str, lobes: list[str]) -> None:
    """ "right upper and lower lobes" are two lobes of the right."""
    expected = facts(f"Nodule in the {side} upper lobe.") + facts(f"Nodule in the {side} lower lobe.")

    assert expected == facts(f"Nodule in the {side} {lobes[0]} and {lobes[1]} lobes.")


@settings(max_examples=50)
@given(st.sampled_from(SENTENCES))
def test_tags_roll_up_to_all_that_contains_them(sentence: str) -> None:
    """Every tag is found at its own anatomy, at the whole of it on that side, and at the root."""
    tags = parse(sentence)

    found = roll_up(tags)

    assert set(found["thorax"]) == set(tags)
    assert all(tag in found[tag.anatomy] for tag in tags)
    if any(tag.anatomy == "lower_lobe:left" for tag in tags):
        assert {"lower_lobe", "lung:left", "lung"} <= set(found)


def listed(names: list[str], last: str = "and") -> str:
    """Join names as prose does."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"
