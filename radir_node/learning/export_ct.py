"""Writes triton_models/ct_densitometry: the network that turns CT measures into unit vectors. Nothing is trained.

Run as `python -m radir_node.learning.export_ct [FOLDER]` after any change of radir_node.encoders.ct.reference; the
file is the same bytes on every machine. Graph, per row of measures x (NaN = not measured):

    t = log-compressed or plain x;  y = tanh((t - mean) / scale / 3), 0 where not measured;  y' = [y, 1]
    global = unit(y' G)     anatomy[a] = unit(y'[features of a] W[a])

The rows of G and of each W[a] are orthogonal, so the dot product of two vectors is the weighted cosine of their
standardised measures. The constant 1 is a common direction: two patients near the reference are alike, whatever the
noise in their small deviations.
"""

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from scipy.linalg import hadamard

from radir_node.domain.embedding import DIMENSIONS
from radir_node.domain.study import Modality
from radir_node.encoders.ct.reference import FEATURES, GLOBAL_SHARES, PREPROCESSING, REFERENCES, REGIONS
from radir_node.encoders.onnx import OnnxRuntime
from radir_node.encoders.triton_config import write_dims

NAME = "ct_densitometry"
LICENCE = "Apache-2.0"
COMMON = 0.1
"""Squared weight of the common direction where all measures together have 1: a deviation of one scale in each
measure (tanh(1/3) squared = 0.1) weighs as much, which puts two unrelated patients near a cosine of 0.5."""
SMALLEST_NORM = 1e-12
OPSET = 17
IR_VERSION = 8


@dataclass(frozen=True, slots=True)
class Constants:
    """The arrays of the graph; F measures, A regions, M the most measures of one region plus the common direction."""

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    log: NDArray[np.bool_]
    to_global: NDArray[np.float32]
    """[F + 1, 512]"""
    members: NDArray[np.int64]
    """[A, M] columns of y', short regions padded with the common column."""
    to_region: NDArray[np.float32]
    """[A, M, 512], zero rows where padded."""


def constants() -> Constants:
    """Compute the arrays from the reference table."""
    references = [REFERENCES[name] for name in FEATURES]
    rows = {region: [i for i, name in enumerate(FEATURES) if name.startswith(f"{region}.")] for region in REGIONS}
    weights = np.array([reference.weight for reference in references])
    most = max(map(len, rows.values())) + 1
    members = np.full((len(REGIONS), most), len(FEATURES), np.int64)
    to_region = np.zeros((len(REGIONS), most, DIMENSIONS), np.float32)
    shared = np.zeros(len(FEATURES))
    for index, region in enumerate(REGIONS):
        own = weights[rows[region]] / np.linalg.norm(weights[rows[region]])
        shared[rows[region]] = own * np.sqrt(GLOBAL_SHARES[region])
        members[index, : own.size] = rows[region]
        basis = _orthonormal(own.size + 1, region.partition(":")[0])
        to_region[index, : own.size] = own[:, None] * basis[:-1]
        to_region[index, -1] = np.sqrt(COMMON) * basis[-1]
    shared /= np.linalg.norm(shared)
    everything = np.append(shared, np.sqrt(COMMON))[:, None] * _orthonormal(len(FEATURES) + 1, "global")
    return Constants(
        mean=np.array([reference.mean for reference in references], np.float32),
        scale=np.array([reference.scale for reference in references], np.float32),
        log=np.array([reference.log for reference in references]),
        to_global=everything.astype(np.float32),
        members=members,
        to_region=to_region,
    )


def embed(features: NDArray[np.float32], held: Constants) -> dict[str, NDArray[np.float32]]:
    """Compute in NumPy what the graph computes; features [B, F] -> "global" [B, 512], "anatomy" [B, A, 512]."""
    compressed = np.where(held.log, np.sign(features) * np.log1p(np.abs(features)), features)
    standard = (compressed - held.mean) / held.scale
    y = np.tanh(np.where(np.isnan(standard), 0.0, standard) / 3.0).astype(np.float32)
    y = np.concatenate([y, np.ones((len(y), 1), np.float32)], axis=1)
    return {
        "global": _unit(y @ held.to_global),
        "anatomy": _unit(np.einsum("bam,amd->bad", y[:, held.members], held.to_region)),
    }


def build(held: Constants) -> onnx.ModelProto:
    """Return the checked ONNX model: input "features" [B, F], outputs "global" and "anatomy"."""
    arrays = {
        "mean": held.mean,
        "scale": held.scale,
        "log": held.log,
        "to_global": held.to_global,
        "members": held.members,
        "to_region": held.to_region,
        "one": np.ones(1, np.float32),
        "zero": np.zeros(1, np.float32),
        "three": np.full(1, 3.0, np.float32),
        "smallest": np.full(1, SMALLEST_NORM, np.float32),
    }
    count = len(FEATURES)
    graph = helper.make_graph(
        [*_standardise(), *_project()],
        NAME,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", count])],
        [
            helper.make_tensor_value_info("global", TensorProto.FLOAT, ["batch", DIMENSIONS]),
            helper.make_tensor_value_info("anatomy", TensorProto.FLOAT, ["batch", len(REGIONS), DIMENSIONS]),
        ],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="radir-node")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def export(folder: Path) -> Path:
    """Write 1/model.onnx, model.json and the dims of config.pbtxt in the model's folder; return the network's path."""
    network = folder / "1" / "model.onnx"
    network.parent.mkdir(parents=True, exist_ok=True)
    network.write_bytes(build(constants()).SerializeToString(deterministic=True))
    description = {
        "name": NAME,
        "modality": Modality.CT,
        "preprocessing": PREPROCESSING,
        "anatomies": REGIONS,
        "licence": LICENCE,
    }
    (folder / "model.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    write_dims(folder)
    return network


def _standardise() -> list[onnx.NodeProto]:
    node = helper.make_node
    return [
        node("Abs", ["features"], ["magnitude"]),
        node("Add", ["magnitude", "one"], ["shifted"]),
        node("Log", ["shifted"], ["logarithm"]),
        node("Sign", ["features"], ["sign"]),
        node("Mul", ["sign", "logarithm"], ["signed"]),
        node("Where", ["log", "signed", "features"], ["compressed"]),
        node("Sub", ["compressed", "mean"], ["centred"]),
        node("Div", ["centred", "scale"], ["standard"]),
        node("IsNaN", ["standard"], ["missing"]),
        node("Where", ["missing", "zero", "standard"], ["known"]),
        node("Div", ["known", "three"], ["third"]),
        node("Tanh", ["third"], ["y"]),
    ]


def _project() -> list[onnx.NodeProto]:
    node = helper.make_node
    return [
        node("ReduceMax", ["y"], ["row"], axes=[1], keepdims=1),
        node("Mul", ["row", "zero"], ["nothing"]),
        node("Add", ["nothing", "one"], ["common"]),
        node("Concat", ["y", "common"], ["extended"], axis=1),
        node("MatMul", ["extended", "to_global"], ["global_sum"]),
        *_normalise("global_sum", "global", axis=1),
        node("Gather", ["extended", "members"], ["by_region"], axis=1),
        node("Transpose", ["by_region"], ["region_first"], perm=[1, 0, 2]),
        node("MatMul", ["region_first", "to_region"], ["projected"]),
        node("Transpose", ["projected"], ["anatomy_sum"], perm=[1, 0, 2]),
        *_normalise("anatomy_sum", "anatomy", axis=2),
    ]


def _normalise(source: str, target: str, axis: int) -> list[onnx.NodeProto]:
    return [
        helper.make_node("ReduceL2", [source], [f"{target}_norm"], axes=[axis], keepdims=1),
        helper.make_node("Max", [f"{target}_norm", "smallest"], [f"{target}_divisor"]),
        helper.make_node("Div", [source, f"{target}_divisor"], [target]),
    ]


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, SMALLEST_NORM), dtype=np.float32)


def _orthonormal(count: int, seed: str) -> NDArray[np.float64]:
    """Return `count` orthonormal rows of length 512, chosen by a hash of the seed.

    Rows of a Hadamard matrix with hashed column signs: spread over all dimensions and exact to the bit everywhere,
    which a QR decomposition of random numbers is not. Right and left of one site share the seed.
    """
    order = sorted(range(DIMENSIONS), key=lambda i: hashlib.sha256(f"row {seed} {i}".encode()).digest())
    signs = [1 - 2 * (hashlib.sha256(f"sign {seed} {i}".encode()).digest()[0] & 1) for i in range(DIMENSIONS)]
    return np.asarray(hadamard(DIMENSIONS)[order[:count]] * np.array(signs) / np.sqrt(DIMENSIONS))


def _parity(network: Path) -> float:
    """Return the largest difference between the written network and NumPy on random measures, some missing."""
    random = np.random.default_rng(0)
    held = constants()
    features = (held.mean + held.scale * random.normal(0, 3, (64, len(FEATURES)))).astype(np.float32)
    features[random.random(features.shape) < 0.05] = np.nan
    expected, actual = embed(features, held), OnnxRuntime(network).run({"features": features})
    return float(max(np.abs(expected[name] - actual[name]).max() for name in expected))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("triton_models") / NAME)
    network = export(parser.parse_args().folder)
    print(f"{network}: {network.stat().st_size} bytes, largest difference to NumPy {_parity(network):.1e}")  # noqa: T201 # a script's result


if __name__ == "__main__":
    main()
