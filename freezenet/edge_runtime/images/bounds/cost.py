"""The most that decoding an image can cost, by its header: seconds and bytes.

A decoder in a thread cannot be ended. So a thread decodes only what is cheap by these bounds, however its bytes are chosen;
everything else is decoded by a process that can be ended (`freezenet.edge_runtime.images.bounds.apart`).

The rates are those of the worst files that are known for each codec (`studies.stress.siege`), on a slow server core. Ordinary
files are many times faster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Seconds for each block of 8 x 8 samples of one scan: a refinement looks at each coefficient of each block.
_BLOCK = 80e-9
#: Seconds for each byte of a file: blocks of deflate that hold a table and nothing else.
_DEFLATED, _STORED = 130e-9, 20e-9
#: Seconds for each byte of the decoded samples: unfiltering, inflating, and the copies afterwards.
_SAMPLE = 14e-9
#: Seconds and bytes for each set of code tables of a lossless WebP, of which each block of 4 x 4 pixels may have its own.
_GROUP, _GROUP_BYTES = 10e-6, 14_000
_MOST_GROUPS, _MOST_GROUP_BYTES = 65_536, 64 << 20


@dataclass(frozen=True)
class Cost:
    """The most that one image takes while it is decoded, beside the file itself.

    Args:
        seconds: Of one core; infinite where no bound is known.
        memory: In bytes.
    """

    seconds: float
    memory: int


class HeavyImage(Exception):
    """An image that no thread may decode; not shown to anybody, as a process then decodes it."""

    def __init__(self, cost: Cost) -> None:
        """Keep what it would cost."""
        super().__init__("an image for a process of its own")
        self.cost = cost


def jpeg_cost(size: tuple[int, int], components: int, scans: int, length: int, whole: bool) -> Cost:
    """Return the cost of a JPEG.

    Args:
        size: Width and height in pixels.
        components: Of a pixel.
        scans: Scans in the file.
        length: Bytes of the file.
        whole: The decoder keeps all coefficients until the last scan (progressive, or several scans).
    """
    pixels = size[0] * size[1]
    blocks = components * (-(-size[0] // 8) + 2) * (-(-size[1] // 8) + 2)
    seconds = blocks * (scans * _BLOCK + 4 * _BLOCK) + length * _DEFLATED / 2
    return Cost(seconds, 2 * pixels + (128 * blocks if whole else 0))


def samples_cost(
    size: tuple[int, int], channels: int, itemsize: int, length: int, *, is_deflated: bool, more: int = 0
) -> Cost:
    """Return the cost of an image that is decoded to samples in one go: PNG, BMP, TIFF, uncompressed DICOM.

    Args:
        size: Width and height in pixels.
        channels: Samples of a pixel that the decoder makes room for.
        itemsize: Bytes of a sample.
        length: Bytes that are read, the same ones counted as often as they are.
        is_deflated: They are compressed with deflate.
        more: Bytes that the decoder takes beside the samples.
    """
    pixels = size[0] * size[1]
    samples = pixels * channels * itemsize
    # The decoder's samples and ours, or ours and what comes of them: without alpha, gray, of 8 bits.
    memory = 2 * samples + more
    return Cost((samples + more) * _SAMPLE + length * (_DEFLATED if is_deflated else _STORED), memory)


def webp_cost(size: tuple[int, int], length: int, is_lossy: bool) -> Cost:
    """Return the cost of a WebP, which is decoded to four channels.

    Args:
        size: Width and height in pixels.
        length: Bytes of the file.
        is_lossy: It holds nothing but one lossy image; all others may have very many tables.
    """
    pixels = size[0] * size[1]
    groups = 0 if is_lossy else min(_MOST_GROUPS, (size[0] // 4 + 1) * (size[1] // 4 + 1), length // 2)
    seconds, memory = pixels * 60e-9 + groups * _GROUP + length * _DEFLATED, 13 * pixels
    if groups * _GROUP_BYTES > _MOST_GROUP_BYTES:
        return unbounded_cost(memory + 2 * _MOST_GROUP_BYTES)
    return Cost(seconds, memory + groups * _GROUP_BYTES)


def codestream_cost(pixels: int, length: int) -> Cost:
    """Return the cost of JPEG-LS, lossless JPEG or RLE in a DICOM file: each pixel is coded once."""
    return Cost(pixels * 100e-9 + length * _DEFLATED, 6 * pixels)


def unbounded_cost(memory: int) -> Cost:
    """Return the cost of what no header bounds, such as the precincts, layers and tiles of JPEG 2000."""
    return Cost(math.inf, memory)
