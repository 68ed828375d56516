"""Fits linear readouts of image features in closed form (ridge regression). Called by radir_node.learning.train_cxr."""

from collections.abc import Sequence

import torch
from torch import Tensor


class Ridge:
    """Normal equations over several views of the same studies, factorised once and solved for any targets."""

    def __init__(self, views: Sequence[Tensor], penalty: float) -> None:
        """views: each [n, F], row i of every view showing the same study; penalty in units of one squared feature."""
        gram = sum((view.T @ view for view in views), torch.zeros(views[0].shape[1], views[0].shape[1])) / len(views)
        self.gram = gram
        self._mean_view = torch.stack(list(views)).mean(dim=0)
        self._factor = torch.linalg.cholesky(gram + penalty * torch.eye(len(gram)))

    def fit(self, targets: Tensor) -> Tensor:
        """Return weights [F, T] that map features to targets [n, T]."""
        weights: Tensor = torch.cholesky_solve(self._mean_view.T @ targets, self._factor)
        return weights


def compressed(weights: Tensor, gram: Tensor, dimensions: int) -> Tensor:
    """Rotate weights [F, T] to [F, dimensions] so that dot products of what they predict change least."""
    _, vectors = torch.linalg.eigh(weights.T @ gram @ weights)
    kept = vectors.flip(1)[:, :dimensions]
    short = dimensions - kept.shape[1]
    return torch.nn.functional.pad(weights @ kept, (0, max(0, short)))
