"""The encoders as configured: in process or behind the Triton server."""

from collections.abc import Iterator
from contextlib import contextmanager

from radir_node.domain.study import Modality
from radir_node.encoders.ct.encoder import CtEncoder
from radir_node.encoders.models import network_path
from radir_node.encoders.onnx import OnnxRuntime
from radir_node.encoders.radiograph import CxrEncoder
from radir_node.encoders.runtime import Runtime
from radir_node.encoders.triton import TritonRuntime
from radir_node.node.node import MODELS, Node


def _runtime(node: Node, modality: Modality) -> Runtime:
    encoders = node.settings.encoders
    if encoders.runtime == "triton":
        return TritonRuntime(encoders.triton_url, MODELS[modality], encoders.triton_timeout_seconds)
    return OnnxRuntime(network_path(node.model_repository / MODELS[modality]), encoders.threads)


@contextmanager
def radiograph_encoder(node: Node) -> Iterator[CxrEncoder]:
    encoder = CxrEncoder(_runtime(node, Modality.CXR), node.models[Modality.CXR])
    try:
        yield encoder
    finally:
        encoder.close()


@contextmanager
def volume_encoder(node: Node) -> Iterator[CtEncoder]:
    encoder = CtEncoder(_runtime(node, Modality.CT), node.models[Modality.CT])
    try:
        yield encoder
    finally:
        encoder.close()
