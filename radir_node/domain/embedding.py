"""Unit vectors and what they were made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from radir_node.domain.study import Modality
from radir_node.errors import EncoderUnavailable

GLOBAL = "*"
"""Partition name of the unconditional vector; every other partition is named by an anatomy key."""

DIMENSIONS = 512
UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """Identity of an encoder: two vectors may be compared only when this is equal.

    sha256 covers the ONNX file; preprocessing is the version string of the code that feeds it.
    """

    name: str
    modality: Modality
    sha256: str
    preprocessing: str
    anatomies: tuple[str, ...]
    """Anatomy keys the model is conditioned on, in the order of its output."""
    licence: str = ""

    @property
    def id(self) -> str:
        """Short stable name used in SR, index folders and health pages."""
        return f"{self.name}-{self.sha256[:8]}-{self.preprocessing}"


@dataclass(frozen=True, slots=True)
class Encoded:
    """One image's vectors: `vectors[GLOBAL]` and one per anatomy key, float32 [512], norm 1 +- 1e-5."""

    unit_uid: str
    """SOP Instance UID of a radiograph, Series Instance UID of a CT."""
    vectors: Mapping[str, NDArray[np.float32]]
    attention: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """Optional anatomy key -> [h, w] map over the image, non-negative, sum 1."""
    features: Mapping[str, float] = field(default_factory=dict)
    """Optional named measures (CT densitometry), shown to people."""

    def __post_init__(self) -> None:
        """Raise EncoderUnavailable for a vector of another length than 1: nonsense must never be indexed."""
        for name, vector in self.vectors.items():
            length = float(np.linalg.norm(vector)) if vector.shape == (DIMENSIONS,) else float("nan")
            if not abs(length - 1) <= UNIT_TOLERANCE:  # also true for NaN
                raise EncoderUnavailable(f"the network gave no unit vector for {name!r} (length {length:.3g})")
