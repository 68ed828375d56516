"""The drawn CT has the densities and the anatomy that a classical segmentation relies on, and its findings."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from radir_node.domain.phantom import FindingKind, PhantomCase, PhantomFinding
from radir_node.domain.study import Modality
from radir_node.phantoms import chest_ct

CaseOf = Callable[..., PhantomCase]
Volume = NDArray[np.int16]
_K = FindingKind


@pytest.fixture(scope="module")
def normal(case_of: CaseOf) -> Volume:
    """The volume of the person without findings."""
    return chest_ct.draw(case_of(Modality.CT))[0]


def _inner_air(volume: Volume) -> NDArray[np.bool_]:
    """Return air inside the body, as a threshold finds it: below -400 HU, large, and away from the border."""
    label, _ = ndimage.label(volume < -400)
    outside = set(np.unique(label[:, :, 0])) | set(np.unique(label[:, :, -1])) | set(np.unique(label[:, 0]))
    sizes = np.bincount(label.ravel())
    kept = [i for i in range(1, len(sizes)) if i not in outside and sizes[i] > 20000]
    return np.isin(label, kept)


@pytest.fixture(scope="module")
def lungs(normal: Volume) -> NDArray[np.bool_]:
    """The lungs of the normal volume."""
    return _inner_air(normal)


def test_lung_has_the_density_of_lung(normal: Volume, lungs: NDArray[np.bool_]) -> None:
    """The median of the air inside the body is that of inflated lung, with denser vessels in it."""
    inner = ndimage.binary_erosion(lungs, iterations=2)

    assert -890 < np.median(normal[inner]) < -820
    assert (normal[ndimage.binary_closing(lungs, iterations=3)] > -500).mean() > 0.01


def test_both_lungs_are_there_and_apart(lungs: NDArray[np.bool_]) -> None:
    """Left and right air volumes are of the same order, and the midline between them is solid at the heart."""
    half = lungs.shape[2] // 2
    right, left = lungs[:, :, :half].sum(), lungs[:, :, half:].sum()
    level = lungs[int(0.45 * len(lungs))]

    assert 0.6 < left / right < 1.6
    assert not level[:, half - 2 : half + 2].any(axis=1).all()


def test_the_trachea_is_a_round_hole_of_air_at_the_top(normal: Volume) -> None:
    """Above the lungs the only air inside the body is one small round pocket near the midline, at -1000 HU."""
    top = normal[-1]
    label, _ = ndimage.label(top < -600)
    label[label == label[0, 0]] = 0
    sizes = np.bincount(label[:, 100:156].ravel())[1:]
    pocket = label == int(np.argmax(sizes)) + 1

    assert 60 < pocket.sum() < 260
    assert -1010 < np.median(top[pocket]) < -940
    assert 0.7 < np.ptp(np.nonzero(pocket)[0]) / np.ptp(np.nonzero(pocket)[1]) < 1.4


def test_tissues_have_their_densities(normal: Volume) -> None:
    """Fat, muscle and bone each hold a plausible share of the body."""
    body = normal[normal > -300]

    assert ((body > -130) & (body < -60)).mean() > 0.10
    assert ((body > 0) & (body < 90)).mean() > 0.30
    assert 0.02 < (body > 150).mean() < 0.15


@pytest.mark.parametrize(
    ("finding", "low", "high", "millilitres"),
    [
        (PhantomFinding(_K.EFFUSION, "pleura:right", 0.5), -40, 70, 100),
        (PhantomFinding(_K.CONSOLIDATION, "lower_lobe:right", 0.6), -60, 90, 20),
        (PhantomFinding(_K.GROUND_GLASS, "upper_lobe:right", 0.6), -760, -250, 20),
        (PhantomFinding(_K.NODULE, "upper_lobe:right", 0.6), -60, 90, 1),
        (PhantomFinding(_K.PNEUMOTHORAX, "pleura:right", 0.5), -1024, -940, 100),
    ],
    ids=lambda value: value.kind.name if isinstance(value, PhantomFinding) else "",
)
def test_a_finding_replaces_lung_of_its_side(
    case_of: CaseOf,
    normal: Volume,
    lungs: NDArray[np.bool_],
    finding: PhantomFinding,
    low: int,
    high: int,
    millilitres: int,
) -> None:
    """Lung of the normal twin has become fluid, solid, veiled or empty, on the right side only."""
    volume, spacing = chest_ct.draw(case_of(Modality.CT, finding))

    became = lungs & (volume >= low) & (volume <= high) & ~((normal >= low) & (normal <= high))
    half = volume.shape[2] // 2
    voxel = float(np.prod(spacing)) / 1000

    assert became[:, :, :half].sum() * voxel > millilitres
    assert became[:, :, half:].sum() < 0.25 * became[:, :, :half].sum() + 40


def test_emphysema_empties_the_upper_lung_first(case_of: CaseOf, normal: Volume) -> None:
    """Voxels below -950 HU multiply, and more so in the upper half of the lung."""
    finding = PhantomFinding(_K.EMPHYSEMA, "upper_lobe:bilateral", 0.8)
    volume, _ = chest_ct.draw(case_of(Modality.CT, finding))

    def share(part: Volume) -> float:
        air = part[_inner_air(part)]
        return float((air < -950).mean())

    half = len(volume) // 2

    assert share(volume) > 3 * share(normal)
    assert share(volume[half:]) > 1.3 * share(volume[:half])
