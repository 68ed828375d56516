"""What every runtime keeps, in process or behind Triton, for both shipped networks and the encoders over them."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from google.protobuf import text_format
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2

from radir_node.domain.embedding import DIMENSIONS, GLOBAL, Encoded
from radir_node.domain.phantom import FindingKind, PhantomCase, PhantomFinding
from radir_node.domain.study import CtVolume, Modality, Radiograph
from radir_node.encoders.ct.encoder import CtEncoder
from radir_node.encoders.models import model_version, network_path
from radir_node.encoders.onnx import OnnxRuntime
from radir_node.encoders.radiograph import CxrEncoder
from radir_node.encoders.runtime import Runtime
from radir_node.phantoms.archive import render

MODELS = ("cxr_starter", "ct_densitometry")
PARITY = 1e-4
RuntimeFor = Callable[[str], Runtime]


@pytest.fixture(scope="module")
def folders(repository: Path) -> dict[str, Path]:
    return {name: repository / "triton_models" / name for name in MODELS}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def runtime(runtime_for: RuntimeFor, model: str) -> Iterator[Runtime]:
    with closing(runtime_for(model)) as opened:
        yield opened


@pytest.fixture(scope="module")
def config_of(folders: dict[str, Path]) -> Callable[[str], model_config_pb2.ModelConfig]:
    """Read config.pbtxt with Triton's own schema."""
    return lambda name: text_format.Parse((folders[name] / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


@pytest.fixture
def rows(model: str, config_of: Callable[[str], model_config_pb2.ModelConfig]) -> Callable[[int], dict[str, NDArray]]:
    """rows(n): n rows of input for the model, the same numbers each time."""

    def make(count: int) -> dict[str, NDArray]:
        numbers = np.random.default_rng(11)
        return {t.name: numbers.random((count, *t.dims), dtype=np.float32) for t in config_of(model).input}

    return make


def case(modality: Modality) -> PhantomCase:
    finding = PhantomFinding(FindingKind.CONSOLIDATION, "lower_lobe:right", 0.7)
    return PhantomCase(3, 1, 1, modality, "F", dt.date(1960, 1, 1), dt.date(2024, 1, 1), (finding,))


@pytest.fixture(scope="module")
def radiograph() -> Radiograph:
    film = render(case(Modality.CXR)).images[0].astype(np.float32)
    return Radiograph("1.2.3", "1.2", film / film.max())


@pytest.fixture(scope="module")
def volume() -> CtVolume:
    study = render(case(Modality.CT))
    return CtVolume("1.2.4", study.images.astype(np.int16), study.spacing_mm)


@pytest.fixture(scope="module")
def encode(folders: dict[str, Path], radiograph: Radiograph, volume: CtVolume) -> Callable[[str, Runtime], Encoded]:
    """encode(model name, runtime): the phantom of that modality through its encoder."""

    def run(name: str, runtime: Runtime) -> Encoded:
        version = model_version(folders[name])
        if version.modality is Modality.CXR:
            return CxrEncoder(runtime, version).encode(radiograph)
        return CtEncoder(runtime, version).encode(volume)

    return run


@pytest.fixture(scope="module")
def encoded_in_process(folders: dict[str, Path], encode) -> Callable[[str], Encoded]:
    """The phantom of each modality, encoded once in process."""
    return cache(lambda name: encode(name, OnnxRuntime(network_path(folders[name]))))


def test_config_agrees_with_network(model: str, folders: dict[str, Path], config_of) -> None:
    """Names, types and shapes of config.pbtxt are those of the ONNX file, and its anatomies those of model.json."""
    config = config_of(model)
    session = onnxruntime.InferenceSession(network_path(folders[model]))
    anatomies = len(model_version(folders[model]).anatomies)

    def of_network(tensors) -> dict[str, list[int]]:
        return {tensor.name: tensor.shape[1:] for tensor in tensors}

    assert config.name == model
    assert config.backend == "onnxruntime"
    assert {t.name: list(t.dims) for t in config.input} == of_network(session.get_inputs())
    assert {t.name: list(t.dims) for t in config.output} == of_network(session.get_outputs())
    assert {t.data_type for t in (*config.input, *config.output)} == {model_config_pb2.TYPE_FP32}
    assert {t.type for t in (*session.get_inputs(), *session.get_outputs())} == {"tensor(float)"}
    assert of_network(session.get_outputs())["anatomy"] == [anatomies, DIMENSIONS]


def test_outputs_are_those_of_the_configuration(runtime: Runtime, model: str, rows, config_of) -> None:
    """Every output arrives by name, one row per input row, float32."""
    outputs = runtime.run(rows(3))

    assert {t.name: (3, *t.dims) for t in config_of(model).output} == {n: v.shape for n, v in outputs.items()}
    assert {np.dtype(np.float32)} == {values.dtype for values in outputs.values()}


def test_vectors_have_norm_one(runtime: Runtime, rows) -> None:
    """The global vector and each conditioned one are unit vectors."""
    outputs = runtime.run(rows(4))

    for name in ("global", "anatomy"):
        np.testing.assert_allclose(np.linalg.norm(outputs[name], axis=-1), 1.0, atol=1e-5)


def test_same_input_gives_same_bits(runtime: Runtime, rows) -> None:
    """A repeated run answers bit for bit the same."""
    first, second = runtime.run(rows(2)), runtime.run(rows(2))

    for name, values in first.items():
        np.testing.assert_array_equal(second[name], values)


def test_rows_do_not_touch_each_other(runtime: Runtime, rows) -> None:
    """A row's numbers do not depend on the batch it came in, even beyond the largest batch that Triton takes."""
    many = rows(37)
    together = runtime.run(many)

    for row in (0, 20, 36):
        alone = runtime.run({name: values[row : row + 1] for name, values in many.items()})
        for name, values in alone.items():
            np.testing.assert_allclose(together[name][row], values[0], atol=1e-5)


def test_close_may_be_repeated(runtime_for: RuntimeFor, model: str) -> None:
    """Closing a closed runtime is harmless."""
    opened = runtime_for(model)

    opened.close()
    opened.close()


@pytest.mark.requirement("RN-14")
def test_numbers_are_those_of_the_process(runtime: Runtime, model: str, rows, folders) -> None:
    """Whichever runtime, the numbers are those of the ONNX file in process."""
    expected = OnnxRuntime(network_path(folders[model])).run(rows(5))

    outputs = runtime.run(rows(5))

    assert expected.keys() == outputs.keys()
    for name, values in expected.items():
        assert np.max(np.abs(outputs[name] - values)) < PARITY


@pytest.mark.requirement("RN-14")
def test_encoder_yields_every_partition(runtime: Runtime, model: str, encode, encoded_in_process, folders) -> None:
    """An encoded phantom has a global vector and one per anatomy of the model, equal to those made in process."""
    expected = encoded_in_process(model)

    encoded = encode(model, runtime)

    assert {GLOBAL, *model_version(folders[model]).anatomies} == set(encoded.vectors)
    assert expected.unit_uid == encoded.unit_uid
    for key, vector in encoded.vectors.items():
        assert vector.shape == (DIMENSIONS,)
        assert abs(float(np.linalg.norm(vector)) - 1.0) < 1e-5
        assert np.max(np.abs(vector - expected.vectors[key])) < PARITY


def test_attention_is_a_distribution(runtime_for: RuntimeFor, encode, folders) -> None:
    """Where the radiograph network looked: one map per anatomy, non-negative, sum one."""
    with closing(runtime_for("cxr_starter")) as runtime:
        maps = encode("cxr_starter", runtime).attention

    assert set(model_version(folders["cxr_starter"]).anatomies) == set(maps)
    for values in maps.values():
        assert values.min() >= 0.0
        assert abs(float(values.sum()) - 1.0) < 1e-4
