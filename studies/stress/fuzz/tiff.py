"""Uncompressed and deflated TIFF files by hand (TIFF 6.0): tiles, planes and sample kinds that Pillow does not write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_SAMPLE_FORMAT = {"u": 1, "i": 2, "f": 3}
_SHORT, _LONG = 3, 4


def variants(gray: NDArray, color: NDArray) -> Iterator[tuple[str, bytes]]:
    """Yield tiles, planes, both byte orders, sample kinds and channel counts."""
    wide = gray.astype(np.uint16) * 257
    yield "tiles", written(gray[..., None], tile=32)
    yield "tiles-colour-deflate", written(color, tile=16, deflate=True)
    yield "tiles-16", written(wide[..., None], tile=16)
    yield "big-endian-16", written(wide[..., None], order=">")
    yield "colour-16", written(color.astype(np.uint16) * 257)
    yield "rgba-16", written(np.dstack([color, gray]).astype(np.uint16) * 257)
    yield "planes", written(color, planes=True)
    yield "gray-alpha-planes", written(np.dstack([gray, gray]), planes=True)
    yield "five-channels", written(np.dstack([color, gray, gray]))
    for kind in ("u4", "u8", "i2", "f2", "f4", "f8"):
        yield f"gray-{kind}", written(gray[..., None].astype(kind))
    yield "colour-f4-tiles", written(color.astype("f4"), tile=16)


def written(
    pixels: NDArray, tile: int = 0, planes: bool = False, deflate: bool = False, order: Literal["<", ">"] = "<"
) -> bytes:
    """Return a TIFF of samples (h, w, channels) of any dtype, in strips of 16 rows or in square tiles."""
    height, width, channels = pixels.shape
    layers = [pixels[..., one : one + 1] for one in range(channels)] if planes else [pixels]
    blocks = [block for layer in layers for block in _blocks(layer, tile)]
    stored = [block.astype(block.dtype.newbyteorder(order)).tobytes() for block in blocks]
    if deflate:
        stored = [zlib.compress(one) for one in stored]
    offsets = np.cumsum([8, *map(len, stored)])
    lengths = list(map(len, stored))
    entries = [
        (256, _LONG, [width]), (257, _LONG, [height]), (258, _SHORT, [8 * pixels.itemsize] * channels),
        (259, _SHORT, [8 if deflate else 1]), (262, _SHORT, [2 if channels > 2 else 1]), (277, _SHORT, [channels]),
        (284, _SHORT, [2 if planes else 1]), (339, _SHORT, [_SAMPLE_FORMAT[pixels.dtype.kind]] * channels),
    ]  # fmt: skip
    if channels in (2, 4):
        entries.append((338, _SHORT, [2]))
    if tile:
        entries += [(322, _LONG, [tile]), (323, _LONG, [tile]), (324, _LONG, list(offsets[:-1])), (325, _LONG, lengths)]
    else:
        entries += [(273, _LONG, list(offsets[:-1])), (278, _LONG, [16]), (279, _LONG, lengths)]
    body = b"".join(stored)
    return _with_directory(body, sorted(entries), order)


def _blocks(layer: NDArray, tile: int) -> Iterator[NDArray]:
    height, width = layer.shape[:2]
    if not tile:
        yield from (layer[top : top + 16] for top in range(0, height, 16))
        return
    padded = np.pad(layer, ((0, -height % tile), (0, -width % tile), (0, 0)))
    for top in range(0, height, tile):
        yield from (padded[top : top + tile, left : left + tile] for left in range(0, width, tile))


def _with_directory(body: bytes, entries: list[tuple[int, int, list[int]]], order: str) -> bytes:
    start = 8 + len(body)
    behind = start + 2 + 12 * len(entries) + 4
    directory, values = struct.pack(f"{order}H", len(entries)), b""
    for tag, kind, numbers in entries:
        packed = struct.pack(f"{order}{len(numbers)}{'H' if kind == _SHORT else 'I'}", *numbers)
        if len(packed) > 4:
            packed, values = struct.pack(f"{order}I", behind + len(values)), values + packed
        directory += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start)
    return head + body + directory + bytes(4) + values
