"""A real Triton server from the wheel, started once over the shipped models and once over a small network."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from radir_node.encoders.models import network_path
from radir_node.encoders.onnx import OnnxRuntime
from radir_node.encoders.runtime import Runtime
from radir_node.encoders.triton import TritonRuntime
from radir_node.encoders.triton_environment import TritonEnvironment, ensure_environment
from radir_node.encoders.triton_server import TritonServer
from radir_node.errors import RadirError

SMALL_CONFIG = """
name: "small"
backend: "onnxruntime"
default_model_filename: "model.onnx"
max_batch_size: 8
input [ { name: "image" data_type: TYPE_FP32 dims: [ 1, 8, 8 ] } ]
output [ { name: "global" data_type: TYPE_FP32 dims: [ 512 ] } ]
instance_group [ { count: 1 } ]
dynamic_batching { preferred_batch_size: [ 8 ] max_queue_delay_microseconds: 50000 }
"""


def small_network(seed: int, output: str = "global") -> bytes:
    """One random matrix and a normalisation: image [B, 1, 8, 8] to unit vectors [B, 512]."""
    weights = np.random.default_rng(seed).standard_normal((64, 512), dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["raw"]),
            helper.make_node("LpNormalization", ["raw"], [output], axis=1, p=2),
        ],
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", 512])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="session")
def make_network() -> Callable[..., bytes]:
    """make_network(seed, output="global"): the bytes of a small ONNX file; another seed is another network."""
    return small_network


@pytest.fixture(scope="session")
def triton_environment(repository: Path) -> TritonEnvironment:
    """The installed wheel, kept between runs; the tests skip where it cannot be installed."""
    try:
        return ensure_environment(Path(os.environ.get("RADIR_TRITON_VENV", repository / ".triton-venv")))
    except RadirError as error:
        pytest.skip(f"no Triton server: {error}")


@pytest.fixture(scope="session")
def small_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the model "small" among things that are no models, like the shipped one."""
    root = tmp_path_factory.mktemp("repository")
    (root / "small" / "1").mkdir(parents=True)
    (root / "small" / "config.pbtxt").write_text(SMALL_CONFIG)
    network_path(root / "small").write_bytes(small_network(0))
    (root / "README.md").write_text("not a model")
    (root / "build_engines.py").write_text("print('not a model')")
    (root / "__pycache__").mkdir()
    (root / "untrained" / "1").mkdir(parents=True)
    (root / "untrained" / "config.pbtxt").write_text(SMALL_CONFIG.replace("small", "untrained"))
    return root


@pytest.fixture(scope="session")
def small_server(triton_environment: TritonEnvironment, small_repository: Path) -> Iterator[TritonServer]:
    """A server of the small network alone, which a test may harm."""
    with TritonServer(triton_environment, small_repository) as server:
        yield server


@pytest.fixture
def small_runtime(small_server: TritonServer) -> Iterator[TritonRuntime]:
    with closing(TritonRuntime(small_server.grpc_url, "small", 20)) as runtime:
        yield runtime


@pytest.fixture(scope="session")
def shipped_server(triton_environment: TritonEnvironment, repository: Path) -> Iterator[TritonServer]:
    """A server of the models that come with the node."""
    with TritonServer(triton_environment, repository / "triton_models") as server:
        yield server


@pytest.fixture(scope="session", params=["in process", "triton"])
def runtime_for(request: pytest.FixtureRequest, repository: Path) -> Callable[[str], Runtime]:
    """runtime_for(model name): the shipped network in each of the two runtimes."""
    if request.param == "triton":
        server: TritonServer = request.getfixturevalue("shipped_server")
        return lambda model: TritonRuntime(server.grpc_url, model, 60)
    return lambda model: OnnxRuntime(network_path(repository / "triton_models" / model))
