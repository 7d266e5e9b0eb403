"""The stated rules of docs/preprocessing.md, done again in the plainest way, on what an independent reader decoded."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps


def by_rules(samples: NDArray, alpha: NDArray | None = None) -> NDArray[np.float64]:
    """Return gray values (h, w), not rounded to whole numbers, of samples (h, w) or (h, w, 3), red first, uint8 or uint16."""
    full = np.iinfo(samples.dtype).max
    values = samples.astype(np.float64)
    if alpha is not None:
        weight = alpha / full
        values = np.rint(values * (weight if values.ndim == 2 else weight[..., None]))
    most = full
    if samples.dtype == np.uint16:
        most = next(
            (1 << bits) - 1 for bits in (8, 10, 12, 14, 16) if (values >= 1 << bits).sum() <= values.size // 1000
        )
    gray = values if values.ndim == 2 else values @ (0.299, 0.587, 0.114)
    return np.minimum(gray * 255 / most, 255)


def signed_by_rules(stored: NDArray[np.int16], padding: int | None) -> NDArray[np.float64]:
    """Return gray values (h, w) of signed stored values (h, w) without a window; padding is black and takes no part."""
    inside = stored[stored != padding].astype(np.int32)
    allowed = inside.size // 1000
    gray = by_rules(np.maximum(stored, 0).astype(np.uint16))
    if (inside < 0).sum() > allowed:
        halves = (1 << (bits - 1) for bits in (8, 10, 12, 14, 16))
        half = next(half for half in halves if ((inside < -half) | (inside >= half)).sum() <= allowed)
        gray = np.clip((stored.astype(np.float64) + half) * 255 / (2 * half - 1), 0, 255)
    return np.where(stored == padding, 0, gray)


def by_pillow(data: bytes) -> NDArray[np.float64]:
    """Return the gray values of what Pillow decodes: 8 bits, and 16 bits of gray."""
    image: Any = Image.open(io.BytesIO(data))
    if image.format == "JPEG" and image.mode == "RGB":  # the luminance of the file itself
        image.draft("L", image.size)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        return by_rules(np.asarray(image).astype(np.uint16))
    if "A" in image.getbands() or "transparency" in image.info:
        samples = np.asarray(image.convert("RGBA"))
        return by_rules(samples[..., :3], samples[..., 3])
    return by_rules(np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB")))


def by_tifffile(data: bytes) -> NDArray[np.float64]:
    """Return the gray values of what tifffile decodes: gray and colour, white-is-zero, planes, any codec."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page: Any = file.pages[0]
        samples = page.asarray()
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            samples = np.iinfo(samples.dtype).max - samples
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and samples.ndim == 3:
            samples = np.moveaxis(samples, 0, -1)
        if samples.ndim == 3 and samples.shape[2] == 4:
            return by_rules(samples[..., :3], samples[..., 3])
        return by_rules(samples)
