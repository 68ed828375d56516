"""Named measures answer to the finding they are named for, and only there."""

import pytest

from radir_node.encoders.ct.features import measure
from radir_node.encoders.ct.grid import resample
from radir_node.encoders.ct.reference import FEATURES
from radir_node.encoders.ct.segmentation import segment

ZONES = [f"{zone}:{side}" for zone in ("upper_zone", "mid_zone", "lower_zone_base") for side in ("right", "left")]


@pytest.fixture(scope="module")
def measures(phantom):
    return lambda **changes: measure(segment(resample(phantom(**changes).volume)))


@pytest.fixture(scope="module")
def usual(measures) -> dict[str, float]:
    return measures()


def test_every_feature_of_the_network_is_measured_and_no_other(usual):
    """The reference table and the measures name the same features."""
    assert sorted(FEATURES) == sorted(usual)


def test_emphysema_raises_laa950_in_its_zone_only(measures, usual):
    """Bullae drawn in the right upper zone are counted there and in the lungs that hold it."""
    diseased = measures(holes=(((75.0, 0.0, -70.0), 34.0),))

    raised = {zone for zone in ZONES if diseased[f"{zone}.laa950_percent"] > usual[f"{zone}.laa950_percent"] + 1.0}
    assert {"upper_zone:right"} == raised
    assert diseased["lung:right.laa950_percent"] > 1.0 > 0.1 > diseased["lung:left.laa950_percent"]
    assert diseased["lung.upper_minus_lower_laa950_percent"] > 1.0


def test_ground_glass_and_consolidation_fall_into_their_bins(measures, usual):
    """A ball of -600 HU is ground glass, one of 20 HU is dense tissue, each in its own zone."""
    diseased = measures(blobs=(((60.0, 0.0, 75.0), (25.0,) * 3, -600.0), ((-30.0, 10.0, -85.0), (25.0,) * 3, 20.0)))

    assert diseased["upper_zone:left.ground_glass_percent"] > 5.0 + usual["upper_zone:left.ground_glass_percent"]
    assert diseased["upper_zone:left.dense_percent"] == pytest.approx(usual["upper_zone:left.dense_percent"], abs=0.3)
    assert diseased["lung:right.dense_percent"] > 2.0 + usual["lung:right.dense_percent"]
    assert diseased["lung:left.dense_percent"] == pytest.approx(usual["lung:left.dense_percent"], abs=0.3)


def test_fluid_behind_the_right_lung_is_a_right_pleural_layer(measures, usual):
    """An effusion is measured as layer of the density of fluid, on its side."""
    diseased = measures(fluid_right_mm=30.0)

    assert diseased["pleura:right.layer_ml"] > 100.0 > usual["pleura:right.layer_ml"]
    assert diseased["pleura:left.layer_ml"] < 20.0
    assert pytest.approx(8.0, abs=25.0) == diseased["pleura:right.layer_hu"]


def test_pneumothorax_is_free_air_and_not_emphysema(measures):
    """Pure air in front of the left lung is free air there and leaves LAA-950 of the lung low."""
    diseased = measures(blobs=(((30.0, -75.0, 75.0), (60.0, 25.0, 60.0), -1000.0),))

    assert diseased["pleura:left.free_air_ml"] > 50.0
    assert 0.0 == diseased["pleura:right.free_air_ml"]
    assert diseased["lung:left.laa950_percent"] < 3.0


def test_larger_heart_has_a_larger_cardiothoracic_ratio(measures, usual):
    """Width and ratio grow with the drawn heart."""
    diseased = measures(heart_scale=1.3)

    assert diseased["heart.width_mm"] > usual["heart.width_mm"] + 10.0
    assert diseased["heart.ctr"] > usual["heart.ctr"] + 0.03


def test_measures_have_the_drawn_values(usual):
    """Density of lung and vertebra, area of the trachea and width of the chest are those of the drawing."""
    assert pytest.approx(-850.0, abs=15.0) == usual["lung.p50_hu"]
    assert pytest.approx(170.0, abs=25.0) == usual["thoracic_spine.trabecular_hu"]
    assert pytest.approx(254.0, rel=0.25) == usual["airway.tracheal_area_mm2"]
    assert pytest.approx(344.0, abs=8.0) == usual["chest_wall.body_width_mm"]
