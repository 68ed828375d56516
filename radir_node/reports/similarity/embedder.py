"""Entity strings to unit vectors: what an embedder is, and the one that needs no network.

RaTEScore takes BioLORD-2023-C (method spec 4.2, step 3); a site that has those weights passes its own embedder.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import blake2b
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from radir_node.domain.anatomy import SIDES, SITES, AnatomyRef, ancestors
from radir_node.domain.anatomy_table import EQUIVALENTS
from radir_node.reports.lexicon import load_lexicon
from radir_node.reports.parser import LANGUAGE
from radir_node.reports.similarity.entities import BETWEEN

Vectors = NDArray[np.float32]

_FINDING_SHARE = 0.7
_PLACE_SHARE = 0.3
"""What finding and place contribute to the cosine of two findings; another finding at the same place is at 0.3."""
_ROOT_SHARE = 0.5
"""Of the thorax, which contains everything, in the vector of a site."""
_EQUIVALENT_SHARE = 0.7
"""Of a site that readers use for nearly the same region ("lung base" for "lower lobe")."""
_OTHERS = 512
"""Dimensions for strings that are not in the vocabulary."""
_SIDE_CODES: Mapping[str, tuple[float, float, float]] = {
    "right": (1.0, 0.0, 0.0),
    "left": (0.5, 3**0.5 / 2, 0.0),
    "": (3**0.5 / 2, 0.5, 0.0),
    "bilateral": (0.97 * 3**0.5 / 2, 0.97 * 0.5, (1 - 0.97**2) ** 0.5),
}
"""Unit vectors: right and left at 0.5; no side at 0.87 to either and at 0.97 to both sides."""


class EntityEmbedder(Protocol):
    """Turns entity strings into vectors whose dot product says how alike they are."""

    @property
    def identity(self) -> str:
        """Name and version, as the data sheet has it; another identity makes every table anew."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return [len(texts), d], each row of length 1. The same string always gives the same row."""
        ...


class VocabularyEmbedder:
    """Vectors by the vocabulary alone: the same on every machine, no weights, no learning.

    Of two findings the cosine is  side * (0.7 [same finding] + 0.3 place),  of two places  side * place:
    - place: cosine of the chains of sites up to the thorax, which counts a quarter. Part and whole are at about 0.75,
      two parts of one whole at about 0.55, organs at 0.2; regions that readers use for one another at over 0.9;
    - side: right against left 0.5, a side against none 0.87.
    A finding and the bare place it is at: 0.55. All cosines are in [0, 1]. Two findings are the same or strangers:
    synonyms that the lexicon keeps apart (consolidation, pneumonia) are not brought together.
    A string that is not in the vocabulary is compared by its character trigrams, with others of that kind only.
    """

    identity = "vocabulary-1"

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return [len(texts), d], each row of length 1 and without negative numbers in its products."""
        width = (len(_findings()) + len(SITES)) * 3 + _OTHERS
        rows = np.zeros((len(texts), width), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            known = _read(text)
            if known is None:
                row[-_OTHERS:] = _trigrams(text)
            else:
                finding, key = known
                row[:-_OTHERS] = np.outer(_content(finding, key), _SIDE_CODES[AnatomyRef.from_key(key).side]).ravel()
        return rows


def unit_rows(vectors: Vectors, count: int) -> Vectors:
    """Check what an embedder returned and give it as float32. Raises ValueError: not [count, d], or no unit rows."""
    found = np.asarray(vectors, dtype=np.float32)
    if found.ndim != 2 or len(found) != count:
        raise ValueError(f"an entity embedder must return [{count}, d], not {list(found.shape)}")
    if not np.allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-3):
        raise ValueError("an entity embedder must return unit vectors")
    return found


def _content(finding: str | None, key: str) -> Vectors:
    """What is where, without the side: one dimension a finding, one a site."""
    vector = np.zeros(len(_findings()) + len(SITES), dtype=np.float32)
    vector[len(_findings()) :] = _site(key)
    if finding is not None:
        vector *= _PLACE_SHARE**0.5
        vector[_findings()[finding]] = _FINDING_SHARE**0.5
    return vector


@cache
def _site(key: str) -> Vectors:
    """Unit vector over the sites: the site, what contains it, and what readers use for it."""
    columns = {site: column for column, site in enumerate(SITES)}
    vector = np.zeros(len(SITES), dtype=np.float32)
    own = key.partition(":")[0]
    above = {step.partition(":")[0] for step in ancestors(key)}
    for name in EQUIVALENTS.get(key, EQUIVALENTS.get(own, ()))[:1]:
        vector[columns[name.partition(":")[0]]] = _EQUIVALENT_SHARE
    for site in {own, *above}:
        vector[columns[site]] = 1.0
    vector[columns["thorax"]] = _ROOT_SHARE
    return vector / np.float32(np.linalg.norm(vector))


@cache
def _findings() -> Mapping[str, int]:
    """Number the findings of the lexicon by their label."""
    labels = {finding.label for finding in load_lexicon(LANGUAGE).findings.values()}
    return {label: column for column, label in enumerate(sorted(labels))}


@cache
def _places() -> Mapping[str, str]:
    """Label of every anatomy key -> the key."""
    refs = [AnatomyRef(site) for site in SITES]
    refs += [AnatomyRef(site, side) for site, entry in SITES.items() if entry.side == "sided" for side in SIDES]
    return {ref.label: ref.key for ref in refs}


def _read(text: str) -> tuple[str | None, str] | None:
    """Read the string of an entity back: (finding, anatomy key), (None, anatomy key), or None for any other string."""
    if text in _places():
        return None, _places()[text]
    parts = text.split(BETWEEN)
    for at in range(1, len(parts)):
        finding, place = BETWEEN.join(parts[:at]), BETWEEN.join(parts[at:])
        if finding in _findings() and place in _places():
            return finding, _places()[place]
    return None


def _trigrams(text: str) -> Vectors:
    """Unit vector of the character trigrams of a string, hashed."""
    vector = np.zeros(_OTHERS, dtype=np.float32)
    padded = f"  {' '.join(text.lower().split())}  "
    for (first, second), last in zip(pairwise(padded), padded[2:], strict=False):
        digest = blake2b(f"{first}{second}{last}".encode(), digest_size=4).digest()
        vector[int.from_bytes(digest, "big") % _OTHERS] += 1.0
    return vector / np.float32(np.linalg.norm(vector))
