"""The published RaTEScore as contract, where a site has the package and its weights; none of it is installed here."""

import os
from pathlib import Path

import numpy as np
import pytest

from radir_node.reports.similarity.entities import Entity, EntityType
from radir_node.reports.similarity.rate_score import similarity_blocks

TEXTS = [
    "There is a small right pleural effusion. The heart is enlarged.",
    "No pleural effusion or pneumothorax. The cardiac silhouette is normal.",
    "Consolidation in the left lower lobe, suspicious for pneumonia. No pneumothorax.",
    "Mild bibasilar atelectasis. Stable cardiomegaly.",
]


class Published:
    """The published embedder behind our Protocol: one vector per string."""

    identity = "published"

    def __init__(self, vectors):
        self._vectors = vectors

    def embed(self, texts):
        return np.stack([self._vectors[text] for text in texts])


@pytest.fixture(scope="module")
def published():
    """The published scorer on the weights of RADIR_RATESCORE_WEIGHTS: folders ner/ and embedding/."""
    package = pytest.importorskip("RaTEScore", reason="the package ratescore is not installed")
    weights = Path(os.environ.get("RADIR_RATESCORE_WEIGHTS", ""))
    if not (weights / "ner").is_dir() or not (weights / "embedding").is_dir():
        pytest.skip("no weights: RADIR_RATESCORE_WEIGHTS names no folder with ner/ and embedding/")
    return package.RaTEScore(
        bert_model=str(weights / "ner"), eval_model=str(weights / "embedding"), use_gpu=False, batch_size=1
    )


def test_equals_the_published_code(published):
    """On the entities and vectors of the published models, our matrix is what the published code computes."""
    from RaTEScore.score import process_embedding, run_ner

    found = run_ner(
        TEXTS, published.idx2label, published.tokenizer, published.model, published.device, published.batch_size
    )
    vectors, reports = {}, []
    for pairs in found:
        embedded, types = process_embedding(pairs, published.eval_tokenizer, published.eval_model, published.device)
        rows = np.asarray(embedded, dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        words = [pair[0] for pair in pairs]
        vectors |= dict(zip(words, rows, strict=True))
        reports.append([Entity(word, EntityType(kind)) for word, kind in zip(words, types, strict=True)])
    expected = [published.compute_score([text] * len(TEXTS), TEXTS) for text in TEXTS]

    ours = np.concatenate([rows for _, rows in similarity_blocks(reports, Published(vectors))])
    np.testing.assert_allclose(ours, expected, atol=1e-3)
