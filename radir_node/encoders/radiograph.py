"""The radiograph encoder: one deterministic preparation of the pixels, then whichever runtime holds the network.

Built by the node; the network and its metadata lie in triton_models/<name>/ (see radir_node.encoders.models).
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radir_node.domain.embedding import GLOBAL, Encoded, ModelVersion
from radir_node.domain.study import Radiograph
from radir_node.encoders.runtime import Runtime
from radir_node.errors import InvalidSetting, NotIndexable

PREPROCESSING = "cxr1"
"""Changes with every change of `prepare`: vectors of different preparations are not comparable."""

SIDE = 128
"""Rows and columns of the network's input."""

_LOW, _HIGH = 1.0, 99.0
_MINIMAL_CONTRAST = 1e-3


def prepare(image: Radiograph) -> NDArray[np.float32]:
    """Return the network's input: float32 [1, SIDE, SIDE] in [0, 1], the whole image, dark padding, aspect kept.

    Intensities are stretched between the 1st and 99th percentile of the pixels that are not collimated away, so that
    neither a burnt-in marker nor the exposure sets the scale. Raises NotIndexable for an image without any contrast.
    """
    pixels = np.nan_to_num(np.asarray(image.pixels, dtype=np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    if pixels.ndim != 2 or min(pixels.shape) < 8:
        raise NotIndexable(f"radiograph has no usable pixel matrix (shape {pixels.shape})")
    small = _resized(pixels)
    exposed = small[small > 0]
    low, high = np.percentile(exposed, (_LOW, _HIGH)) if exposed.size else (0.0, 0.0)
    if high - low < _MINIMAL_CONTRAST:
        raise NotIndexable("radiograph has no contrast")
    stretched = np.clip((small - low) / (high - low), 0.0, 1.0).astype(np.float32)
    square = np.zeros((1, SIDE, SIDE), dtype=np.float32)
    top, left = (SIDE - stretched.shape[0]) // 2, (SIDE - stretched.shape[1]) // 2
    square[0, top : top + stretched.shape[0], left : left + stretched.shape[1]] = stretched
    return square


class CxrEncoder:
    """Encodes frontal radiographs: a global vector, one per anatomy of the model, and where each looked."""

    def __init__(self, runtime: Runtime, version: ModelVersion) -> None:
        """Raise InvalidSetting when the model expects another preparation than this code makes."""
        if version.preprocessing != PREPROCESSING:
            raise InvalidSetting(f"{version.name} expects preparation {version.preprocessing}, not {PREPROCESSING}")
        self.version = version
        self._runtime = runtime

    def encode(self, image: Radiograph) -> Encoded:
        """Return the vectors of one radiograph. Raises NotIndexable, EncoderUnavailable."""
        return self.encode_batch([image])[0]

    def encode_batch(self, images: list[Radiograph]) -> list[Encoded]:
        """Return the vectors of several radiographs in one run of the network. Raises as encode does."""
        outputs = self._runtime.run({"image": np.stack([prepare(image) for image in images])})
        return [
            Encoded(
                unit_uid=image.sop_instance_uid,
                vectors={GLOBAL: outputs["global"][row], **self._by_anatomy(outputs["anatomy"][row])},
                attention=self._by_anatomy(outputs["attention"][row]),
            )
            for row, image in enumerate(images)
        ]

    def close(self) -> None:
        """Release the runtime."""
        self._runtime.close()

    def _by_anatomy(self, values: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        return dict(zip(self.version.anatomies, values, strict=True))


def _resized(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale so that the longer side is SIDE; area-averaging when it shrinks, so that no detail aliases."""
    rows, columns = pixels.shape
    scale = SIDE / max(rows, columns)
    shape = max(1, round(columns * scale)), max(1, round(rows * scale))
    return np.asarray(Image.fromarray(pixels).resize(shape, Image.Resampling.BICUBIC, reducing_gap=3.0), np.float32)
