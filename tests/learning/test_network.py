"""Fitting, and the network written to ONNX. Needs torch, which only training installs."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: learning)")

from radir_node.encoders.models import model_version, network_path  # noqa: E402 - after the check for torch
from radir_node.learning.augment import random_views  # noqa: E402
from radir_node.learning.export import disagreement, export  # noqa: E402
from radir_node.learning.fit import Ridge, compressed  # noqa: E402
from radir_node.learning.network import CxrNetwork  # noqa: E402
from radir_node.learning.relevance import ANATOMIES  # noqa: E402
from radir_node.learning.targets import coordinates  # noqa: E402


@pytest.fixture
def network() -> CxrNetwork:
    """A network of random weights."""
    torch.manual_seed(0)
    return CxrNetwork(
        torch.rand(512), torch.randn(512, 256), torch.randn(512, 256), torch.randn(len(ANATOMIES), 512, 16)
    ).eval()


def test_onnx_answers_as_torch_does(network, tmp_path):
    """The exported file gives torch's numbers, and its folder names the twenty anatomies."""
    folder = tmp_path / "tiny"

    export(network, folder)

    assert disagreement(network, network_path(folder)) < 1e-4
    assert ANATOMIES == model_version(folder).anatomies


def test_image_without_edges_yields_finite_numbers(network):
    """A uniform image has no edge anywhere and still no NaN comes out."""
    outputs = network(torch.full((1, 1, 128, 128), 0.5))

    assert all(bool(torch.isfinite(values).all()) for values in outputs)


def test_anatomy_without_a_readout_of_its_own_leans_on_the_global(network):
    """Where its own readout answers nothing, an anatomy's vector still orders images as the global one does."""
    silent = CxrNetwork(network.mean, network.findings, network.likeness, torch.zeros(len(ANATOMIES), 512, 2)).eval()

    overall, anatomy, _ = silent(torch.rand(4, 1, 128, 128))

    torch.testing.assert_close(anatomy[:, 0] @ anatomy[:, 0].T, overall @ overall.T, atol=0.02, rtol=0)


def test_ridge_recovers_a_linear_map():
    """Without a penalty to speak of, exact targets give their weights back."""
    seen, weights = torch.randn(200, 6, generator=torch.Generator().manual_seed(0)), torch.arange(12.0).view(6, 2)

    fitted = Ridge([seen, seen], penalty=1e-4).fit(seen @ weights)

    torch.testing.assert_close(fitted, weights, atol=1e-3, rtol=1e-3)


def test_compression_keeps_dot_products():
    """Five targets of rank two fit into two dimensions: the predictions' dot products stay."""
    generator = torch.Generator().manual_seed(0)
    seen = torch.randn(50, 6, generator=generator)
    weights = torch.randn(6, 2, generator=generator) @ torch.randn(2, 5, generator=generator)

    short = compressed(weights, seen.T @ seen, 2)

    before, after = seen @ weights, seen @ short
    assert (6, 2) == tuple(short.shape)
    torch.testing.assert_close(after @ after.T, before @ before.T, atol=1e-3, rtol=1e-3)


def test_coordinates_give_the_centred_similarity():
    """Dot products of all coordinates are the similarity less its row and column means."""
    similarity = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    centring = np.eye(3) - 1 / 3

    found = coordinates(similarity, 3)

    np.testing.assert_allclose(found @ found.T, centring @ similarity @ centring, atol=1e-6)


def test_views_are_repeatable_and_not_mirrored():
    """The same seed gives the same views; a bright left half stays on the left."""
    image = torch.zeros(4, 1, 64, 64)
    image[..., :32] = 1.0

    first, second = (random_views(image, torch.Generator().manual_seed(3)) for _ in range(2))

    assert torch.equal(first, second)
    assert bool((first[..., :24].mean(dim=(1, 2, 3)) > first[..., 40:].mean(dim=(1, 2, 3))).all())
