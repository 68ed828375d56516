"""The one shape every encoder has, in process or behind Triton. Contract suite: tests/encoders/test_contract.py."""

from typing import Protocol

from radir_node.domain.embedding import Encoded, ModelVersion
from radir_node.domain.study import CtVolume, Radiograph


class RadiographEncoder(Protocol):
    """Turns a frontal radiograph into a global and anatomy-conditioned unit vectors."""

    version: ModelVersion

    def encode(self, image: Radiograph) -> Encoded:
        """Raise EncoderUnavailable when the runtime is away, NotIndexable when the image cannot be encoded."""
        ...

    def close(self) -> None: ...


class VolumeEncoder(Protocol):
    """Turns an axial chest CT into a global and anatomy-conditioned unit vectors."""

    version: ModelVersion

    def encode(self, volume: CtVolume) -> Encoded:
        """Raise EncoderUnavailable when the runtime is away, NotIndexable when no lungs are found."""
        ...

    def close(self) -> None: ...
