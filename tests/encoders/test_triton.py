"""The Triton runtime and server where things go wrong: the server away, hanging, wrong, or half dead."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient

from radir_node.encoders.models import network_path
from radir_node.encoders.onnx import OnnxRuntime
from radir_node.encoders.triton import TritonRuntime, connect
from radir_node.encoders.triton_config import write_dims
from radir_node.encoders.triton_environment import TritonEnvironment, ensure_environment
from radir_node.encoders.triton_server import Ports, TritonServer, free_ports, installed_models
from radir_node.errors import EncoderUnavailable, InvalidSetting

SERVE = """
import sys
from pathlib import Path
from radir_node.encoders.triton_server import serve
serve(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
"""
IMAGES = {"image": np.random.default_rng(1).random((3, 1, 8, 8), dtype=np.float32)}


def backend_processes(server: TritonServer) -> list[int]:
    """Process ids of the server's children, from /proc."""
    children = Path(f"/proc/{server.pid}/task").glob("*/children")
    return [int(pid) for file in children for pid in file.read_text().split()]


def test_only_models_are_served(small_repository: Path) -> None:
    """Files, stray folders and a model without a network are not taken for models."""
    assert installed_models(small_repository) == ("small",)


def test_empty_repository_is_refused(tmp_path: Path) -> None:
    """A repository without any model is a wrong setting, named."""
    with pytest.raises(InvalidSetting, match=str(tmp_path)):
        installed_models(tmp_path)


def test_environment_is_installed_once(triton_environment: TritonEnvironment) -> None:
    """Asking again for an installed environment changes nothing and takes no time to speak of."""
    before = triton_environment.binary.stat()
    began = time.monotonic()

    again = ensure_environment(triton_environment.folder)

    assert triton_environment == again
    assert before == again.binary.stat()
    assert time.monotonic() - began < 2.0


def test_numpy_of_the_backend_is_old(triton_environment: TritonEnvironment) -> None:
    """The server's environment has numpy 1: with numpy 2 its backend answers zeros and says that it is ready."""
    versions = [path.name for path in triton_environment.packages.glob("numpy-*.dist-info")]

    assert versions == ["numpy-1.26.4.dist-info"]


def test_absent_server_is_one_line() -> None:
    """Nobody listening: EncoderUnavailable at once, naming the address."""
    url = f"127.0.0.1:{free_ports().grpc}"

    with pytest.raises(EncoderUnavailable, match=url) as caught:
        TritonRuntime(url, "small", 5)

    assert "\n" not in str(caught.value)


def test_hanging_server_times_out() -> None:
    """A server that accepts and never answers costs the timeout, not more."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()

        with pytest.raises(EncoderUnavailable):
            TritonRuntime(f"127.0.0.1:{silent.getsockname()[1]}", "small", 0.5)

    assert time.monotonic() - began < 5.0


def test_unknown_model_is_unavailable(small_server: TritonServer) -> None:
    """A model that the server does not serve: EncoderUnavailable with its name."""
    with pytest.raises(EncoderUnavailable, match="model other: NOT_FOUND"):
        TritonRuntime(small_server.grpc_url, "other", 5)


def test_refused_tensors_are_unavailable(small_runtime: TritonRuntime) -> None:
    """Tensors that the model does not take: EncoderUnavailable with the server's reason."""
    with pytest.raises(EncoderUnavailable, match="INVALID_ARGUMENT unexpected inference input"):
        small_runtime.run({"picture": IMAGES["image"]})


def test_closed_runtime_is_unavailable(small_server: TritonServer) -> None:
    """A closed runtime says so instead of hanging."""
    runtime = TritonRuntime(small_server.grpc_url, "small", 5)
    runtime.close()

    with pytest.raises(EncoderUnavailable, match="closed"):
        runtime.run(IMAGES)


def test_concurrent_requests_get_their_own_rows(small_runtime: TritonRuntime, small_repository: Path) -> None:
    """Requests that Triton gathers into one batch are answered each with its own numbers."""
    images = np.random.default_rng(2).random((24, 1, 8, 8), dtype=np.float32)
    expected = OnnxRuntime(network_path(small_repository / "small")).run({"image": images})["global"]

    with ThreadPoolExecutor(8) as pool, closing(InferenceServerClient(small_runtime.url)) as client:
        before = client.get_inference_statistics("small").model_stats[0]
        answers = list(
            pool.map(lambda row: small_runtime.run({"image": images[row : row + 1]})["global"][0], range(24))
        )
        after = client.get_inference_statistics("small").model_stats[0]

    np.testing.assert_allclose(np.stack(answers), expected, atol=1e-5)
    assert after.inference_count - before.inference_count == 24
    assert after.execution_count - before.execution_count < 24


@pytest.mark.requirement("RN-14")
def test_dead_backend_is_found_and_healed(small_server: TritonServer, small_runtime: TritonRuntime) -> None:
    """After kill -9 of the backend process the flags still say ready; the next run notices, reloads and answers."""
    expected = small_runtime.run(IMAGES)["global"]
    for pid in backend_processes(small_server):
        os.kill(pid, signal.SIGKILL)

    with closing(InferenceServerClient(small_server.grpc_url)) as client:
        assert client.is_server_ready()
        assert client.is_model_ready("small")
    healed = small_runtime.run(IMAGES)["global"]

    np.testing.assert_allclose(healed, expected, atol=1e-6)
    assert backend_processes(small_server)


def test_connect_proves_the_network(small_server: TritonServer, small_repository: Path) -> None:
    """The same ONNX file on both sides: connected."""
    with closing(connect(small_server.grpc_url, small_repository / "small", 20)) as runtime:
        assert runtime.run(IMAGES)["global"].shape == (3, 512)


@pytest.mark.requirement("RN-14")
@pytest.mark.parametrize(("output", "reason"), [("global", "differs by"), ("vector", "the installed network")])
def test_connect_refuses_another_network(
    small_server: TritonServer, tmp_path: Path, make_network: Callable[..., bytes], output: str, reason: str
) -> None:
    """A server that computes other numbers, or has other tensors, than the network installed here is refused."""
    installed = network_path(tmp_path / "small")
    installed.parent.mkdir(parents=True)
    installed.write_bytes(make_network(99, output))

    with pytest.raises(EncoderUnavailable, match=reason):
        connect(small_server.grpc_url, tmp_path / "small", 20)


def test_exported_dims_are_written_into_the_configuration(
    tmp_path: Path, make_network: Callable[..., bytes], small_repository: Path
) -> None:
    """After an export the dims in config.pbtxt are the network's, and not one other character changed."""
    good = (small_repository / "small" / "config.pbtxt").read_text()
    network_path(tmp_path).parent.mkdir()
    network_path(tmp_path).write_bytes(make_network(0))
    (tmp_path / "config.pbtxt").write_text(good.replace("[ 1, 8, 8 ]", "[ 3, 99 ]").replace("[ 512 ]", "[7]"))

    write_dims(tmp_path)

    assert (tmp_path / "config.pbtxt").read_text() == good


def test_unnamed_tensor_is_told(tmp_path: Path, make_network: Callable[..., bytes], small_repository: Path) -> None:
    """A network with an output that config.pbtxt does not name is refused, with the tensor's name."""
    network_path(tmp_path).parent.mkdir()
    network_path(tmp_path).write_bytes(make_network(0, "vector"))
    (tmp_path / "config.pbtxt").write_text((small_repository / "small" / "config.pbtxt").read_text())

    with pytest.raises(InvalidSetting, match="tensor vector"):
        write_dims(tmp_path)


def test_taken_port_is_named(triton_environment: TritonEnvironment, small_repository: Path) -> None:
    """A port in use: the start fails with the port's number."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        free = free_ports()
        server = TritonServer(triton_environment, small_repository, Ports(free.http, port, free.metrics))

        with pytest.raises(EncoderUnavailable, match=f"127.0.0.1:{port}"), server:
            pass


def test_broken_network_fails_the_start(triton_environment: TritonEnvironment, tmp_path: Path) -> None:
    """A model that cannot be loaded ends the start with its reason, and nothing is left behind."""
    (tmp_path / "small" / "1").mkdir(parents=True)
    (tmp_path / "small" / "config.pbtxt").write_text('name: "small" backend: "onnxruntime" max_batch_size: 1')
    network_path(tmp_path / "small").write_bytes(b"no network")
    server = TritonServer(triton_environment, tmp_path)

    with pytest.raises(EncoderUnavailable, match=r"Triton ended while it started: .*'small'"), server:
        pass

    assert server.pid is None


def test_serve_ends_gracefully(triton_environment: TritonEnvironment, small_repository: Path) -> None:
    """`serve` answers on the given ports until SIGTERM, then ends with 0, its ports closed and its memory freed."""
    ports = free_ports()
    numbers = [str(ports.http), str(ports.grpc), str(ports.metrics)]
    command = [sys.executable, "-c", SERVE, str(small_repository), str(triton_environment.folder), *numbers]
    shared_before = set(Path("/dev/shm").glob("radir-*"))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if "triton.listening" in line:
            break

    with closing(TritonRuntime(f"127.0.0.1:{ports.grpc}", "small", 20)) as runtime:
        assert runtime.run(IMAGES)["global"].shape == (3, 512)
    process.terminate()
    status = process.wait(30)
    process.stdout.close()

    assert status == 0
    assert str(ports.grpc) in "".join(said)
    assert set(Path("/dev/shm").glob("radir-*")) <= shared_before
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", ports.grpc), 1):
        pass
