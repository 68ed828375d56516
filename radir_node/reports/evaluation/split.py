"""Which annotated items the rules were written on, and which were kept for testing. Used by the three evaluations.

The halves were drawn once by a hash of the item's id: an even first byte of its SHA-256 is development. development.txt
keeps fingerprints of the development items rather than the rule, so that another copy of the data with other items has
no development part and is all test.
"""

import hashlib
from functools import cache
from importlib import resources
from typing import Literal

Split = Literal["all", "dev", "test"]
SPLITS: tuple[Split, ...] = ("all", "dev", "test")
STATEMENT = (
    "development half: items with an even first byte of sha256(id) in the copy that rules were written on, "
    "listed by fingerprint in radir_node/reports/evaluation/development.txt; test: all others"
)
_DIGITS = 8


def is_in(split: Split, collection: str, item: str) -> bool:
    """Tell whether an item of a collection belongs to a split."""
    return split == "all" or (fingerprint(collection, item) in development()) == (split == "dev")


def fingerprint(collection: str, item: str) -> str:
    """Give the first hexadecimal digits of the SHA-256 of an item's name."""
    return hashlib.sha256(f"{collection}:{item}".encode()).hexdigest()[:_DIGITS]


@cache
def development() -> frozenset[str]:
    """Give the fingerprints of all development items."""
    return frozenset(resources.files(__package__).joinpath("development.txt").read_text(encoding="ascii").split())
