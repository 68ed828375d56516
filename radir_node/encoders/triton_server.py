"""Runs a real Triton server over the model repository as it lies, on loopback.

Called by `radir triton serve` (foreground), `make demo ARGS="--triton"` and the tests. A production site runs NVIDIA's
container over the same repository instead (triton_models/README.md).
"""

import io
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import structlog
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from radir_node.encoders.models import network_path
from radir_node.encoders.triton import TritonRuntime
from radir_node.encoders.triton_environment import TritonEnvironment, ensure_environment
from radir_node.errors import EncoderUnavailable, InvalidSetting

__all__ = ["Ports", "TritonServer", "ensure_environment", "free_ports", "serve"]

HOST = "127.0.0.1"
TOLERANCE = 1e-4
"""Both sides run the same ONNX Runtime on this CPU; only the batching differs."""

_START_SECONDS = 60.0
_DRAIN_SECONDS = 5
_POLL_SECONDS = 0.1

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the server listens on loopback. Triton has no "any free port": the numbers are fixed before it starts."""

    http: int = 8000
    grpc: int = 8001
    metrics: int = 8002


def free_ports() -> Ports:
    """Ask the operating system for three ports that are free now."""
    sockets = [socket.socket() for _ in range(3)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return Ports(*(each.getsockname()[1] for each in sockets))
    finally:
        for each in sockets:
            each.close()


class TritonServer:
    """A tritonserver child process; inside its `with` block every model of the repository gives the right numbers.

    Start it from a thread that outlives it: the server is told to end when that thread does, so that it is not
    orphaned by a crash.
    """

    def __init__(self, environment: TritonEnvironment, model_repository: Path, ports: Ports | None = None) -> None:
        self.ports = ports or free_ports()
        self.models = installed_models(model_repository)
        self._environment = environment
        self._repository = model_repository.absolute()
        self._shared_memory = f"radir-{uuid.uuid4().hex[:12]}-"
        self._process: subprocess.Popen[bytes] | None = None
        self._messages: IO[bytes] = io.BytesIO()

    @property
    def grpc_url(self) -> str:
        """host:port for TritonRuntime."""
        return f"{HOST}:{self.ports.grpc}"

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        """Start and wait until every model answers as its ONNX file does in process. Raises EncoderUnavailable."""
        _require_free(self.ports)
        self._messages = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._command(),
            env=self._environment.variables(),
            stdin=subprocess.DEVNULL,
            stdout=self._messages,
            stderr=self._messages,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then ends the server in order
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait(self) -> str:
        """Block until the server ends by itself; return the last line it said."""
        if self._process is not None:
            self._process.wait()
        return self._last_message()

    def stop(self) -> None:
        """End the server after the inferences in flight, and remove what it left in shared memory."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(timeout=_DRAIN_SECONDS * 3)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # its backends too
                process.wait()
        self._messages.close()
        for region in Path("/dev/shm").glob(f"{self._shared_memory}*"):
            region.unlink(missing_ok=True)

    def _command(self) -> list[str]:
        setpriv = shutil.which("setpriv")
        command = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        return [
            *command,
            str(self._environment.binary),
            f"--model-repository={self._repository}",
            f"--backend-directory={self._environment.backends}",
            # Models are named one by one, so that no other folder of the repository is taken for a model, and under
            # explicit control, so that a client may reload one whose backend died.
            "--model-control-mode=explicit",
            *(f"--load-model={name}" for name in self.models),
            *(f"--{kind}-address={HOST}" for kind in ("http", "grpc", "metrics")),
            f"--http-port={self.ports.http}",
            f"--grpc-port={self.ports.grpc}",
            f"--metrics-port={self.ports.metrics}",
            f"--backend-config=python,shm-region-prefix-name={self._shared_memory}",
            f"--exit-timeout-secs={_DRAIN_SECONDS}",
            "--log-info=false",
            "--log-warning=false",
        ]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        with closing(InferenceServerClient(self.grpc_url)) as client:
            while not self._says_ready(client):
                if time.monotonic() > deadline:
                    raise EncoderUnavailable(f"Triton is not ready after {_START_SECONDS:.0f} s")
                time.sleep(_POLL_SECONDS)
        for name in self.models:
            with closing(TritonRuntime(self.grpc_url, name, max(1.0, deadline - time.monotonic()))) as runtime:
                runtime.verify(network_path(self._repository / name), TOLERANCE)

    def _says_ready(self, client: InferenceServerClient) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise EncoderUnavailable(f"Triton ended while it started: {self._last_message()}")
        try:
            return bool(client.is_server_ready(client_timeout=1.0))
        except InferenceServerException:
            return False

    def _last_message(self) -> str:
        """Return why the server ended: its line `error: ...` where there is one (a stack may follow), else the last."""
        self._messages.seek(0)
        lines = [line.strip() for line in self._messages.read().decode(errors="replace").splitlines() if line.strip()]
        return next((line for line in lines if line.startswith("error:")), lines[-1] if lines else "it said nothing")


def installed_models(model_repository: Path) -> tuple[str, ...]:
    """Return the names of the folders that hold a configuration and a network. Raises InvalidSetting if none does."""
    names = tuple(
        sorted(
            config.parent.name
            for config in model_repository.glob("*/config.pbtxt")
            if any(config.parent.glob("[0-9]*/model.*"))
        )
    )
    if not names:
        raise InvalidSetting(f"no model in {model_repository}: no folder holds config.pbtxt and 1/model.onnx")
    return names


def serve(
    model_repository: Path,
    environment: Path,
    http_port: int = 8000,
    grpc_port: int = 8001,
    metrics_port: int = 8002,
) -> None:
    """Serve the repository in the foreground until SIGTERM or SIGINT, then end gracefully.

    `environment` is the folder of the server's own virtual environment, made on first use. Raises
    EncoderUnavailable when the server cannot start, or ends by itself.
    """
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        installed = ensure_environment(environment)
        with TritonServer(installed, model_repository, Ports(http_port, grpc_port, metrics_port)) as server:
            log.info("triton.listening", host=HOST, grpc=grpc_port, http=http_port, metrics=metrics_port)
            log.info("triton.models", names=server.models)
            raise EncoderUnavailable(f"Triton ended by itself: {server.wait()}")
    except KeyboardInterrupt:
        log.info("triton.stopped")
    finally:
        signal.signal(signal.SIGTERM, previous)


def _require_free(ports: Ports) -> None:
    """Raise EncoderUnavailable, naming the port, before Triton says it in five lines."""
    for port in (ports.http, ports.grpc, ports.metrics):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise EncoderUnavailable(f"Triton cannot listen on {HOST}:{port}: {error.strerror}") from error
