"""Fits the starter radiograph network on Open-i and writes it as a model folder.

    python -m radir_node.learning.train_cxr --data DIR --out triton_models/cxr_starter

DIR holds openi/. Fitted on the training and validation studies; the held-out studies are not read.
Takes minutes on two cores.
The hyper-parameters below were chosen on studies of those two parts only (see the model card).
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radir_node.encoders.radiograph import prepare
from radir_node.learning.augment import random_views
from radir_node.learning.export import export
from radir_node.learning.fit import Ridge, compressed
from radir_node.learning.network import DIMENSIONS, CxrNetwork, EdgeTokens, features
from radir_node.learning.openi import OpeniStudy, Part, read_radiograph, read_studies
from radir_node.learning.relevance import ANATOMIES
from radir_node.learning.targets import anatomy_targets, finding_targets, likeness_targets

_BATCH = 128


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What was chosen on validation studies."""

    views: int = 6
    """Views per image: itself and random ones."""
    penalty: float = 3.0
    anatomy_penalty: float = 1.0
    anatomy_dimensions: int = 128
    emptiness: float = 1.0
    seed: int = 0


def train(studies: Sequence[OpeniStudy], chosen: Hyperparameters) -> CxrNetwork:
    """Fit the network to studies; the same studies and seed give the same network."""
    images, owner = _images(studies)
    views = _views(images, chosen)
    mean = views[0].flatten(1).mean(dim=0)
    seen = [features(view, mean) for view in views]
    overall, local = Ridge(seen, chosen.penalty), Ridge(seen, chosen.anatomy_penalty)

    def per_image(targets: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(targets)[owner]

    def conditioned(anatomy: str) -> Tensor:
        targets = anatomy_targets(studies, anatomy, chosen.anatomy_dimensions, chosen.emptiness)
        weights = compressed(local.fit(per_image(targets)), local.gram, chosen.anatomy_dimensions)
        return weights / (seen[0] @ weights).square().sum(dim=1).mean().sqrt()

    half = DIMENSIONS // 2
    network = CxrNetwork(
        mean,
        findings=compressed(overall.fit(per_image(finding_targets(studies))), overall.gram, half),
        likeness=compressed(overall.fit(per_image(likeness_targets(studies, half))), overall.gram, half),
        conditioned=torch.stack([conditioned(name) for name in ANATOMIES]),
    )
    network.eval()
    return network


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, export, say how long it took."""
    parser = argparse.ArgumentParser(description="Fit the starter radiograph network on Open-i.")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds openi/")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    asked = parser.parse_args(arguments)
    started = time.monotonic()
    torch.set_num_threads(2)
    studies = (*read_studies(asked.data, Part.TRAIN), *read_studies(asked.data, Part.VALIDATION))
    network = train(studies, Hyperparameters())
    export(network, asked.out)
    sys.stdout.write(f"{len(studies)} studies, {time.monotonic() - started:.0f} s, written to {asked.out}\n")
    return 0


def _images(studies: Sequence[OpeniStudy]) -> tuple[Tensor, Tensor]:
    """Every frontal image [n, 1, S, S] and the index of its study [n]."""
    prepared, owner = [], []
    for index, study in enumerate(studies):
        for file, size in zip(study.image_files, study.sizes, strict=True):
            prepared.append(prepare(read_radiograph(file, size)))
            owner.append(index)
    return torch.from_numpy(np.stack(prepared)), torch.tensor(owner)


def _views(images: Tensor, chosen: Hyperparameters) -> list[Tensor]:
    """Tokens of the images as they are, then of random views of them."""
    tokens = EdgeTokens()
    generator = torch.Generator().manual_seed(chosen.seed)
    found = [torch.cat([tokens(batch) for batch in images.split(_BATCH)])]
    for _ in range(chosen.views - 1):
        found.append(torch.cat([tokens(random_views(batch, generator)) for batch in images.split(_BATCH)]))
    return found


if __name__ == "__main__":
    raise SystemExit(main())
