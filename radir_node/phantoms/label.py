"""The word SYNTHETIC and the side marker, burnt into pixels. Called by both renderers."""

import functools

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from radir_node.domain.phantom import SYNTHETIC


@functools.cache
def text_mask(text: str, height: int) -> NDArray[np.bool_]:
    """Return the text as a mask about height pixels high, in Pillow's own font."""
    font = ImageFont.load_default(size=height)
    left, top, right, bottom = font.getbbox(text)
    picture = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2))
    ImageDraw.Draw(picture).text((1 - left, 1 - top), text, fill=255, font=font)
    return np.asarray(picture) > 110


def burn(
    image: NDArray[np.uint16] | NDArray[np.int16], text: str, corner: tuple[int, int], value: int, height: int = 18
) -> None:
    """Write text into image in place, its top left pixel at corner; negative corners count from the far edges."""
    mask = text_mask(text, height)
    rows, columns = mask.shape
    row = corner[0] if corner[0] >= 0 else image.shape[0] + corner[0] - rows
    column = corner[1] if corner[1] >= 0 else image.shape[1] + corner[1] - columns
    image[row : row + rows, column : column + columns][mask] = value


def burn_synthetic(image: NDArray[np.uint16] | NDArray[np.int16], value: int) -> None:
    """Write SYNTHETIC into the lower left corner of an image in place."""
    burn(image, SYNTHETIC, (-8, 8), value, height=max(12, image.shape[1] // 28))
