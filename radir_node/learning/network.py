"""The small radiograph network: a token map of oriented edges and an anatomy-conditioned readout of it.

Tokens: the image is cut into 8 x 8 cells, each described by how strongly edges of eight directions run through it,
relative to the neighbourhood (no learnt parameters, so no data is spent on learning edges). Readout: for the whole
image and for each anatomy one linear map of the tokens, fitted in closed form (radir_node.learning.fit). How much
each cell contributes to an anatomy's vector is its attention. Used by training and export only.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

DIMENSIONS = 512
CELLS = 8
"""Cells per side of the token map."""
DIRECTIONS = 8
LIKENESS_WEIGHT = 0.7
"""Length of the likeness half of the global vector beside that of the findings half."""
GLOBAL_SHARE = 0.2
"""Share of the global readout in an anatomy's vector where the anatomy's own readout is of its usual length."""
_FLOOR = 0.05
_TINY = 1e-6  # the ONNX exporter drops an addition of 1e-8 as if it were zero


class EdgeTokens(nn.Module):  # type: ignore[misc] # torch is untyped here
    """Image [B, 1, S, S] in [0, 1] -> tokens [B, DIRECTIONS, CELLS, CELLS]; S a multiple of 4 * CELLS."""

    def forward(self, image: Tensor) -> Tensor:
        half = nnf.avg_pool2d(image, 2)
        across = nnf.pad(half[..., 2:] - half[..., :-2], (1, 1))
        down = nnf.pad(half[..., 2:, :] - half[..., :-2, :], (0, 0, 1, 1))
        strength = (across.square() + down.square() + _TINY).sqrt()
        angles = [2 * math.pi * step / DIRECTIONS for step in range(DIRECTIONS)]
        shares = [
            nnf.relu((math.cos(angle) * across + math.sin(angle) * down) / strength).square().square() * strength
            for angle in angles
        ]
        fine = nnf.avg_pool2d(torch.cat(shares, dim=1), half.shape[-1] // (2 * CELLS))
        around = nnf.avg_pool2d(fine.square().sum(dim=1, keepdim=True), 3, 1, 1).sqrt() + _FLOOR
        return nnf.avg_pool2d(fine / around, 2)


def features(tokens: Tensor, mean: Tensor) -> Tensor:
    """Flatten tokens to [B, DIRECTIONS * CELLS * CELLS], centred on the training mean, norm 1."""
    return nnf.normalize(tokens.flatten(1) - mean, dim=-1)


class CxrNetwork(nn.Module):  # type: ignore[misc] # torch is untyped here
    """Image [B, 1, S, S] -> global [B, 512], anatomy [B, A, 512], attention [B, A, CELLS, CELLS].

    mean: [F]; findings and likeness: [F, 256], the halves of the global readout, columns by falling weight;
    conditioned: [A, F, K], K even and < 512, each anatomy's own readout, its mean square length over the training
    studies 1. An anatomy's vector is that beside the leading columns of the global halves: few studies have a finding
    at a given anatomy, and what is alike elsewhere steadies their order.
    """

    def __init__(self, mean: Tensor, findings: Tensor, likeness: Tensor, conditioned: Tensor) -> None:
        super().__init__()
        self.tokens = EdgeTokens()
        self.mean = nn.Parameter(mean, requires_grad=False)
        self.findings = nn.Parameter(findings, requires_grad=False)
        self.likeness = nn.Parameter(likeness, requires_grad=False)
        self.conditioned = nn.Parameter(conditioned, requires_grad=False)
        # Length of each feature's row in an anatomy's readout: what a unit of it adds to that vector.
        self.leverage = nn.Parameter(conditioned.norm(dim=2), requires_grad=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen = features(self.tokens(image), self.mean)
        findings, likeness = seen @ self.findings, seen @ self.likeness
        anatomy = self._anatomy(seen, findings, likeness)
        return _joined(findings, likeness), anatomy, self._attention(seen)

    def _anatomy(self, seen: Tensor, findings: Tensor, likeness: Tensor) -> Tensor:
        """Own readout and global one side by side; the root of its length lets a clear finding outweigh the global."""
        read = torch.einsum("bf,afk->bak", seen, self.conditioned)
        own = read / read.norm(dim=-1, keepdim=True).clamp(min=_TINY).sqrt()
        rest = (DIMENSIONS - read.shape[-1]) // 2
        overall = _joined(findings[:, :rest], likeness[:, :rest])[:, None].expand(-1, read.shape[1], -1)
        parts = [math.sqrt(1 - GLOBAL_SHARE) * own, math.sqrt(GLOBAL_SHARE) * overall]
        return nnf.normalize(torch.cat(parts, dim=-1), dim=-1)

    def _attention(self, seen: Tensor) -> Tensor:
        """Share of each cell in an anatomy's vector: the length of its tokens' contributions, sum 1."""
        pull = (seen[:, None, :] * self.leverage[None]).square()
        cells = pull.reshape(-1, self.leverage.shape[0], DIRECTIONS, CELLS, CELLS).sum(dim=2).sqrt()
        return cells / cells.sum(dim=(2, 3), keepdim=True).clamp(min=_TINY)


def _joined(findings: Tensor, likeness: Tensor) -> Tensor:
    """Return the two halves of the global readout [B, K] as one unit vector [B, 2 K]."""
    halves = [nnf.normalize(findings, dim=-1), LIKENESS_WEIGHT * nnf.normalize(likeness, dim=-1)]
    return nnf.normalize(torch.cat(halves, dim=-1), dim=-1)
