"""Finding lungs, sides, zones and the rest of the chest."""

import numpy as np
import pytest

from radir_node.domain.study import CtVolume
from radir_node.encoders.ct.grid import SPACING_MM, VOXEL_ML, resample
from radir_node.encoders.ct.segmentation import Thorax, segment
from radir_node.errors import NotIndexable


@pytest.fixture(scope="module")
def thorax(phantom) -> Thorax:
    return segment(resample(phantom().volume))


def _ml(mask) -> float:
    return float(mask.sum()) * VOXEL_ML


def test_lung_volumes_are_right_within_five_per_cent(phantom, thorax):
    """Both lungs of the drawing are found with their volume."""
    drawn = phantom().lung_ml

    assert pytest.approx(drawn["right"], rel=0.05) == _ml(thorax.fields["right"])
    assert pytest.approx(drawn["left"], rel=0.05) == _ml(thorax.fields["left"])


def test_right_lung_has_the_smaller_x(thorax):
    """x grows towards the patient's left, so the right lung lies at low x and the heart leans to high x."""
    right, left = (np.nonzero(thorax.fields[side])[2].mean() for side in ("right", "left"))

    assert right < thorax.midline < left
    assert np.nonzero(thorax.heart)[2].mean() > thorax.midline


def test_upper_zone_lies_above_lower_zone(thorax):
    """z grows upwards, and the three zones share the lung's height without overlap."""
    zones = [thorax.parts[f"{zone}:right"] for zone in ("lower_zone_base", "mid_zone", "upper_zone")]
    heights = [np.unique(np.nonzero(zone)[0]) for zone in zones]

    assert heights[0].max() < heights[1].min() <= heights[1].max() < heights[2].min()
    assert abs(heights[1].size - heights[2].size) <= 5
    assert _ml(thorax.fields["right"]) == pytest.approx(sum(map(_ml, zones)))


def test_lobes_part_each_lung(thorax):
    """The lower lobe lies behind and below the upper one, and the lobes of a side make up its lung."""
    for side, names in {"right": ("upper", "middle", "lower"), "left": ("upper", "lower")}.items():
        lobes = {name: thorax.parts[f"{name}_lobe:{side}"] for name in names}
        centres = {name: [axis.mean() for axis in np.nonzero(lobe)] for name, lobe in lobes.items()}

        assert np.array_equal(thorax.fields[side], np.logical_or.reduce(list(lobes.values())))
        assert centres["lower"][0] < centres["upper"][0]
        assert centres["lower"][1] > centres["upper"][1]
        assert 0.35 < lobes["lower"].sum() / thorax.fields[side].sum() < 0.6


def test_trachea_and_main_bronchi_do_not_leak(thorax):
    """The lumen found has the drawn size: 9 mm radius, some 80 mm long, and two bronchi; not the lungs."""
    levels = thorax.airway.any(axis=(1, 2))

    assert 20.0 < _ml(thorax.airway) < 60.0
    assert levels.sum() * SPACING_MM > 80.0
    assert not (thorax.airway & (thorax.fields["right"] | thorax.fields["left"])).any()


def test_lungs_that_touch_are_parted(phantom):
    """Lungs joined behind the sternum are cut at the bridge, each within five per cent of its volume."""
    joined = phantom(joined=True)

    thorax = segment(resample(joined.volume))

    for side in ("right", "left"):
        assert pytest.approx(joined.lung_ml[side], rel=0.05) == _ml(thorax.fields[side])


def test_mirrored_patient_swaps_sides(phantom):
    """An effusion drawn on the right is found on the left once the volume is mirrored."""
    volume = phantom(fluid_right_mm=30.0).volume
    mirrored = CtVolume("1.2", np.ascontiguousarray(volume.hu[:, :, ::-1]), volume.spacing_mm)

    straight, swapped = segment(resample(volume)), segment(resample(mirrored))

    assert _ml(straight.layers["right"]) > 100.0 > 20.0 > _ml(straight.layers["left"])
    assert _ml(swapped.layers["left"]) > 100.0 > 20.0 > _ml(swapped.layers["right"])


def test_spine_and_heart_are_where_they_were_drawn(thorax):
    """Spine behind the heart; the heart's volume within a factor of the drawn 480 ml plus the soft mediastinum."""
    assert np.nonzero(thorax.spine)[1].mean() > np.nonzero(thorax.heart)[1].mean()
    assert 350.0 < _ml(thorax.heart) < 1200.0
    assert thorax.hu[thorax.spine].mean() > 100.0


@pytest.mark.parametrize("what", ["body without lungs", "air", "one value", "lungs of 0.2 l"])
def test_no_lungs_is_not_indexable(phantom, what):
    """What holds no plausible lungs is refused with a reason that says so."""
    volume = phantom(without_lungs=True).volume
    if what == "air":
        volume = CtVolume("1.2", np.full_like(volume.hu, -1000), volume.spacing_mm)
    if what == "one value":
        volume = CtVolume("1.2", np.zeros_like(volume.hu), volume.spacing_mm)
    if what == "lungs of 0.2 l":
        volume = CtVolume("1.2", phantom().volume.hu, tuple(0.35 * s for s in volume.spacing_mm))

    with pytest.raises(NotIndexable, match="no lungs found"):
        segment(resample(volume))
