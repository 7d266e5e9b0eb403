"""The ways in which other programs bring an image to the size of their network.

    area          OpenCV INTER_AREA: the mean of what a pixel covers (TensorFlow's "area")
    bilinear      of the four neighbours, however much the image shrinks: tf.image.resize, Keras, TFLite, OpenCV INTER_LINEAR
    antialias     bilinear over all that a pixel covers: Pillow, torchvision, tf.image.resize(antialias=True)
    bicubic       of the sixteen neighbours: OpenCV INTER_CUBIC
    nearest       the pixel under the middle: Pillow, Keras, tf.image.resize

Each gives whole numbers from 0 to 255, rounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Names of the ways.
METHODS = ("area", "bilinear", "antialias", "bicubic", "nearest")


def resize(image: NDArray[np.uint8], size: tuple[int, int], method: str) -> NDArray[np.uint8]:
    """Resize an image (h, w) or (h, w, channels) uint8 to `size`, height and width, by one of METHODS."""
    import cv2

    if image.shape[:2] == size:
        return image
    if method == "antialias":
        return _antialias(image, size)
    flag = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC,
            "nearest": cv2.INTER_NEAREST_EXACT}[method]  # fmt: skip
    # With integers OpenCV rounds the weights of the neighbours, too.
    values = image.astype(np.float32) if method in ("bilinear", "bicubic") else image
    found: NDArray = cv2.resize(values, (size[1], size[0]), interpolation=flag)
    return found if found.dtype == np.uint8 else _whole(found)


def _antialias(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize as Pillow's BILINEAR does: across, rounded, then down, rounded."""
    across = _triangles(image.shape[1], size[1])
    down = _triangles(image.shape[0], size[0])
    wide = _whole(np.einsum("xw,hw...->hx...", across, image.astype(np.float32), optimize=True))
    return _whole(np.einsum("yh,hx...->yx...", down, wide.astype(np.float32), optimize=True))


def _triangles(there: int, to: int) -> NDArray[np.float32]:
    """Return the weights (to, there) of the pixels of one side in each pixel of the new side; each row adds up to 1."""
    scale = there / to
    reach = max(scale, 1.0)
    middles = (np.arange(to) + 0.5) * scale
    weights = np.clip(1 - np.abs(np.arange(there) + 0.5 - middles[:, None]) / reach, 0, None)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def _whole(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)
