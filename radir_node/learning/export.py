"""Writes a trained radiograph network as a model folder: 1/model.onnx and model.json, checked against torch.

Called by radir_node.learning.train_cxr.
"""

import json
from pathlib import Path

import numpy as np
import torch

from radir_node.encoders.models import network_path
from radir_node.encoders.onnx import OnnxRuntime
from radir_node.encoders.radiograph import PREPROCESSING, SIDE
from radir_node.errors import RadirError
from radir_node.learning.network import CxrNetwork
from radir_node.learning.relevance import ANATOMIES

LICENCE = "research use only: trained on Open-i images (CC BY-NC-ND 4.0)"
OUTPUTS = ("global", "anatomy", "attention")
_OPSET = 18
_TOLERANCE = 1e-4


def export(network: CxrNetwork, folder: Path) -> None:
    """Write the network and its metadata. Raises RadirError when ONNX Runtime and torch disagree."""
    path = network_path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        network,
        (torch.rand(2, 1, SIDE, SIDE),),
        str(path),
        input_names=["image"],
        output_names=list(OUTPUTS),
        dynamic_shapes={"image": {0: torch.export.Dim("batch", min=1, max=4096)}},
        opset_version=_OPSET,
        external_data=False,
        verbose=False,
    )
    described = {
        "name": folder.name,
        "modality": "CXR",
        "preprocessing": PREPROCESSING,
        "anatomies": list(ANATOMIES),
        "licence": LICENCE,
    }
    (folder / "model.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    apart = disagreement(network, path)
    if not apart <= _TOLERANCE:  # also true of a network that answers NaN
        raise RadirError(f"{path}: ONNX Runtime and torch differ by {apart:.1e}")


def disagreement(network: CxrNetwork, path: Path) -> float:
    """Return the largest difference of any output between torch and ONNX Runtime on a fixed random batch."""
    images = torch.rand(5, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = [value.numpy() for value in network(images)]
    found = OnnxRuntime(path).run({"image": images.numpy()})
    return float(np.max([np.max(np.abs(found[name] - value)) for name, value in zip(OUTPUTS, expected, strict=True)]))
