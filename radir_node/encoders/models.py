"""Reads the identity of an installed network from its folder `triton_models/<name>/`.

Called when the node builds its encoders, whichever runtime they use.
"""

import hashlib
import json
from pathlib import Path

from radir_node.domain.embedding import ModelVersion
from radir_node.domain.study import Modality
from radir_node.errors import InvalidSetting

NETWORK = Path("1") / "model.onnx"
"""Where a model folder keeps its network: version 1 of Triton's model repository layout."""


def network_path(folder: Path) -> Path:
    """Return the ONNX file of a model folder."""
    return folder / NETWORK


def model_version(folder: Path) -> ModelVersion:
    """Return the identity of the network in `folder`: model.json plus the SHA-256 of its ONNX file.

    model.json holds name, modality, preprocessing, anatomies (keys, in the order of the output) and licence.
    Raises InvalidSetting, naming the file, when either is absent or malformed.
    """
    description = folder / "model.json"
    try:
        stated = json.loads(description.read_text(encoding="utf-8"))
        digest = hashlib.sha256(network_path(folder).read_bytes()).hexdigest()
        return ModelVersion(
            name=str(stated["name"]),
            modality=Modality(stated["modality"]),
            sha256=digest,
            preprocessing=str(stated["preprocessing"]),
            anatomies=tuple(str(key) for key in stated["anatomies"]),
            licence=str(stated["licence"]),
        )
    except OSError as error:
        raise InvalidSetting(f"no installed model: {error.filename}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidSetting(f"{description}: malformed ({type(error).__name__}: {error})") from error
