"""What an encoder needs of the thing that runs its network: tensors in by name, tensors out by name.

Implemented in process by radir_node.encoders.onnx and over the network by radir_node.encoders.triton.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray


class Runtime(Protocol):
    """Runs one network. The first axis of every tensor is the batch."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return every output of the network by name; raise EncoderUnavailable when it cannot answer now."""
        ...

    def close(self) -> None: ...
