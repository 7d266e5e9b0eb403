"""X-rays in every kind of JPEG, PNG, TIFF, BMP and WebP that Pillow, tifffile or this project's own writers make."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from studies.stress.fuzz import png, tiff
from studies.stress.gray_values.rules import by_pillow, by_rules, by_tifffile


@dataclass(frozen=True)
class Picture:
    """A file and its gray values.

    Args:
        kind: Its format and what is special about it, such as "TIFF 16 bits, tiles".
        data: Its bytes.
        expected: Returns the gray values by an independent reader.
    """

    kind: str
    data: bytes
    expected: Callable[[], NDArray[np.float64]]


def pictures(gray: NDArray[np.uint8]) -> Iterator[Picture]:
    """Yield the files of one X-ray (h, w) uint8; colour, alpha and 16 bits are made from it."""
    color = np.dstack([gray, np.roll(gray, 5, 0), 255 - gray // 2])
    for kind, data in (*_jpeg(gray, color), *_bmp(gray, color), *_webp(gray, color), *_pillow_tiff(gray, color)):
        yield Picture(kind, data, partial(by_pillow, data))
    yield from _png(gray, color)
    yield from _own_tiff(gray, color)
    if find_spec("tifffile") is not None:
        for kind, data in _tifffile(gray, color):
            yield Picture(kind, data, partial(by_tifffile, data))


def wide(samples: NDArray[np.uint8], bits: int) -> NDArray[Any]:
    """Return samples of so many bits, with something in the lowest of them; those of 8 bits as they are."""
    if bits == 8:
        return samples
    values = samples.astype(np.uint32) * ((1 << bits) - 1) // 255
    return (values ^ (np.arange(values.size).reshape(values.shape) % 8)).clip(0, (1 << bits) - 1).astype(np.uint16)


def _saved(image: NDArray | Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, kind, **options)
    return stream.getvalue()


def _jpeg(gray: NDArray, color: NDArray) -> Iterator[tuple[str, bytes]]:
    exif = Image.Exif()
    exif[0x112] = 6
    yield "JPEG gray", _saved(gray, "JPEG", quality=90)
    yield "JPEG gray, progressive", _saved(gray, "JPEG", progressive=True)
    yield "JPEG gray, EXIF orientation", _saved(gray, "JPEG", exif=exif)
    for name, subsampling in (("4:4:4", 0), ("4:2:2", 1), ("4:2:0", 2)):
        yield f"JPEG colour {name}", _saved(color, "JPEG", subsampling=subsampling)
    yield "JPEG colour, progressive", _saved(color, "JPEG", progressive=True)
    yield "JPEG colour, restart markers", _saved(color, "JPEG", restart_marker_rows=2)
    yield "JPEG RGB without YCbCr", _saved(color, "JPEG", keep_rgb=True)
    yield "JPEG CMYK", _saved(Image.fromarray(color).convert("CMYK"), "JPEG")
    if find_spec("imagecodecs") is not None:
        import imagecodecs

        yield "JPEG 12 bits", bytes(imagecodecs.jpeg8_encode(wide(gray, 12), bitspersample=12))
        yield "JPEG lossless", bytes(imagecodecs.jpeg8_encode(gray, lossless=True, predictor=1))
        yield "Others JPEG-LS", bytes(imagecodecs.jpegls_encode(gray))
        yield "Others JPEG 2000", bytes(imagecodecs.jpeg2k_encode(gray, level=0))


def _png(gray: NDArray, color: NDArray) -> Iterator[Picture]:
    for kind, data in (
        ("PNG 8 bits", _saved(gray, "PNG")),
        ("PNG palette", _saved(Image.fromarray(color).quantize(200), "PNG")),
        ("PNG palette with alpha", _saved(Image.fromarray(color).quantize(200), "PNG", transparency=bytes(range(200)))),
        ("PNG 1 bit", _saved(Image.fromarray(gray).convert("1"), "PNG")),
        ("PNG colour", _saved(color, "PNG")),
        ("PNG colour with key", png.written(color, extra=[(b"tRNS", struct.pack(">3H", *color[9, 9]))])),
        ("PNG 16 bits", _saved(wide(gray, 16), "PNG")),
        ("PNG 12 bits in 16", _saved(wide(gray, 12), "PNG")),
        ("PNG 10 bits in 16", _saved(wide(gray, 10), "PNG")),
        ("PNG gray with key", png.written(gray[..., None], extra=[(b"tRNS", struct.pack(">H", gray[9, 9]))])),
        ("PNG animated", _saved(gray, "PNG", save_all=True, append_images=[Image.fromarray(255 - gray)])),
    ):
        yield Picture(kind, data, partial(by_pillow, data))
    for bits in (2, 4):
        packed = gray >> (8 - bits)
        scaled = packed * np.uint8(255 // ((1 << bits) - 1))
        yield Picture(f"PNG {bits} bits", png.written(packed[..., None], bits=bits), partial(by_rules, scaled))
    for interlaced in (False, True):
        name = ", interlaced" if interlaced else ""
        for bits in (8, 14, 16):
            one, three, alpha = (wide(samples, bits) for samples in (gray, color, np.roll(gray, 9, 1)))
            for kind, stack, expected in (
                ("gray", one[..., None], partial(by_rules, one)),
                ("gray with alpha", np.dstack([one, alpha]), partial(by_rules, one, alpha)),
                ("colour", three, partial(by_rules, three)),
                ("colour with alpha", np.dstack([three, alpha]), partial(by_rules, three, alpha)),
            ):
                yield Picture(f"PNG {kind}, {bits} bits{name}", png.written(stack, interlaced=interlaced), expected)


def _bmp(gray: NDArray, color: NDArray) -> Iterator[tuple[str, bytes]]:
    yield "BMP 8 bits", _saved(gray, "BMP")
    yield "BMP 1 bit", _saved(Image.fromarray(gray).convert("1"), "BMP")
    yield "BMP palette", _saved(Image.fromarray(color).quantize(99), "BMP")
    yield "BMP 24 bits", _saved(color, "BMP")
    yield "BMP 32 bits, unused zeros", _saved(np.dstack([color, np.zeros_like(gray)]), "BMP")
    whole = _saved(color, "BMP")
    height, width = gray.shape
    rows = np.frombuffer(whole, np.uint8)[54:].reshape(height, -1)[::-1].tobytes()
    yield "BMP from the top", whole[:22] + struct.pack("<i", -height) + whole[26:54] + rows
    yield "BMP OS/2, 12 bytes of header", (
        b"BM" + struct.pack("<IHHI", len(whole) - 28, 0, 0, 26) + struct.pack("<IHHHH", 12, width, height, 1, 24) + whole[54:]
    )  # fmt: skip


def _webp(gray: NDArray, color: NDArray) -> Iterator[tuple[str, bytes]]:
    alpha = np.dstack([color, np.roll(gray, 9, 1)])
    yield "WebP lossy", _saved(color, "WEBP", quality=80)
    yield "WebP lossless", _saved(color, "WEBP", lossless=True)
    yield "WebP lossless with alpha", _saved(alpha, "WEBP", lossless=True, exact=True)
    yield "WebP lossy with alpha", _saved(alpha, "WEBP", quality=90)
    yield "WebP animated", _saved(color, "WEBP", save_all=True, append_images=[Image.fromarray(255 - color)])


def _pillow_tiff(gray: NDArray, color: NDArray) -> Iterator[tuple[str, bytes]]:
    for codec in ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg", "lzma", "zstd"):
        name = codec.removeprefix("tiff_")
        try:
            yield f"TIFF 8 bits, {name}", _saved(gray, "TIFF", compression=codec)
            yield f"TIFF colour, {name}", _saved(color, "TIFF", compression=codec)
        except (OSError, ValueError):  # this libtiff lacks it
            continue
    yield "TIFF 1 bit, group 4", _saved(Image.fromarray(gray).convert("1"), "TIFF", compression="group4")
    yield "TIFF palette", _saved(Image.fromarray(color).quantize(99), "TIFF")
    yield "TIFF 16 bits", _saved(wide(gray, 16), "TIFF")
    yield "TIFF CMYK", _saved(Image.fromarray(color).convert("CMYK"), "TIFF")
    yield "TIFF BigTIFF", _saved(color, "TIFF", big_tiff=True)
    yield "TIFF pages", _saved(gray, "TIFF", save_all=True, append_images=[Image.fromarray(color)])


def _own_tiff(gray: NDArray, color: NDArray) -> Iterator[Picture]:
    alpha = np.roll(gray, 9, 1)
    for bits in (8, 12, 16):
        one, three, four = (wide(samples, bits) for samples in (gray, color, alpha))
        kinds: list[tuple[str, NDArray, dict[str, Any], Callable[[], NDArray[np.float64]]]] = [
            ("tiles", one[..., None], {"tile": 32}, partial(by_rules, one)),
            ("big-endian", one[..., None], {"order": ">"}, partial(by_rules, one)),
            ("colour, tiles, deflate", three, {"tile": 32, "deflate": True}, partial(by_rules, three)),
            ("colour, planes", three, {"planes": True}, partial(by_rules, three)),
            ("colour with alpha", np.dstack([three, four]), {}, partial(by_rules, three, four)),
            ("gray with alpha", np.dstack([one, four]), {}, partial(by_rules, one, four)),
        ]
        for kind, stack, options, expected in kinds:
            yield Picture(f"TIFF {bits} bits, {kind}", tiff.written(stack, **options), expected)
    for dtype in ("i2", "f4", "u4"):
        yield Picture(f"TIFF {dtype}", tiff.written(gray[..., None].astype(dtype)), partial(by_rules, gray))


def _tifffile(gray: NDArray, color: NDArray) -> Iterator[tuple[str, bytes]]:
    import tifffile

    def written(samples: NDArray, **options: Any) -> bytes:
        stream = io.BytesIO()
        tifffile.imwrite(stream, samples, **options)
        return stream.getvalue()

    for bits in (8, 16):
        one, three = (gray, color) if bits == 8 else (wide(gray, 16), wide(color, 16))
        for white in ("minisblack", "miniswhite"):
            yield f"TIFF {bits} bits, {white}", written(one, photometric=white)
            yield f"TIFF {bits} bits, {white}, tiles", written(one, photometric=white, tile=(64, 64))
        for codec in ("lzw", "zlib", "packbits"):
            for order in "<>":
                name = f"TIFF {bits} bits, {codec}, {'little' if order == '<' else 'big'}-endian"
                yield name, written(one, photometric="minisblack", compression=codec, byteorder=order)
        for codec in ("lzw", "zlib"):
            yield (
                f"TIFF {bits} bits, {codec}, predictor",
                written(one, photometric="minisblack", compression=codec, predictor=2),
            )
            yield (
                f"TIFF colour {bits} bits, {codec}, predictor",
                written(three, photometric="rgb", compression=codec, predictor=2),
            )
        yield f"TIFF colour {bits} bits, BigTIFF", written(three, photometric="rgb", bigtiff=True)
        for codec in ("zstd", "lzma", "jpeg2000"):
            yield f"TIFF {bits} bits, {codec}", written(one, photometric="minisblack", compression=codec)
