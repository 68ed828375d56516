"""The installed network against NumPy and against the script that writes it."""

import numpy as np
import pytest

from radir_node.encoders.ct.reference import FEATURES, REFERENCES, REGIONS
from radir_node.encoders.models import model_version, network_path
from radir_node.encoders.onnx import OnnxRuntime
from radir_node.learning.export_ct import build, constants, embed


@pytest.fixture(scope="module")
def held():
    return constants()


@pytest.fixture(scope="module")
def folder(repository):
    return repository / "triton_models" / "ct_densitometry"


@pytest.fixture(scope="module")
def network(folder) -> OnnxRuntime:
    return OnnxRuntime(network_path(folder))


@pytest.fixture
def features(held):
    random = np.random.default_rng(3)
    rows = (held.mean + held.scale * random.normal(0, 3, (16, len(FEATURES)))).astype(np.float32)
    rows[random.random(rows.shape) < 0.05] = np.nan
    return rows


def test_installed_file_is_what_the_exporter_writes(folder, held):
    """The committed network follows from the reference table, byte for byte."""
    assert network_path(folder).read_bytes() == build(held).SerializeToString(deterministic=True)
    assert REGIONS == model_version(folder).anatomies


def test_network_and_numpy_agree(network, held, features):
    """ONNX Runtime computes what the formula says, also where measures are missing."""
    expected, actual = embed(features, held), network.run({"features": features})

    for name in ("global", "anatomy"):
        assert np.abs(expected[name] - actual[name]).max() < 1e-5
        assert np.linalg.norm(actual[name], axis=-1) == pytest.approx(1.0, abs=1e-5)


def test_a_row_does_not_depend_on_its_batch(network, features):
    """One by one or together, each patient gets the same vectors."""
    together = network.run({"features": features})

    alone = network.run({"features": features[5:6]})

    assert np.abs(together["anatomy"][5] - alone["anatomy"][0]).max() < 1e-6


def test_cosine_is_the_weighted_cosine_of_the_standardised_measures(network):
    """Projection keeps angles: what the network says of two patients can be computed from their measures."""
    names = [name for name in FEATURES if name.startswith("airway.")]
    rows = np.full((2, len(FEATURES)), np.nan, np.float32)
    rows[0, [FEATURES.index(name) for name in names]] = (400.0, 0.6, 10.0, 60.0)
    rows[1, [FEATURES.index(name) for name in names]] = (180.0, 0.8, -10.0, 50.0)

    first, second = network.run({"features": rows})["anatomy"][:, REGIONS.index("airway")]

    weights = np.array([REFERENCES[name].weight for name in names])
    means, scales = (np.array([getattr(REFERENCES[n], what) for n in names]) for what in ("mean", "scale"))
    values = rows[:, [FEATURES.index(name) for name in names]]
    parts = np.c_[weights / np.linalg.norm(weights) * np.tanh((values - means) / scales / 3), [0.1**0.5] * 2]
    expected = parts[0] @ parts[1] / np.linalg.norm(parts[0]) / np.linalg.norm(parts[1])
    assert pytest.approx(expected, abs=1e-5) == first @ second


def test_unrelated_patients_are_spread(network, held):
    """Patients drawn around the reference lie near 0.5 of each other, not all at 0.99, and opposites lie low."""
    random = np.random.default_rng(5)
    plain = held.mean + held.scale * random.normal(0, 1, (60, len(FEATURES)))

    vectors = network.run({"features": plain.astype(np.float32)})["global"]

    cosines = (vectors @ vectors.T)[np.triu_indices(60, 1)]
    assert 0.35 < np.median(cosines) < 0.7
