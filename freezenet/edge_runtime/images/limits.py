"""The sizes of images that are accepted; nothing heavy is imported here, so that a command line can name them."""

from __future__ import annotations

from freezenet.edge_runtime.errors import DataError

#: Smallest accepted side in pixels: below it there is no anatomy to see.
MIN_SIDE = 32
#: Largest accepted gray image in pixels: 100 megapixels is five times the largest flat-panel detector. With more
#: channels it is as many samples, so that what a file takes of the memory is bounded; a JPEG is decoded to gray at once.
MAX_PIXELS = 100_000_000
#: Largest file that is read, in bytes: 100 megapixels of 16 bits and room for a header.
MAX_BYTES = 256 << 20


def check_size(width: int, height: int, channels: int = 1) -> None:
    """Raise DataError unless an image is within MIN_SIDE and MAX_PIXELS.

    Args:
        width: In pixels.
        height: In pixels.
        channels: Samples of a pixel that a decoder makes room for.
    """
    if min(width, height) < MIN_SIDE:
        raise DataError(f"An image of at least {MIN_SIDE} x {MIN_SIDE} pixels is required. Got: {width} x {height}.")
    if width * height * channels > MAX_PIXELS:
        kind = f" with {channels} channels" if channels > 1 else ""
        raise DataError(
            f"An image of at most {MAX_PIXELS // 1_000_000} megapixels of one channel, or less of more, is required. "
            f"Got: {width} x {height}{kind}; scale it down first."
        )
