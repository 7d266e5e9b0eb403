"""The preprocessing of a model that freezenet did not write, as data: from an image file to the values of its input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.images.limits import check_size
from freezenet.edge_runtime.images.other.resize import METHODS, resize
from freezenet.edge_runtime.images.preprocess import PreprocessSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Orders of the colours in the input; gray is luminance, in each channel that the input has.
COLORS = ("gray", "rgb", "bgr")
#: none: the sides are squeezed. center: the largest part in the middle with the input's sides. pad: black is added to the shorter side.
CROPS = ("none", "center", "pad")


@dataclass(frozen=True)
class OtherPreprocess(PreprocessSpec):
    """How a file becomes the values of another maker's input.

    `mean` and `std` of the base are those of all channels; `means` and `stds` take their place.

    Args:
        size: Input height and width in pixels.
        color: One of COLORS.
        resize: One of `freezenet.edge_runtime.images.other.resize.METHODS`.
        means: An input value is (value - mean) / std, value in 0..255; one number, or one for each channel in the input's order.
        stds: See `means`; above 0.
        crop: One of CROPS, or a share in 0..1: that part of what "center" keeps, as an image that is resized to 256 pixels and cut to
            224 keeps .875.
        channels: Of the input, 1 or 3.
    """

    color: str = "rgb"
    resize: str = "bilinear"
    means: tuple[float, ...] = (0.0,)
    stds: tuple[float, ...] = (1.0,)
    crop: str | float = "none"
    channels: int = 3

    def __post_init__(self) -> None:
        """Refuse what this code would not follow to the letter."""
        object.__setattr__(self, "size", tuple(int(side) for side in self.size))
        if len(self.size) != 2 or min(self.size) < 1:
            raise SettingError(
                f"A size of two sides in pixels is required. Got: {' x '.join(map(str, self.size)) or 'none'}."
            )
        for name, value, known in (("color", self.color, COLORS), ("resize", self.resize, METHODS)):
            if value not in known:
                raise SettingError(f"One of {', '.join(known)} is required as {name}. Got: {value!r:.80}.")
        is_share = not isinstance(self.crop, str) and 0 < self.crop <= 1
        if self.crop not in CROPS and not is_share:
            raise SettingError(
                f"One of {', '.join(CROPS)}, or a share from 0 to 1, is required as crop. Got: {self.crop!r:.80}."
            )
        if self.channels not in (1, 3) or (self.channels == 1 and self.color != "gray"):
            raise SettingError(
                f"A colour that fits the input is required. Got: color={self.color} for an input of {self.channels} channels; "
                f"{'pass color=gray' if self.channels == 1 else 'inputs of 1 and of 3 channels are known'}."
            )
        for name, values in (("mean", self.means), ("std", self.stds)):
            if len(values) not in (1, self.channels) or not all(math.isfinite(one) for one in values):
                raise SettingError(
                    f"One finite {name}, or one for each of {self.channels} channels, is required. Got: "
                    f"{', '.join(f'{one:g}' for one in values) or 'none'}."
                )
        if min(self.stds) <= 0:
            raise SettingError(
                f"A std above 0 is required. Got: {', '.join(f'{one:g}' for one in self.stds)}; an input that is "
                "value / 255 has mean=0, std=255."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the pixels of one image: (h, w), of colours (h, w, 3)."""
        return self.size if self.color == "gray" else (*self.size, 3)

    def decode(self, image: str | Path | bytes | NDArray, trust_tags: bool = True) -> NDArray[np.uint8]:
        """Read gray values (h, w), or red, green, blue (h, w, 3); see `PreprocessSpec.decode`."""
        from freezenet.edge_runtime.images.gray import to_color
        from freezenet.edge_runtime.images.reader import read_color, read_gray

        if self.color == "gray":
            # Never at a smaller scale, which only the area mean would not see.
            return super().decode(image) if isinstance(image, np.ndarray) else read_gray(image, trust_tags=trust_tags)
        return to_color(image) if isinstance(image, np.ndarray) else read_color(image, trust_tags=trust_tags)

    def resized(self, gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Crop and resize gray values (h, w) or colours (h, w, 3) to `size`."""
        return resize(self._cropped(gray), self.size, self.resize)

    def normalized(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the values (h, w, channels) float32 of an input from pixels (h, w) or (h, w, 3), in the input's order of colours."""
        return self.exact(pixels).astype(np.float32)

    def exact(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the same in float64, of which integers are rounded: many a value lies in the middle between two of them."""
        values = pixels.astype(np.float64)
        if self.color == "gray" or pixels.ndim == 2:
            values = np.repeat(values[..., None], self.channels, axis=-1)
        elif self.color == "bgr":
            values = values[..., ::-1]
        return np.asarray((values - np.array(self.means)) / np.array(self.stds), np.float64)

    def _cropped(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.crop == "none":
            return image
        there, ratio = image.shape[:2], self.size[0] / self.size[1]
        if self.crop == "pad":
            full = (max(there[0], round(there[1] * ratio)), max(there[1], round(there[0] / ratio)))
            # A strip of permitted size can be the side of a square that no memory holds.
            check_size(full[1], full[0])
            before = [(one - side) // 2 for one, side in zip(full, there, strict=True)]
            padded = np.zeros((*full, *image.shape[2:]), np.uint8)
            padded[before[0] : before[0] + there[0], before[1] : before[1] + there[1]] = image
            return padded
        share = 1.0 if isinstance(self.crop, str) else self.crop
        largest = (min(there[0], there[1] * ratio), min(there[1], there[0] / ratio))
        sides = [max(1, round(one * share)) for one in largest]
        top, left = ((one - side) // 2 for one, side in zip(there, sides, strict=True))
        return image[top : top + sides[0], left : left + sides[1]]


def as_numbers(values: float | Sequence[float]) -> tuple[float, ...]:
    """Return one number or several as numbers."""
    return tuple(map(float, values)) if isinstance(values, Sequence) else (float(values),)
