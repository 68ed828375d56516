"""Lobes by the usual course of the fissures, without seeing them; called by the CT segmentation.

Fissures are thinner than a working voxel, so each is a plane fixed to the lung's own height and depth: the oblique one
from the level of the fourth to fifth thoracic vertebra behind to the front of the diaphragm, the horizontal one at the
fourth rib in front. Their true place differs between people by a centimetre or two, and more with loss of volume.
"""

import numpy as np

from radir_node.encoders.ct.morphology import Mask, span

OBLIQUE = (0.12, 0.70)
"""Height of the oblique fissure in front and how much it rises backwards; shares of the lung's height."""
HORIZONTAL = 0.55
"""Height of the right horizontal fissure, share of the lung's height."""


def lobes(field: Mask, side: str) -> dict[str, Mask]:
    """Return upper_lobe (on the left with the lingula), lower_lobe and, on the right, middle_lobe of one lung."""
    if not field.any():
        names = ("upper_lobe", "middle_lobe", "lower_lobe") if side == "right" else ("upper_lobe", "lower_lobe")
        return dict.fromkeys(names, field)
    bottom, top = span(field, 0)
    front, back = span(field, 1)
    height = ((np.arange(field.shape[0]) - bottom) / (top - bottom))[:, None, None]
    depth = ((np.arange(field.shape[1]) - front) / (back - front))[None, :, None]
    behind = height < OBLIQUE[0] + OBLIQUE[1] * depth
    lower, rest = field & behind, field & ~behind
    if side == "left":
        return {"upper_lobe": rest, "lower_lobe": lower}
    below = height < HORIZONTAL
    return {"upper_lobe": rest & ~below, "middle_lobe": rest & below, "lower_lobe": lower}
