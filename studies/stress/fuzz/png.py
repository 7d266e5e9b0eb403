"""PNG files by hand (ISO/IEC 15948): kinds that image libraries read but do not write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Adam7: first row, first column, row step, column step of each pass (section 8.2).
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}


def variants(gray: NDArray, color: NDArray) -> Iterator[tuple[str, bytes]]:
    """Yield all colour types in 8 and 16 bits, fewer bits, palette, colour key, interlaced, with text chunks."""
    stacks = {
        "gray": gray[..., None],
        "gray-alpha": np.dstack([gray, gray]),
        "colour": color,
        "rgba": np.dstack([color, gray]),
    }
    for name, pixels in stacks.items():
        for bits in (8, 16):
            samples = pixels.astype(np.uint16) * 257 if bits == 16 else pixels
            yield f"{name}{bits}", written(samples)
            yield f"{name}{bits}-interlaced", written(samples, interlaced=True)
    for bits in (1, 2, 4):
        yield f"gray{bits}", written(gray[..., None] >> (8 - bits), bits=bits)
    palette = (b"PLTE", bytes(range(256)) * 3)
    yield "palette", written(gray[..., None], colour_type=3, extra=[palette])
    yield "palette-alpha", written(gray[..., None], colour_type=3, extra=[palette, (b"tRNS", bytes(range(200)))])
    yield "colour-key", written(color, extra=[(b"tRNS", struct.pack(">3H", 10, 20, 30))])
    text = [(b"tEXt", b"Comment\0drawn"), (b"zTXt", b"Comment\0\0" + zlib.compress(b"drawn" * 40))]
    profile = (b"iCCP", b"profile\0\0" + zlib.compress(bytes(200)))
    yield (
        "text",
        written(
            gray[..., None], extra=[*text, profile, (b"gAMA", struct.pack(">I", 45455)), (b"eXIf", b"II*\0" + bytes(8))]
        ),
    )


def written(pixels: NDArray, bits: int | None = None, colour_type: int | None = None, interlaced: bool = False,
            extra: Iterable[tuple[bytes, bytes]] = ()) -> bytes:  # fmt: skip
    """Return a PNG of samples (h, w, channels) uint8 or uint16; bits: 1, 2 or 4 packs them.

    extra: chunks (type, content) between header and image data.
    """
    height, width, channels = pixels.shape
    depth = bits or pixels.itemsize * 8
    header = struct.pack(
        ">IIBBBBB",
        width,
        height,
        depth,
        _COLOUR_TYPE[channels] if colour_type is None else colour_type,
        0,
        0,
        interlaced,
    )
    passes = [pixels[row::rows, column::columns] for row, column, rows, columns in _PASSES] if interlaced else [pixels]
    rows = b"".join(b"\0" + _row(line, bits) for one in passes for line in one if line.size)
    return joined([(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])


def joined(chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the file of these chunks (type, content), with right lengths and checksums."""
    parts = [
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    ]
    return b"".join([SIGNATURE, *parts])


def split(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the chunks (type, content) of a whole file, without their checksums."""
    chunks, at = [], len(SIGNATURE)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def _row(line: NDArray, bits: int | None) -> bytes:
    if bits is None:
        return line.astype(line.dtype.newbyteorder(">")).tobytes()
    single = (line[:, 0, None] >> np.arange(bits - 1, -1, -1, dtype=np.uint8)) & 1
    return np.packbits(single.ravel()).tobytes()
