"""Phrases over words: what a phrase stands for, which one wins, and that the automaton forgets what never ends."""

import pytest

from radir_node.reports import automaton
from radir_node.reports.automaton import Automaton


def found(phrase: str, text: str) -> list[str]:
    """List what a phrase finds in a text."""
    phrases = Automaton(1, [(phrase, 0, "x")])
    words = text.split()
    return [" ".join(words[start:end]) for start, end, _ in phrases.find(words)[0]]


@pytest.mark.parametrize(
    ("phrase", "text", "expected"),
    [
        ("rib", "rib ribs", ["rib"]),
        ("ribs?", "rib ribs", ["rib", "ribs"]),
        ("fibro*", "fibrosis fibro xfibro", ["fibrosis", "fibro"]),
        ("pneumothora(x|ces)", "pneumothorax pneumothoraces", ["pneumothorax", "pneumothoraces"]),
        ("(hydro |hemo)?thorax", "hemothorax and hydro thorax", ["hemothorax", "hydro thorax"]),
        ("enlarged ~ heart", "enlarged a b c heart , enlarged heart", ["enlarged a b c heart", "enlarged heart"]),
        ("enlarged ~ heart", "enlarged a b c d heart enlarged , heart", []),
        ("t#", "t12 t1 t t12x", ["t12", "t1"]),
        (r"\?", "nodule ?", ["?"]),
        ("r/o", "r / o", ["r / o"]),
        ("lung( (base|apex))?", "lung base lung tip", ["lung base", "lung"]),
    ],
)
def test_a_phrase_stands_for_its_spellings(phrase: str, text: str, expected: list[str]) -> None:
    """Optional letters and words, endings, gaps, digits and marks."""
    assert expected == found(phrase, text)


@pytest.mark.parametrize("phrase", ["(a|b", "a)", "a|b", "(a)?", "~ a", ""])
def test_a_phrase_that_cannot_be_read_is_refused(phrase: str) -> None:
    """A mistake in the lexicon is found when it is loaded."""
    with pytest.raises(ValueError, match="phrase"):
        Automaton(1, [(phrase, 0, "")])


def test_the_longest_phrase_wins_then_the_first() -> None:
    """Hits of one kind do not overlap, those of an overlapping kind do; other kinds are searched apart."""
    phrases = Automaton(
        3,
        [
            ("lung mass", 0, "mass"), ("lung", 0, "lung"), ("lung mass", 0, "later"), ("mass", 0, "short"),
            ("lung", 1, "site"), ("lung mass", 2, "a"), ("mass", 2, "b"),
        ],
        overlapping=[2],
    )  # fmt: skip

    assert [[(0, 2, "mass")], [(0, 1, "site")], [(0, 2, "a"), (1, 2, "b")]] == phrases.find(["lung", "mass"])


def test_words_without_end_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers and misspellings do not fill the memory, and phrases are found after them as before."""
    monkeypatch.setattr(automaton, "_STEPS_REMEMBERED", 100)
    phrases = Automaton(1, [("mass", 0, "x")])

    hits = phrases.find([*map(str, range(1000)), "mass"])[0]

    assert [(1000, 1001, "x")] == hits
    assert len(phrases._root.steps) <= 100


def test_the_vocabulary_is_every_word_and_stem_of_the_phrases() -> None:
    """Alternatives and words behind a gap among them; digits are none."""
    phrases = Automaton(2, [("(left|right) lung", 0, "x"), ("nodul* ~ seen", 1, "y"), ("t # level", 1, "z")])

    assert (frozenset({"left", "right", "lung", "seen", "t", "level"}), frozenset({"nodul"})) == phrases.vocabulary()
