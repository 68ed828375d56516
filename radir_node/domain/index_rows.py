"""What the catalogue tells the index: vectors with their filter columns, and which of them changed."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, order=True)
class PartitionKey:
    """Vectors are compared only within one model version and one anatomy."""

    model: str
    anatomy: str


@dataclass(frozen=True, slots=True)
class VectorRow:
    """One vector, float16 [512], with the columns that filters look at."""

    id: int
    partition: PartitionKey
    study_id: int
    patient_code: int
    sex: str
    age_years: float | None
    study_date: dt.date | None
    vector: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Changes:
    """Ids to read anew (a missing one was deleted), and the watermark to ask from next."""

    ids: tuple[int, ...]
    watermark: str
