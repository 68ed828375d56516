"""The CT encoder: volume to named measures here, measures to unit vectors in whichever runtime holds the network.

Built by the node; the network and its description lie in triton_models/ct_densitometry/.
"""

import math

import numpy as np

from radir_node.domain.embedding import GLOBAL, Encoded, ModelVersion
from radir_node.domain.study import CtVolume
from radir_node.encoders.ct.features import measure
from radir_node.encoders.ct.grid import resample
from radir_node.encoders.ct.reference import FEATURES, PREPROCESSING
from radir_node.encoders.ct.segmentation import segment
from radir_node.encoders.runtime import Runtime
from radir_node.errors import InvalidSetting


class CtEncoder:
    """Encodes axial chest CT by densitometry: a global vector, one per region, and the measures behind them."""

    def __init__(self, runtime: Runtime, version: ModelVersion) -> None:
        """Raise InvalidSetting when the model expects other measures than this code takes."""
        if version.preprocessing != PREPROCESSING:
            raise InvalidSetting(
                f"model {version.name} expects preparation {version.preprocessing}, not {PREPROCESSING}"
            )
        self.version = version
        self._runtime = runtime

    def encode(self, volume: CtVolume) -> Encoded:
        """Return the vectors and measures of one series. Raises NotIndexable without lungs, EncoderUnavailable."""
        measures = measure(segment(resample(volume)))
        row = np.array([[measures[name] for name in FEATURES]], dtype=np.float32)
        outputs = self._runtime.run({"features": row})
        vectors = {GLOBAL: outputs["global"][0]}
        vectors |= zip(self.version.anatomies, outputs["anatomy"][0], strict=True)
        return Encoded(
            unit_uid=volume.series_instance_uid,
            vectors=vectors,
            features={name: round(measures[name], 4) for name in FEATURES if math.isfinite(measures[name])},
        )

    def close(self) -> None:
        """Release the runtime."""
        self._runtime.close()
