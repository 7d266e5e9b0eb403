"""The chunks of a PNG file (PNG, third edition): whether they are whole, and what of them a decoder may see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

#: Of a PNG's colour type; gray with alpha is decoded to four channels.
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 4, 6: 4}
_SIGNATURE = 8
#: 100 megapixels in 16 bits take 25,000 chunks of libpng's size; a walk through millions would take seconds.
_MOST_CHUNKS = 100_000
#: Chunks that say what the samples are. What else a file may hold (text, profiles, palettes to choose from, the frames of an
#: animation), decoders unpack and copy at great length, and nothing of it changes a sample.
_SAMPLES, _KEY = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND")), b"tRNS"


class PngHeader(NamedTuple):
    """Bits of a sample and the colour type: 0 gray, 2 colour, 3 palette, 4 gray with alpha, 6 colour with alpha."""

    bits: int
    color: int


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start, end) of the chunks that lie inside the file, up to the end chunk; lengths and checksums are inside."""
    at = _SIGNATURE
    for _ in range(_MOST_CHUNKS):
        kind, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data) or at + 12 > len(data):
            return
        yield kind, at, end
        if kind == b"IEND":
            return
        at = end


def png_is_whole(data: bytes) -> bool:
    """Whether the chunks of a PNG lie inside the file up to its end chunk; OpenCV takes memory for what they say."""
    return any(kind == b"IEND" for kind, _, _ in chunks(data))


def png_header(data: bytes) -> PngHeader:
    """Return what the first chunk says of the samples (11.2.1)."""
    return PngHeader(data[24], data[25])


def png_channels(data: bytes) -> int:
    """Return the channels to which a PNG is decoded; a palette counts as its colours, and a colour key as alpha."""
    return 4 if content(data, b"tRNS") else _CHANNELS.get(png_header(data).color, 4) if len(data) > 25 else 4


def png_has_alpha(data: bytes) -> bool:
    """Whether decoded samples have alpha: a channel of its own, or a palette or colour key that says what is transparent."""
    return png_header(data).color in (4, 6) or bool(content(data, b"tRNS"))


def content(data: bytes, name: bytes) -> bytes:
    """Return the content of the first chunk of this name; empty where there is none."""
    return next((data[start + 8 : end - 4] for kind, start, end in chunks(data) if kind == name), b"")


def gray_key(data: bytes) -> int | None:
    """Return the sample of a gray PNG that stands for "transparent" (11.3.1.1), at the depth of decoded samples."""
    bits, color = png_header(data)
    key = content(data, b"tRNS")
    if color != 0 or len(key) < 2:
        return None
    sample = int.from_bytes(key[:2], "big") & ((1 << bits) - 1)
    # 1, 2 and 4 bits are decoded to 8.
    return sample * 255 // ((1 << bits) - 1) if bits < 8 else sample


def plain(data: bytes) -> bytes:
    """Return the file as a decoder may see it.

    Without the frames of an animation, the default image is what it finds (APNG 1.0). Without the colour key of a gray
    image, which versions of OpenCV treat differently, it gives the plain samples.
    """
    shown = _SAMPLES if png_header(data).color == 0 else _SAMPLES | {_KEY}
    parts = list(chunks(data))
    if all(kind in shown for kind, _, _ in parts):
        return data
    view = memoryview(data)
    return data[:_SIGNATURE] + b"".join(view[start:end] for kind, start, end in parts if kind in shown)
