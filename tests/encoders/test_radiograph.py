"""The preparation of radiographs and the shipped network behind its encoder, in process."""

import dataclasses

import numpy as np
import pytest

from radir_node.domain.embedding import DIMENSIONS, GLOBAL
from radir_node.domain.study import Radiograph
from radir_node.encoders.models import model_version, network_path
from radir_node.encoders.onnx import OnnxRuntime
from radir_node.encoders.radiograph import PREPROCESSING, SIDE, CxrEncoder, prepare
from radir_node.errors import InvalidSetting, NotIndexable


def film(rows: int, columns: int, seed: int = 0) -> Radiograph:
    """A smooth random image of that size."""
    down, across = np.mgrid[0:rows, 0:columns] / max(rows, columns)
    waves = np.random.default_rng(seed).uniform(2, 9, (6, 3))
    pixels = sum(np.sin(a * down + b * across + c) for a, b, c in waves)
    return Radiograph(f"1.2.{seed}", "1.2", ((pixels + 6) / 12).astype(np.float32))


@pytest.fixture(scope="module")
def encoder(repository) -> CxrEncoder:
    """The shipped network, in process."""
    folder = repository / "triton_models" / "cxr_starter"
    return CxrEncoder(OnnxRuntime(network_path(folder)), model_version(folder))


@pytest.mark.parametrize("shape", [(700, 500), (500, 700), (64, 64), (128, 128), (3000, 40)])
def test_any_size_becomes_the_input(shape):
    """Any image becomes one square in [0, 1], the same bits every time."""
    first, second = prepare(film(*shape)), prepare(film(*shape))

    assert ((1, SIDE, SIDE), np.float32) == (first.shape, first.dtype)
    assert 0.0 <= first.min() <= first.max() <= 1.0
    np.testing.assert_array_equal(first, second)


def test_aspect_is_kept_by_dark_padding():
    """An image twice as high as wide fills the middle half of the columns."""
    square = prepare(film(400, 200))[0]

    assert 0.0 == square[:, : SIDE // 4].max() == square[:, -SIDE // 4 :].max()
    assert square[:, SIDE // 2].max() > 0.5


def test_exposure_does_not_matter():
    """The same film at another brightness and contrast is prepared the same."""
    image = film(300, 300)
    darker = dataclasses.replace(image, pixels=image.pixels * 0.4 + 0.1)

    np.testing.assert_allclose(prepare(darker), prepare(image), atol=1e-4)


@pytest.mark.parametrize("pixels", [np.zeros((200, 200)), np.full((200, 200), 0.7), np.ones((4, 200)), np.ones(9)])
def test_image_without_content_is_not_indexable(pixels):
    """A blank or degenerate image is refused with a reason rather than encoded as noise."""
    with pytest.raises(NotIndexable, match=r"contrast|pixel matrix"):
        prepare(Radiograph("1.2", "1", pixels.astype(np.float32)))


def test_encoded_has_every_partition(encoder):
    """A unit vector globally and per anatomy, and a map per anatomy that sums to one."""
    found = encoder.encode(film(600, 500))

    assert {GLOBAL, *encoder.version.anatomies} == set(found.vectors)
    assert "1.2.0" == found.unit_uid
    for vector in found.vectors.values():
        assert (DIMENSIONS,) == vector.shape
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
    for values in found.attention.values():
        assert values.min() >= 0.0
        assert values.sum() == pytest.approx(1.0, abs=1e-4)


def test_batch_does_not_change_a_vector(encoder):
    """A film encodes alike alone and among others, and the same bits when repeated."""
    films = [film(300, 280, seed) for seed in range(5)]

    together = encoder.encode_batch(films)
    alone, again = encoder.encode(films[3]), encoder.encode(films[3])

    np.testing.assert_allclose(together[3].vectors[GLOBAL], alone.vectors[GLOBAL], atol=1e-5)
    np.testing.assert_array_equal(alone.vectors[GLOBAL], again.vectors[GLOBAL])
    assert float(together[0].vectors[GLOBAL] @ together[1].vectors[GLOBAL]) < 0.99


def test_model_of_another_preparation_is_refused(encoder):
    """A network fitted to another preparation is not fed with this one."""
    other = dataclasses.replace(encoder.version, preprocessing="cxr0")

    with pytest.raises(InvalidSetting, match=PREPROCESSING):
        CxrEncoder(OnnxRuntime.__new__(OnnxRuntime), other)


def test_absent_and_malformed_models_are_named(tmp_path):
    """A missing or broken model folder is answered with the file at fault."""
    with pytest.raises(InvalidSetting, match=r"model\.onnx"):
        OnnxRuntime(network_path(tmp_path))
    (tmp_path / "1").mkdir()
    network_path(tmp_path).write_bytes(b"not a network")
    (tmp_path / "model.json").write_text("{}", encoding="utf-8")

    with pytest.raises(InvalidSetting, match=r"cannot be loaded"):
        OnnxRuntime(network_path(tmp_path))
    with pytest.raises(InvalidSetting, match=r"model\.json: malformed"):
        model_version(tmp_path)
