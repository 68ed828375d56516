"""The in-process runtime: ONNX Runtime on the CPU. The default of the node, and what tests and evaluation use."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from radir_node.errors import EncoderUnavailable, InvalidSetting


class OnnxRuntime:
    """Runs one ONNX file on the CPU with a fixed number of threads, so that a repeated call gives the same bits."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Load the file. Raises InvalidSetting when it is absent or is no ONNX network."""
        if not path.is_file():
            raise InvalidSetting(f"no network at {path}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a dozen private classes for one broken file
            raise InvalidSetting(f"{path} cannot be loaded: {type(error).__name__}") from error
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return every output by name; inputs must have the names, types and shapes of the network."""
        try:
            values = self._session.run(self._outputs, dict(inputs))
        except (RuntimeError, MemoryError) as error:
            raise EncoderUnavailable(f"the in-process network failed: {type(error).__name__}") from error
        return dict(zip(self._outputs, values, strict=True))

    def close(self) -> None:
        """Nothing is held outside the process."""
