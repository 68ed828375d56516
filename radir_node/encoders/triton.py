"""The runtime over a Triton server, by gRPC. Used where the node's setting encoders.runtime is "triton".

Readiness flags are not believed: a model whose backend process died, or whose backend computes zeros, still calls
itself ready. What counts is an inference (`verify`); a dead backend is healed by unloading and loading its model.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import structlog
from numpy.typing import NDArray
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, triton_to_np_dtype

from radir_node.encoders.models import network_path
from radir_node.errors import EncoderUnavailable

TOLERANCE = 1e-2
"""Largest difference between two runs of one network on different hardware; another network's unit vectors of 512
components differ by 0.1 and more."""

log = structlog.get_logger()


class TritonRuntime:
    """Runs one model of a Triton server. One instance may be used from several threads."""

    def __init__(self, url: str, model_name: str, timeout_seconds: float = 30.0) -> None:
        """Connect to `url` (host:port of gRPC) and read the model's tensors and largest batch.

        Raises EncoderUnavailable when the server does not answer in time or does not serve the model.
        """
        self.url = url
        self.model_name = model_name
        self._timeout = timeout_seconds
        self._closed = False
        self._client = InferenceServerClient(url)
        try:
            metadata = self._client.get_model_metadata(model_name, client_timeout=timeout_seconds)
            config = self._client.get_model_config(model_name, client_timeout=timeout_seconds).config
        except InferenceServerException as error:
            self.close()
            raise self._unavailable(error) from error
        self.inputs = {tensor.name: (tensor.datatype, tuple(tensor.shape)) for tensor in metadata.inputs}
        self.outputs = tuple(tensor.name for tensor in metadata.outputs)
        self._largest_batch = max(1, config.max_batch_size)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return every output by name; a batch larger than the model's limit is sent in parts.

        Raises EncoderUnavailable when the server does not answer in time, refuses the tensors, or cannot heal.
        """
        if self._closed:
            raise EncoderUnavailable(f"the connection to Triton at {self.url} is closed")
        rows = max(len(tensor) for tensor in inputs.values())
        parts = [
            self._answer({name: tensor[start : start + self._largest_batch] for name, tensor in inputs.items()})
            for start in range(0, rows, self._largest_batch)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in self.outputs}

    def verify(self, network: Path, tolerance: float = TOLERANCE) -> float:
        """Prove by an inference that the server runs the ONNX file `network`: same tensors, same numbers.

        Returns the largest absolute difference over all outputs. Raises EncoderUnavailable when it exceeds `tolerance`.
        """
        session = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
        inputs, outputs = ({t.name for t in ts} for ts in (session.get_inputs(), session.get_outputs()))
        if (inputs, outputs) != (set(self.inputs), set(self.outputs)):
            raise EncoderUnavailable(
                f"Triton at {self.url}: {self.model_name} maps {sorted(self.inputs)} to {sorted(self.outputs)}, "
                f"the installed network {sorted(inputs)} to {sorted(outputs)}"
            )
        sample = self._sample()
        expected = dict(zip(self.outputs, session.run(list(self.outputs), sample), strict=True))
        served = self.run(sample)
        if any(served[name].shape != expected[name].shape for name in self.outputs):
            raise EncoderUnavailable(
                f"Triton at {self.url}: {self.model_name} answers other shapes than {network.name}"
            )
        difference = max(float(np.max(np.abs(served[name] - expected[name]))) for name in self.outputs)
        if not difference <= tolerance:  # also when it is NaN
            raise EncoderUnavailable(
                f"Triton at {self.url}: {self.model_name} differs by {difference:.2g} from the installed network"
            )
        return difference

    def close(self) -> None:
        """Close the connection; a later run raises EncoderUnavailable."""
        self._closed = True
        self._client.close()

    def _answer(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        try:
            return self._infer(inputs)
        except InferenceServerException as error:
            if "is not healthy" not in str(error.message()):
                raise self._unavailable(error) from error
        try:
            self._reload()
            return self._infer(inputs)
        except InferenceServerException as error:
            raise self._unavailable(error) from error

    def _infer(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        tensors = []
        for name, values in inputs.items():
            tensor = InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
            tensor.set_data_from_numpy(values)
            tensors.append(tensor)
        result = self._client.infer(self.model_name, tensors, client_timeout=self._timeout)
        outputs = {name: result.as_numpy(name) for name in self.outputs}
        empty = [name for name, values in outputs.items() if values is None or values.size == 0]
        if empty:
            raise EncoderUnavailable(f"Triton at {self.url}: {self.model_name} answered without {', '.join(empty)}")
        return outputs

    def _reload(self) -> None:
        """Unload, then load: loading alone leaves a dead backend process in place."""
        log.warning("triton.reload", model=self.model_name, reason="its backend process died")
        self._client.unload_model(self.model_name, client_timeout=self._timeout)
        self._client.load_model(self.model_name, client_timeout=self._timeout)

    def _sample(self) -> dict[str, NDArray[Any]]:
        """One row of fixed numbers in [0, 1) for every input; free dimensions are 1."""
        numbers = np.random.default_rng(0)
        return {
            name: numbers.random([max(1, size) for size in shape]).astype(triton_to_np_dtype(datatype))
            for name, (datatype, shape) in self.inputs.items()
        }

    def _unavailable(self, error: InferenceServerException) -> EncoderUnavailable:
        status = str(error.status() or "").removeprefix("StatusCode.")
        reason = (str(error.message()).splitlines() or [""])[0]
        return EncoderUnavailable(f"Triton at {self.url}, model {self.model_name}: {status} {reason}")


def connect(url: str, folder: Path, timeout_seconds: float = 30.0) -> TritonRuntime:
    """Return the runtime of the model in `folder` (triton_models/<name>), proven to be the network installed there.

    Raises EncoderUnavailable when the server is away, does not serve the model, or serves another one.
    """
    runtime = TritonRuntime(url, folder.name, timeout_seconds)
    try:
        runtime.verify(network_path(folder))
    except BaseException:
        runtime.close()
        raise
    return runtime
