"""The embedder that needs no weights: which strings are near, and which are not."""

import numpy as np
import pytest

from radir_node.domain.anatomy import SIDES, SITES, AnatomyRef
from radir_node.reports.lexicon import load_lexicon
from radir_node.reports.similarity.embedder import VocabularyEmbedder


def cosine(first: str, second: str) -> float:
    one, two = VocabularyEmbedder().embed([first, second]).astype(np.float64)
    return float(one @ two)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("right lower lobe", "right lung"),
        ("lingula", "left upper lobe"),
        ("right lower lobe", "right lung base"),
        ("pleura", "right pleura"),
        ("lung", "lung, both sides"),
        ("consolidation, right lower lobe", "consolidation, right lung"),
        ("consolidation, right lower lobe", "consolidation, right lung base"),
        ("consolidation, lung", "consolidation, right lung"),
        ("cardiomegaly, heart", "cardiomegaly, mediastinum"),
    ],
)
def test_relatives_are_near(first, second):
    """Part and whole, a side and no side, regions that readers use for one another: over 0.65."""
    assert cosine(first, second) > 0.65


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("right lower lobe", "left lower lobe"),
        ("right pleura", "left pleura"),
        ("pleural effusion, right pleura", "pleural effusion, left pleura"),
        ("pleural effusion, right pleura", "pneumothorax, right pleura"),
        ("consolidation, right lower lobe", "atelectasis, right lower lobe"),
        ("heart", "lung"),
        ("right rib", "right pleura"),
    ],
)
def test_others_are_far(first, second):
    """Right and left, other findings, other organs: at most 0.55."""
    assert cosine(first, second) < 0.55


def test_the_other_side_is_nearer_than_another_finding():
    """A left effusion is more like a right effusion than a right pneumothorax is."""
    effusion = "pleural effusion, right pleura"

    assert cosine(effusion, "pleural effusion, left pleura") > cosine(effusion, "pneumothorax, right pleura")


def test_every_string_of_the_vocabulary_is_a_unit_vector_without_negative_cosines():
    """All findings at all places, and all places: length 1, cosines in [0, 1], 1 only for the same string."""
    refs = [AnatomyRef(site) for site in SITES]
    refs += [AnatomyRef(site, side) for site, entry in SITES.items() if entry.side == "sided" for side in SIDES]
    places = sorted({ref.label for ref in refs})
    labels = sorted({finding.label for finding in load_lexicon("en").findings.values()})
    texts = [*places, *(f"{label}, {place}" for label in labels[:6] for place in places)]

    vectors = VocabularyEmbedder().embed(texts)
    products = vectors @ vectors.T

    np.testing.assert_allclose(1.0, np.linalg.norm(vectors, axis=1), atol=1e-5)
    assert products.min() >= 0.0
    np.fill_diagonal(products, 0.0)
    assert products.max() < 0.999


def test_other_strings_are_compared_by_their_letters():
    """What is not in the vocabulary is near what is spelt alike, and at right angles to all that is known."""
    assert cosine("osteopoikilosis", "osteopoikilosis of the ribs") > 0.6
    assert 0.0 == cosine("osteopoikilosis", "right rib")
    assert 1.0 == pytest.approx(cosine("osteopoikilosis", "Osteopoikilosis"))


def test_the_empty_string_is_a_unit_vector_too():
    """No string makes the embedder fail."""
    assert 1.0 == pytest.approx(float(np.linalg.norm(VocabularyEmbedder().embed([""]))))
