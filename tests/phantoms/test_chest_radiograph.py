"""The drawn film shows what the case says, where it says it: each finding against the same person without it."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from radir_node.domain.phantom import FindingKind, PhantomCase, PhantomFinding
from radir_node.domain.study import Modality
from radir_node.phantoms import chest_radiograph
from radir_node.phantoms.label import text_mask

CaseOf = Callable[..., PhantomCase]
_K = FindingKind


@pytest.fixture(scope="module")
def normal(case_of: CaseOf) -> NDArray[np.float64]:
    """The film of the person without findings."""
    film: NDArray[np.float64] = chest_radiograph.draw(case_of(Modality.CXR))[0][0].astype(np.float64)
    return film


def _centre(weights: NDArray[np.float64]) -> tuple[float, float]:
    """Return the middle of a map as shares of its height and width."""
    rows, columns = np.indices(weights.shape)
    total = weights.sum()
    height, width = weights.shape
    return float((rows * weights).sum() / total / height), float((columns * weights).sum() / total / width)


@pytest.mark.parametrize(
    ("finding", "sign", "rows", "columns"),
    [
        (PhantomFinding(_K.EFFUSION, "pleura:right", 0.3), 1, (0.60, 0.90), (0.0, 0.5)),
        (PhantomFinding(_K.EFFUSION, "pleura:left", 0.7), 1, (0.45, 0.90), (0.5, 1.0)),
        (PhantomFinding(_K.CONSOLIDATION, "lower_lobe:right", 0.6), 1, (0.5, 0.8), (0.0, 0.5)),
        (PhantomFinding(_K.CONSOLIDATION, "upper_lobe:left", 0.6), 1, (0.15, 0.5), (0.5, 1.0)),
        (PhantomFinding(_K.NODULE, "upper_lobe:right", 0.6), 1, (0.15, 0.5), (0.0, 0.5)),
        (PhantomFinding(_K.PNEUMOTHORAX, "pleura:left", 0.6), -1, (0.1, 0.6), (0.5, 1.0)),
        (PhantomFinding(_K.PACEMAKER, "chest_wall:left", 0.5), 1, (0.1, 0.6), (0.4, 1.0)),
        (PhantomFinding(_K.CENTRAL_LINE, "svc", 0.5), 1, (0.0, 0.5), (0.25, 0.5)),
        (PhantomFinding(_K.TRACHEAL_TUBE, "trachea", 0.5), 1, (0.0, 0.4), (0.4, 0.6)),
    ],
    ids=lambda value: f"{value.kind.name}-{value.anatomy}" if isinstance(value, PhantomFinding) else "",
)
def test_a_finding_changes_the_film_at_its_place(
    case_of: CaseOf,
    normal: NDArray[np.float64],
    finding: PhantomFinding,
    sign: int,
    rows: tuple[float, float],
    columns: tuple[float, float],
) -> None:
    """Fluid, consolidation, nodules and metal are brighter than the same person's normal film, air is darker."""
    film = chest_radiograph.draw(case_of(Modality.CXR, finding))[0][0].astype(np.float64)

    changed = np.maximum(sign * (film - normal) - 250, 0)
    row, column = _centre(changed)

    assert (changed > 0).mean() > 0.0005
    assert rows[0] < row < rows[1]
    assert columns[0] < column < columns[1]


def test_cardiomegaly_widens_the_heart(case_of: CaseOf, normal: NDArray[np.float64]) -> None:
    """The silhouette grows to both sides of the normal heart."""
    finding = PhantomFinding(_K.CARDIOMEGALY, "heart", 0.8)
    film = chest_radiograph.draw(case_of(Modality.CXR, finding))[0][0].astype(np.float64)

    wider = np.maximum(film - normal - 400, 0).sum(axis=0)
    half = len(wider) // 2

    assert wider[:half].sum() > 0
    assert wider[half:].sum() > wider[:half].sum()


def test_the_film_is_a_chest(normal: NDArray[np.float64]) -> None:
    """Dark lungs on both sides, bright mediastinum between them and bright abdomen below, air black outside."""
    height, width = normal.shape
    lung_row = slice(int(0.40 * height), int(0.50 * height))
    right, middle, left = (
        normal[lung_row, int(a * width) : int(b * width)].mean() for a, b in ((0.22, 0.34), (0.47, 0.53), (0.66, 0.78))
    )
    abdomen = normal[int(0.90 * height) : int(0.96 * height), int(0.3 * width) : int(0.7 * width)].mean()

    assert max(right, left) < 0.6 * min(middle, abdomen)
    assert normal[: height // 12, : width // 12].mean() < 0.1 * middle


def test_the_word_is_burnt_into_the_corner(normal: NDArray[np.float64]) -> None:
    """SYNTHETIC stands in full white in the lower left corner."""
    mask = text_mask("SYNTHETIC", normal.shape[1] // 28)
    rows, columns = mask.shape

    corner = normal[-8 - rows : -8, 8 : 8 + columns]

    assert (corner[mask] == chest_radiograph.WHITE).all()
    assert (corner[~mask] < chest_radiograph.WHITE).all()
