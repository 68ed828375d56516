"""The ONNX Runtime backend of a Triton server that has only the Python backend.

Never imported by the node: radir_node.encoders.triton_environment copies this file to `backends/onnxruntime/model.py`
of the server's own environment, where it must do with numpy and onnxruntime. It honours what the models' config.pbtxt
say for NVIDIA's C++ backend of the same name, so the model repository is the same in both servers.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton  # type: ignore[import-not-found]  # exists only inside the server


class TritonPythonModel:
    """One instance of one model. Triton calls initialize once and execute with each dynamic batch."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the network that the model's configuration names; a failure is the model's load error."""
        config = json.loads(args["model_config"])
        network = config["default_model_filename"] or "model.onnx"
        path = Path(args["model_repository"]) / args["model_version"] / network
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]
        self._session = onnxruntime.InferenceSession(str(path), _options(config), providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Run the requests that Triton gathered as one batch, and hand each its own rows."""
        try:
            rows, values = self._run(requests)
        except Exception as error:  # noqa: BLE001 - whatever it is, these requests fail and the process lives
            failed = triton.TritonError(f"{type(error).__name__}: {error}")
            return [triton.InferenceResponse([], failed) for _ in requests]
        parts = [np.split(value, np.cumsum(rows)[:-1]) for value in values]
        return [
            triton.InferenceResponse(
                [triton.Tensor(name, part) for name, part in zip(self._outputs, each, strict=True)]
            )
            for each in zip(*parts, strict=True)
        ]

    def _run(self, requests: list[Any]) -> tuple[list[int], list[Any]]:
        """Return the number of rows of each request and the network's outputs over all of them."""
        tensors = {
            name: [triton.get_input_tensor_by_name(request, name).as_numpy() for request in requests]
            for name in self._inputs
        }
        rows = [len(tensor) for tensor in tensors[self._inputs[0]]]
        return rows, self._session.run(self._outputs, {name: np.concatenate(all_) for name, all_ in tensors.items()})


def _options(config: dict[str, Any]) -> onnxruntime.SessionOptions:
    """Read the thread counts under the names that NVIDIA's backend gives them; one thread where none is named."""
    parameters = config.get("parameters", {})
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", {}).get("string_value", "1"))
    options.inter_op_num_threads = int(parameters.get("inter_op_thread_count", {}).get("string_value", "1"))
    return options
