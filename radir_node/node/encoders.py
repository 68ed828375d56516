"""The encoders as configured: in process or behind the Triton server."""

from collections.abc import Iterator
from contextlib import contextmanager

from radir_node.domain.study import Modality
from radir_node.encoders.ct.encoder import CtEncoder
from radir_node.encoders.models import network_path
from radir_node.encoders.onnx import OnnxRuntime
from radir_node.encoders.radiograph import CxrEncoder
from radir_node.encoders.runtime import Runtime
from radir_node.encoders.triton import connect
from radir_node.node.node import MODELS, Node


def _runtime(node: Node, modality: Modality) -> Runtime:
    encoders = node.settings.encoders
    folder = node.model_repository / MODELS[modality]
    if encoders.runtime == "triton":
        return connect(encoders.triton_url, folder, encoders.triton_timeout_seconds)
    return OnnxRuntime(network_path(folder), encoders.threads)


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
