"""Resampling onto the working grid."""

import numpy as np
import pytest

from radir_node.domain.study import CtVolume
from radir_node.encoders.ct.grid import SPACING_MM, resample
from radir_node.errors import NotIndexable


def _ball(spacing: tuple[float, float, float], centre_mm: tuple[float, float, float]) -> CtVolume:
    """Draw a ball of 40 HU and 30 mm radius in air, in a box of 160 mm."""
    axes = [
        ((np.arange(round(160 / s)) - (round(160 / s) - 1) / 2) * s) - c
        for s, c in zip(spacing, centre_mm, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return CtVolume("1.2", np.where(z**2 + y**2 + x**2 < 30**2, 40, -1000).astype(np.int16), spacing)


@pytest.mark.parametrize("spacing", [(8.0, 0.8, 0.8), (0.6, 1.1, 1.1), (2.5, 2.5, 2.5), (3.0, 0.7, 0.9)])
def test_place_and_size_survive_any_spacing(spacing):
    """The ball keeps its volume within 3 % and its place within half a millimetre, whatever the series' spacing."""
    volume = _ball(spacing, (12.0, -20.0, 25.0))

    share = (resample(volume) + 1000.0) / 1040.0

    indices = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in share.shape), indexing="ij"))
    centre = (indices * share).sum(axis=(1, 2, 3)) / share.sum() * SPACING_MM
    assert pytest.approx(4 / 3 * np.pi * 30**3, rel=0.03) == share.sum() * SPACING_MM**3
    assert pytest.approx([12.0, -20.0, 25.0], abs=0.5) == list(centre)


def test_padding_is_clipped():
    """A padding value below air does not leak into the grid."""
    volume = CtVolume("1.2", np.full((20, 40, 40), -3024, np.int16), (2.0, 2.0, 2.0))

    resampled = resample(volume)

    assert pytest.approx(-1024.0) == resampled.min()
    assert pytest.approx(-1024.0) == resampled.max()


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((1, 64, 64), (5.0, 1.0, 1.0)), ((30, 64, 64), (0.0, 1.0, 1.0)), ((30, 64, 64), (float("nan"), 1.0, 1.0))],
)
def test_no_volume_is_refused_with_a_reason(shape, spacing):
    """A single slice or a spacing that is no length is not indexable."""
    with pytest.raises(NotIndexable, match="not a volume"):
        resample(CtVolume("1.2", np.zeros(shape, np.int16), spacing))


def test_a_wrong_spacing_does_not_take_all_memory():
    """A volume of many metres is refused before anything of that size is allocated."""
    with pytest.raises(NotIndexable, match="not a volume of a patient"):
        resample(CtVolume("1.2", np.zeros((40, 512, 512), np.int16), (5.0, 74.8, 74.8)))
