"""What makes two Open-i studies alike: the Jaccard index of their MeSH chains, overall or at a site.

There are no human similar-case judgements in the collection; relevance is derived from the codes that human indexers
gave each report. Called by training (targets) and evaluation (truth).
"""

from collections.abc import Sequence, Set
from functools import cache

import numpy as np
from numpy.typing import NDArray

ANATOMIES = (
    "lung",
    "lung:right",
    "lung:left",
    "upper_zone:right",
    "upper_zone:left",
    "middle_lobe:right",
    "lingula:left",
    "lower_zone_base:right",
    "lower_zone_base:left",
    "hilum",
    "pleura",
    "pleura:right",
    "pleura:left",
    "diaphragm",
    "mediastinum",
    "heart",
    "aorta",
    "thoracic_spine",
    "rib",
    "upper_abdomen",
)
"""Anatomy keys the radiograph network is conditioned on, in the order of its output."""

_PLACES = {
    "lung": ("lung",),
    "pulmonary alveoli": ("lung",),
    "interstitial": ("lung",),
    "bronchovascular": ("lung",),
    "retrocardiac": ("lower_zone_base", "lung"),
    "azygos lobe": ("upper_zone", "lung"),
    "base": ("lower_zone_base", "lung"),
    "lower lobe": ("lower_zone_base", "lung"),
    "upper lobe": ("upper_zone", "lung"),
    "apex": ("upper_zone", "lung"),
    "middle lobe": ("middle_lobe", "lung"),
    "lingula": ("lingula", "lung"),
    "hilum": ("hilum", "lung"),
    "pleura": ("pleura",),
    "costophrenic angle": ("pleura",),
    "sulcus": ("pleura",),
    "diaphragm": ("diaphragm",),
    "mediastinum": ("mediastinum",),
    "paratracheal": ("mediastinum",),
    "trachea, carina": ("mediastinum",),
    "trachea": ("mediastinum",),
    "esophagus": ("mediastinum",),
    "heart": ("heart", "mediastinum"),
    "heart atria": ("heart", "mediastinum"),
    "heart ventricles": ("heart", "mediastinum"),
    "coronary vessels": ("heart", "mediastinum"),
    "aortic valve": ("heart", "mediastinum"),
    "mitral valve": ("heart", "mediastinum"),
    "aorta": ("aorta", "mediastinum"),
    "aorta, thoracic": ("aorta", "mediastinum"),
    "thoracic vertebrae": ("thoracic_spine",),
    "spine": ("thoracic_spine",),
    "ribs": ("rib",),
    "abdomen": ("upper_abdomen",),
}
"""MeSH term, as heading or qualifier -> the sites it names, a part with its whole."""

_IMPLIED = {
    "cardiomegaly": ("heart", "mediastinum"),
    "cardiac shadow": ("heart", "mediastinum"),
    "heart failure": ("heart", "mediastinum"),
    "pericardial effusion": ("heart", "mediastinum"),
    "epicardial fat": ("heart", "mediastinum"),
    "aortic aneurysm": ("aorta", "mediastinum"),
    "hernia, hiatal": ("mediastinum", "diaphragm"),
    "mediastinal emphysema": ("mediastinum",),
    "pulmonary artery": ("hilum", "mediastinum"),
    "pleural effusion": ("pleura",),
    "pneumothorax": ("pleura",),
    "hydropneumothorax": ("pleura",),
    "hemothorax": ("pleura",),
    "diaphragmatic eventration": ("diaphragm",),
    "hernia, diaphragmatic": ("diaphragm",),
    "spondylosis": ("thoracic_spine",),
    "kyphosis": ("thoracic_spine",),
    "scoliosis": ("thoracic_spine",),
    "hyperostosis, diffuse idiopathic skeletal": ("thoracic_spine",),
    "pneumoperitoneum": ("upper_abdomen",),
    "cholelithiasis": ("upper_abdomen",),
    **dict.fromkeys(
        (
            "pulmonary atelectasis",
            "airspace disease",
            "infiltrate",
            "pneumonia",
            "consolidation",
            "pulmonary congestion",
            "pulmonary edema",
            "emphysema",
            "pulmonary emphysema",
            "bullous emphysema",
            "pulmonary disease, chronic obstructive",
            "pulmonary fibrosis",
            "lung diseases, interstitial",
            "lung, hyperlucent",
            "markings",
            "bronchiectasis",
            "tuberculosis",
            "cystic fibrosis",
            "pneumonectomy",
            "volume loss",
        ),
        ("lung",),
    ),
}
"""Heading -> the sites it implies wherever else the chain points."""

_USUAL = dict.fromkeys(
    (
        "opacity",
        "nodule",
        "mass",
        "granuloma",
        "calcified granuloma",
        "granulomatous disease",
        "cicatrix",
        "cavitation",
        "density",
        "blister",
    ),
    ("lung",),
)
"""Heading -> the site it is taken to be at when the chain names no other."""

_SIDED = frozenset({"lung", "upper_zone", "lower_zone_base", "pleura", "diaphragm", "hilum", "rib"})
_ONE_SIDE = {"middle_lobe": "right", "lingula": "left"}
_SIDES = {"left": ("left",), "right": ("right",), "bilateral": ("left", "right")}


@cache
def anatomies_of(chain: str) -> frozenset[str]:
    """Return the anatomy keys a chain is at, a part with its whole, each with its sides where the chain has some.

    "Opacity/lung/base/left" -> lung, lung:left, lower_zone_base, lower_zone_base:left. Bilateral gives both sides.
    """
    heading, *qualifiers = chain.lower().split("/")
    sites = {site for term in (heading, *qualifiers) for site in _PLACES.get(term, ())}
    sites |= set(_IMPLIED.get(heading, ()))
    sites |= set(() if sites else _USUAL.get(heading, ()))
    sides = {side for term in qualifiers for side in _SIDES.get(term, ())}
    sides |= {_ONE_SIDE[site] for site in sites if site in _ONE_SIDE}
    keys = set(sites)
    keys |= {f"{site}:{side}" for site in sites & _SIDED for side in sides}
    keys |= {f"{site}:{side}" for site, side in _ONE_SIDE.items() if site in sites}
    return frozenset(keys)


def chains_at(chains: Set[str], anatomy: str) -> frozenset[str]:
    """Return those chains that are at an anatomy."""
    return frozenset(chain for chain in chains if anatomy in anatomies_of(chain))


def with_prefixes(chains: Set[str]) -> frozenset[str]:
    """Return the chains and every beginning of each, so that chains that part late share more than none.

    "Opacity/lung/base" -> Opacity, Opacity/lung, Opacity/lung/base: left and right base then share three of five.
    """
    steps = ((chain.split("/"), chain.count("/") + 1) for chain in chains)
    return frozenset("/".join(terms[:length]) for terms, count in steps for length in range(1, count + 1))


def jaccard(first: Set[str], second: Set[str]) -> float:
    """Return the shared part of two sets of chains, in [0, 1]; two empty sets share nothing."""
    union = len(first | second)
    return len(first & second) / union if union else 0.0


def jaccard_matrix(rows: Sequence[Set[str]], columns: Sequence[Set[str]]) -> NDArray[np.float32]:
    """Return [len(rows), len(columns)] of jaccard(row, column)."""
    names = {name: index for index, name in enumerate(sorted({name for item in (*rows, *columns) for name in item}))}
    left, right = _indicator(rows, names), _indicator(columns, names)
    shared = left @ right.T
    union = left.sum(axis=1)[:, None] + right.sum(axis=1)[None, :] - shared
    result: NDArray[np.float32] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return result


def _indicator(items: Sequence[Set[str]], names: dict[str, int]) -> NDArray[np.float32]:
    matrix = np.zeros((len(items), max(1, len(names))), dtype=np.float32)
    for row, item in enumerate(items):
        matrix[row, [names[name] for name in item]] = 1.0
    return matrix
