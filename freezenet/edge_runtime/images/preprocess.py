"""The one preprocessing: from an image file to the network's input tensor, as data.

The spec travels inside the model file (`card.json`), so training, calibration, the device and a port to another
language do the same: read gray values (`freezenet.edge_runtime.images.reader`), resize, repeat to three channels, normalize.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freezenet.edge_runtime.errors import ModelError, one_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Version of the rules in this module and in `freezenet.edge_runtime.images.reader`; a change of rules is a new number.
PREPROCESS_VERSION = 2


@dataclass(frozen=True)
class PreprocessSpec:
    """How a file becomes a tensor.

    Args:
        size: Input height and width in pixels.
        mean: A network input is (gray - mean) / std, gray in 0..255.
        std: See `mean`; above 0.
        color: "gray": luminance, repeated to three equal channels.
        resize: "area": OpenCV INTER_AREA, straight to `size` (the aspect ratio is not kept).
        version: Of the rules; a device refuses a version that it does not know.
    """

    size: tuple[int, int] = (224, 224)
    mean: float = 128.0
    std: float = 127.5
    color: str = "gray"
    resize: str = "area"
    version: int = PREPROCESS_VERSION

    def __post_init__(self) -> None:
        """Refuse a spec that this code would not follow to the letter."""
        object.__setattr__(self, "size", tuple(int(side) for side in self.size))
        known = {"color": "gray", "resize": "area", "version": PREPROCESS_VERSION}
        for key, value in known.items():
            got = getattr(self, key)
            if got != value:
                is_older = key == "version" and isinstance(got, int) and got < PREPROCESS_VERSION
                remedy = "convert the model again" if is_older else "update freezenet"
                raise ModelError(
                    f"Preprocessing with {key} = {value!r} is what this version knows. Got: {got!r:.80}; {remedy}."
                )
        finite = math.isfinite(self.mean) and math.isfinite(self.std)
        if not finite or self.std <= 0 or len(self.size) != 2 or min(self.size) < 32:
            raise ModelError(
                f"Preprocessing with a finite mean, a std above 0 and two sides of at least 32 pixels is required. Got: mean "
                f"{self.mean:g}, std {self.std:g}, size {self.size!r:.80}."
            )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PreprocessSpec:
        """Make a spec from the `preprocess` object of a card."""
        try:
            return cls(**values)
        except (TypeError, ValueError, OverflowError) as error:
            raise ModelError(
                f"A preprocessing spec of known keys and types is required. Got: {one_line(error, 200)}."
            ) from None

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as the card's `preprocess` object (JSON types only)."""
        return {**asdict(self), "size": list(self.size)}

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the pixels of one image, (h, w)."""
        return self.size

    def decode(self, image: str | Path | bytes | NDArray, trust_tags: bool = True) -> NDArray[np.uint8]:
        """Read gray values (h, w) uint8 from a path, the bytes of a file, or a decoded array (OpenCV's order).

        Args:
            image: Path, bytes, or array.
            trust_tags: See `freezenet.edge_runtime.images.dicom.read_dicom_gray`.
        """
        # OpenCV comes with the first image, so that `from freezenet import Classifier` takes less time than its import.
        from freezenet.edge_runtime.images.gray import to_gray
        from freezenet.edge_runtime.images.limits import check_size
        from freezenet.edge_runtime.images.reader import read_gray

        if isinstance(image, np.ndarray):
            gray = to_gray(image)
            check_size(gray.shape[1], gray.shape[0])
            return gray
        return read_gray(image, shrink_to=self.size, trust_tags=trust_tags)

    def resized(self, gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize gray values (h, w) to `size`; uint8 in, uint8 out."""
        import cv2

        if gray.shape == self.size:
            return gray
        return np.asarray(cv2.resize(gray, (self.size[1], self.size[0]), interpolation=cv2.INTER_AREA), np.uint8)

    def pixels(self, image: str | Path | bytes | NDArray) -> NDArray[np.uint8]:
        """Decode and resize: gray values of shape `size`, uint8, 0..255."""
        return self.resized(self.decode(image))

    def normalized(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Normalize pixels (..., h, w) uint8 and repeat them to three channels: (..., h, w, 3) float32."""
        values = (pixels.astype(np.float32) - np.float32(self.mean)) / np.float32(self.std)
        return np.repeat(values[..., None], 3, axis=-1)

    def network_input(self, pixels: NDArray[np.uint8], dtype: np.dtype | type) -> NDArray:
        """Return the tensor (1, h, w, 3) for a model input of `dtype` from pixels (h, w) uint8.

        float32: normalized. uint8: the raw pixels; the model's own input scale does the rest, so that no client rounds. int8: the
        raw pixels less 128.
        """
        import cv2

        if np.dtype(dtype) in (np.uint8, np.int8):
            # Less 128 is the highest bit turned.
            raw = pixels if np.dtype(dtype) == np.uint8 else pixels ^ np.uint8(128)
            return cv2.merge((raw, raw, raw))[None].view(dtype)
        if np.dtype(dtype) == np.float32:
            return self.normalized(pixels)[None]
        raise ModelError(f"A model with float32, uint8 or int8 input is required. Got: {np.dtype(dtype).name}.")


def pixel_hash(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of the pixels (h, w) in row order, in hexadecimal: equal hashes mean an equal network input."""
    import hashlib

    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
