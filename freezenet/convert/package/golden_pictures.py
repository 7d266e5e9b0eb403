"""Golden pictures: small drawn images on which a port that breaks a rule of docs/port.md gives other pixels than this project.

They are generated phantoms and no patient's images, because they leave the hospital with every copy of the model. Each is there for a rule:

    half        exactly twice the input: integers, equal on every processor; it fails only where all is wrong
    fraction    a scale that is no whole number, another on each side: area averaging
    enlarged    smaller than the input: weights of 11 bits
    tie         twice as wide as the input, every mean a half: rounded half to even
    color       luminance, and the order of the channels
    gamma       a PNG that tells of another gamma: ignored
    turned      a JPEG that lies on its side (EXIF 6), gray
    luminance   a JPEG in colour: its own luminance channel, no colours
    constant    nothing to see: refused

No mean of "fraction" lies so close to a half that a processor that fuses multiplication and addition would round it otherwise.
"""

from __future__ import annotations

import struct
import zlib
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.train.data.phantoms import PATTERNS, draw_phantom

_LEAST = 32  # of a side, in pixels
#: Sizes that are tried for "fraction", and the distance of every mean from a half with which one is good enough.
_TRIED, _MARGIN = 12, 2e-4
# Primaries and white of sRGB with a gamma of 1: what applies it darkens or lightens the middle by a third of the range.
_PRIMARIES = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_GAMMA = struct.pack(">I", 100_000)
# A TIFF structure, big-endian, with one entry: orientation 6, the top of the picture is at the right.
_ON_ITS_SIDE = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)


@cache
def golden_images(spec: PreprocessSpec) -> dict[str, bytes]:
    """Return file name -> bytes of a PNG or JPEG file, as the module describes them; equal every time."""
    height, width = spec.size
    flat = np.full((height, width), 100, np.uint8)
    return {
        "golden-half.png": _png(_phantom(0, 2 * height, 2 * width, 64)),
        "golden-fraction.png": _png(_fraction(height, width)),
        "golden-enlarged.png": _png(_phantom(2, max(_LEAST, round(0.6 * height)), max(_LEAST, round(0.8 * width)), 16)),
        "golden-tie.png": _png(_tie(height, width)),
        "golden-color.png": _png(_color(height, width)),
        "golden-gamma.png": _told(_png(_phantom(1, height, width, 32)), b"cHRM" + _PRIMARIES, b"gAMA" + _GAMMA),
        "golden-turned.jpg": on_its_side(_jpeg(np.rot90(_phantom(3, height, width, 1)))),
        "golden-luminance.jpg": _jpeg(_color(height, width)),
        "golden-constant.png": _png(flat),
    }


def _phantom(number: int, height: int, width: int, step: int) -> NDArray[np.uint8]:
    """Draw a phantom without noise, in gray levels `step` apart, which keeps the file small."""
    pattern = list(PATTERNS)[number]
    square = draw_phantom(pattern, max(height, width), np.random.default_rng(number), noise=0.0)
    # Squeezed and not cut, or an oblong input would see half a chest.
    oblong = cv2.resize(square, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(oblong // step * step, np.uint8)


def _fraction(height: int, width: int) -> NDArray[np.uint8]:
    best, margin = None, -1.0
    for number in range(_TRIED):
        image = _phantom(1, round(1.37 * height) + number, round(1.81 * width), 32)
        found = float(np.abs(area_means(image, (height, width)) % 1 - 0.5).min())
        if found > margin:
            best, margin = image, found
        if margin >= _MARGIN:
            break
    assert best is not None
    return best


def area_means(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the exact mean of what each pixel of a smaller image of `size` covers, not rounded: (height, width) float64."""
    down, across = (_cover(there, to) for there, to in zip(image.shape, size, strict=True))
    return down @ image.astype(np.float64) @ across.T


def _cover(there: int, to: int) -> NDArray[np.float64]:
    edges = np.arange(to + 1) * (there / to)
    pixels = np.arange(there)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.clip(overlap, 0, None) / (there / to)


def _tie(height: int, width: int) -> NDArray[np.uint8]:
    """Pairs of pixels that differ by one, around even and odd values: half up, half down and cutting off are all wrong."""
    gray = _phantom(2, height, width, 16) | (np.indices((height, width)).sum(0) // 8 % 2).astype(np.uint8)
    return np.stack([gray, gray + 1], -1).reshape(height, 2 * width)


def _color(height: int, width: int) -> NDArray[np.uint8]:
    """Three phantoms, one in each channel (blue first)."""
    return np.stack([_phantom(number, height, width, 64) for number in (3, 0, 1)], -1)


def _png(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", np.ascontiguousarray(image), [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes()


def _told(png: bytes, *chunks: bytes) -> bytes:
    """Put chunks (name and content) behind the header of a PNG file."""
    made = [struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in chunks]
    return png[:33] + b"".join(made) + png[33:]  # behind signature and IHDR


def on_its_side(jpeg: bytes) -> bytes:
    """Return a JPEG file that tells EXIF orientation 6: the top of the picture is at its right."""
    segment = struct.pack(">BBH", 0xFF, 0xE1, len(_ON_ITS_SIDE) + 2) + _ON_ITS_SIDE
    return jpeg[:2] + segment + jpeg[2:]
