"""The CT encoder on drawn and on real series."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dicom_services.objects.header import read_header
from dicom_services.objects.study import prepare_study
from radir_node.domain.embedding import DIMENSIONS, GLOBAL
from radir_node.domain.study import InstanceHeader
from radir_node.encoders.ct.encoder import CtEncoder
from radir_node.encoders.ct.reference import REGIONS
from radir_node.errors import InvalidSetting, NotIndexable

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR UI")  # one real series has GUIDs

CONSOLIDATION = (((-48.0, 35.0, -80.0), (28.0, 32.0, 38.0), 20.0),)
"""In the lower zone of the right lung."""
ALIKE = (((-44.0, 30.0, -78.0), (30.0, 30.0, 34.0), 30.0),)
MIRRORED = (((-48.0, 35.0, 84.0), (28.0, 32.0, 38.0), 20.0),)


def _cosine(one, other, anatomy: str) -> float:
    return float(one.vectors[anatomy] @ other.vectors[anatomy])


@pytest.mark.requirement("RN-13")
def test_vectors_are_unit_and_named_by_the_model(healthy, phantom):
    """A global vector and one per region, 512 numbers of norm 1, under the series' UID."""
    assert {GLOBAL, *REGIONS} == set(healthy.vectors)
    assert phantom().volume.series_instance_uid == healthy.unit_uid
    for vector in healthy.vectors.values():
        assert (DIMENSIONS,) == vector.shape
        assert np.float32 == vector.dtype
        assert pytest.approx(1.0, abs=1e-5) == np.linalg.norm(vector)


@pytest.mark.requirement("RN-13")
def test_the_same_volume_gives_the_same_bits(encoder, phantom, healthy):
    """Encoding is deterministic."""
    again = encoder.encode(phantom().volume)

    assert healthy.features == again.features
    assert all(np.array_equal(vector, again.vectors[key]) for key, vector in healthy.vectors.items())


def test_measures_are_readable(healthy):
    """The measures shown to people carry names, and only values that could be taken."""
    assert {"lung.laa950_percent", "lung.volume_l", "heart.ctr"} <= set(healthy.features)
    assert all(np.isfinite(value) for value in healthy.features.values())


@pytest.mark.requirement("RN-13")
def test_slice_thickness_and_pixel_size_hardly_matter(encoder, phantom):
    """1.25 mm slices with more noise and 5 mm slices with other pixels of one chest stay above a cosine of 0.97."""
    lesion = {"blobs": CONSOLIDATION}
    thin = encoder.encode(phantom(spacing=(1.25, 1.6, 1.6), noise_hu=40.0, **lesion).volume)
    thick = encoder.encode(phantom(spacing=(5.0, 1.2, 1.2), noise_hu=15.0, **lesion).volume)

    cosines = {anatomy: round(_cosine(thin, thick, anatomy), 3) for anatomy in (GLOBAL, *REGIONS)}
    assert min(cosines[GLOBAL], cosines["lung"], *(cosines[key] for key in REGIONS if "_zone" in key)) > 0.97, cosines
    assert min(cosines.values()) > 0.9, cosines


@pytest.mark.requirement("RN-13")
def test_a_finding_changes_the_ranking_of_its_anatomy_only(encoder, phantom, healthy):
    """With consolidation in the right base, right base ranks another right consolidation first, left base does not."""
    query = encoder.encode(phantom(blobs=CONSOLIDATION).volume)
    archive = {
        "healthy": healthy,
        "alike": encoder.encode(phantom(blobs=ALIKE, heart_scale=1.1).volume),
        "mirrored": encoder.encode(phantom(blobs=MIRRORED).volume),
    }

    right = {name: _cosine(query, case, "lower_zone_base:right") for name, case in archive.items()}
    left = {name: _cosine(query, case, "lower_zone_base:left") for name, case in archive.items()}
    assert "alike" == max(right, key=right.get)
    assert right["alike"] > right["healthy"] + 0.15
    assert right["alike"] > right["mirrored"] + 0.15
    assert left["alike"] > 0.97
    assert left["healthy"] > 0.97
    assert "mirrored" == min(left, key=left.get)


def test_a_model_of_another_preparation_is_refused(encoder):
    """Vectors of two preparations are not comparable, so the mismatch is an invalid setting."""
    version = replace(encoder.version, preprocessing="ct-other")

    with pytest.raises(InvalidSetting, match="ct-other"):
        CtEncoder(encoder._runtime, version)


def _stored(series: Path, donor: InstanceHeader) -> list[tuple[Path, InstanceHeader]]:
    """Read a series' headers; the one with GUIDs where UIDs belong borrows valid ones, for its pixels are meant."""
    stored = []
    for number, path in enumerate(sorted(series.glob("*.dcm"))):
        try:
            stored.append((path, read_header(path)))
        except NotIndexable:
            stored.append((path, replace(donor, sop_instance_uid=f"1.2.3.{number}", series_instance_uid="1.2.3")))
    return stored


@pytest.fixture(scope="module")
def real_series(shared_data, encoder):
    """The four real chest CT series, encoded."""
    folder = shared_data / "covid_ct_md"
    if not folder.is_dir():
        pytest.skip(f"no real CT: {folder} is not a folder")
    donor = read_header(next((folder / "normal001").glob("*.dcm")))
    encoded = {}
    for series in sorted(path for path in folder.iterdir() if path.is_dir()):
        (volume,) = prepare_study(_stored(series, donor)).volumes
        encoded[series.name] = encoder.encode(volume)
    return encoded


def test_real_series_are_encoded_with_plausible_measures(real_series):
    """Four real series give lungs, a heart, a trachea and a spine within what adults have."""
    assert 4 == len(real_series)
    for encoded in real_series.values():
        assert 2.0 < encoded.features["lung.volume_l"] < 8.0
        assert 0.44 < encoded.features["lung:right.volume_l"] / encoded.features["lung.volume_l"] < 0.62
        assert -900.0 < encoded.features["lung.mean_hu"] < -700.0
        assert 0.3 < encoded.features["heart.ctr"] < 0.6
        assert 60.0 < encoded.features["airway.tracheal_area_mm2"] < 500.0
        assert 90.0 < encoded.features["thoracic_spine.trabecular_hu"] < 300.0


def test_covid_pneumonia_has_more_opacity_than_normal_lungs(real_series):
    """Ground glass and consolidation of the COVID-19 case exceed both normal cases, as in its reading."""

    def opacity(name: str) -> float:
        names = ("ground_glass_percent", "mixed_percent", "dense_percent")
        return sum(real_series[name].features[f"lung.{measure}"] for measure in names)

    assert opacity("P001") > 1.25 * max(opacity("normal001"), opacity("normal002"))
    assert opacity("cap001") > 1.25 * max(opacity("normal001"), opacity("normal002"))


def test_normal_cases_find_each_other_first(real_series):
    """Of the other three, the nearest to a normal case by its right base is never the pneumonia of cap001."""
    for name in ("normal001", "normal002"):
        others = {key: _cosine(real_series[name], case, "lower_zone_base:right") for key, case in real_series.items()}
        del others[name]
        assert "cap001" == min(others, key=others.get)
