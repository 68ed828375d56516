"""Keeps a model's config.pbtxt in step with its network. Called by export scripts after they wrote the ONNX file."""

import re
from pathlib import Path

import onnxruntime

from radir_node.encoders.models import network_path
from radir_node.errors import InvalidSetting


def write_dims(folder: Path) -> None:
    """Set the dims of every tensor in `folder`/config.pbtxt to those of its ONNX file, less the batch.

    Everything else in the file stays as it was written. Raises InvalidSetting when a tensor of the network is not named
    there: its batching and type are decisions that no export can take.
    """
    file = folder / "config.pbtxt"
    session = onnxruntime.InferenceSession(str(network_path(folder)), providers=["CPUExecutionProvider"])
    text = file.read_text(encoding="utf-8")
    for tensor in (*session.get_inputs(), *session.get_outputs()):
        dims = ", ".join(str(size if isinstance(size, int) else -1) for size in tensor.shape[1:])
        named = rf'(name: "{re.escape(tensor.name)}"[^{{}}]*dims: )\[[^]]*\]'
        text, count = re.subn(named, rf"\g<1>[ {dims} ]", text)
        if count != 1:
            raise InvalidSetting(f"{file} names the tensor {tensor.name} {count} times")
    file.write_text(text, encoding="utf-8")
