"""Random views of training radiographs: small turns, shifts, stretches and exposures; never a left-right flip.

A flip would exchange the sides that the anatomies name. Called by radir_node.learning.train_cxr.
"""

import torch
from torch import Tensor
from torch.nn import functional as nnf

_TURN = 0.12
_ZOOM = 0.12
_STRETCH = 0.05
_SHIFT = 0.08
_GAMMA = 0.35
_NOISE = 0.02


def random_views(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return one random view of each image [B, 1, S, S] in [0, 1]; limits: 7 degrees, 12 % zoom, 4 % shift."""

    def spread(limit: float, *shape: int) -> Tensor:
        return (torch.rand(len(images), *shape, generator=generator) * 2 - 1) * limit

    turn, zoom, stretch = spread(_TURN), 1 + spread(_ZOOM), 1 + spread(_STRETCH)
    across = torch.stack([turn.cos() * zoom * stretch, -turn.sin() * zoom, spread(_SHIFT)], dim=1)
    down = torch.stack([turn.sin() * zoom, turn.cos() * zoom / stretch, spread(_SHIFT)], dim=1)
    grid = nnf.affine_grid(torch.stack([across, down], dim=1), list(images.shape), align_corners=False)
    moved = nnf.grid_sample(images, grid, align_corners=False).clamp(1e-4, 1.0)
    exposed = moved ** torch.exp(spread(_GAMMA, 1, 1, 1))
    noise = torch.randn(exposed.shape, generator=generator) * _NOISE * spread(1.0, 1, 1, 1).abs()
    return (exposed + noise).clamp(0.0, 1.0)
