"""Sizes from headers against what Pillow says of the same bytes."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.header import (
    channels,
    image_format,
    image_size,
    jpeg_frame,
)
from freezenet.edge_runtime.images.png import png_is_whole
from freezenet.edge_runtime.images.reader import read_gray
from freezenet.edge_runtime.images.tiff import tiff_header
from studies.stress.fuzz import tiff

GRAY = (np.arange(60 * 50).reshape(60, 50) % 256).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_size_of_each_format_equals_pillows(kind, options, mode):
    data = encoded(Image.fromarray(GRAY).convert(mode), kind, **options)
    assert image_size(data) == Image.open(io.BytesIO(data)).size == (50, 60)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_size_is_as_stored_before_exif_rotation(kind):
    exif = Image.Exif()
    exif[0x112] = 6
    assert image_size(encoded(Image.fromarray(GRAY), kind, exif=exif)) == (50, 60)


def test_jpeg_size_skips_the_frame_of_an_embedded_thumbnail():
    thumbnail = encoded(Image.fromarray(GRAY[:40, :32]), "JPEG")
    main = encoded(Image.fromarray(GRAY), "JPEG")
    segment = b"Exif\0\0" + thumbnail
    data = main[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + main[2:]
    assert image_size(data) == (50, 60)


def test_jpeg_fill_bytes_between_segments_are_skipped():
    main = encoded(Image.fromarray(GRAY), "JPEG")
    assert image_size(main[:2] + b"\xff\xff\xff" + main[2:]) == (50, 60)


def bmp(header: int, width: int, height: int) -> bytes:
    """A BMP of 24 bits with a header of that many bytes: OS/2's (12) or a Windows one; a negative height is top-down."""
    rows = bytes(abs(height) * ((3 * width + 3) // 4 * 4))
    size = struct.pack("<HHHH", width, height, 1, 24) if header == 12 else struct.pack("<iiHH", width, height, 1, 24)
    content = struct.pack("<I", header) + size + bytes(header - 4 - len(size))
    return b"BM" + struct.pack("<IHHI", 14 + header + len(rows), 0, 0, 14 + header) + content + rows


@pytest.mark.parametrize(
    ("header", "height"), [(12, 60), (40, 60), (40, -60), (64, 60), (108, 60), (108, -60), (124, 60)]
)
def test_size_of_each_bmp_header_equals_pillows(header, height):
    data = bmp(header, 50, height)
    assert image_size(data) == Image.open(io.BytesIO(data)).size == (50, 60)
    assert read_gray(data).shape == (60, 50)


def test_a_large_bmp_of_os2_has_no_sign():
    data = bmp(12, 50, 60)
    assert image_size(data[:18] + struct.pack("<HH", 40_000, 50_000) + data[22:]) == (40_000, 50_000)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (50, 60), (300, 7), (16383, 1)])
@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"xmp": b"<x/>"}, {"save_all": True}])
def test_size_of_each_webp_equals_pillows(options, size, mode):
    more = {"append_images": [Image.new(mode, size, "red")]} if "save_all" in options else {}
    data = encoded(Image.new(mode, size), "WEBP", **options, **more)
    assert image_size(data) == Image.open(io.BytesIO(data)).size == size


def test_all_kinds_of_webp_are_covered():
    kinds = {
        encoded(Image.fromarray(GRAY).convert(mode), "WEBP", **options)[12:16]
        for mode, options in (("RGB", {}), ("RGB", {"lossless": True}), ("RGBA", {"xmp": b"<x/>"}))
    }
    assert kinds == {b"VP8 ", b"VP8L", b"VP8X"}


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_the_scale_of_a_lossy_webp_is_no_part_of_its_size(scale):
    """Two bits of each side ask for an upscaling that no decoder does (RFC 6386, 9.1)."""
    stream = io.BytesIO()
    Image.fromarray(np.arange(64 * 48, dtype=np.uint8).reshape(48, 64)).save(stream, "WEBP", quality=80)
    plain = stream.getvalue()
    scaled = bytearray(plain)
    scaled[27] |= scale << 6
    scaled[29] |= scale << 6
    assert plain[12:16] == b"VP8 "
    assert image_size(bytes(scaled)) == image_size(plain) == (64, 48)
    np.testing.assert_array_equal(read_gray(bytes(scaled)), read_gray(plain))
    assert Image.open(io.BytesIO(scaled)).size == (64, 48)


def test_formats_are_told_by_their_first_bytes():
    for kind in ("JPEG", "PNG", "TIFF", "BMP", "WEBP"):
        assert image_format(encoded(Image.fromarray(GRAY), kind)).upper() == kind
    for data in (b"", b"GIF89a", b"P5 50 60 255\n", b"RIFF\0\0\0\0WAVE", b"BM\0\0ftypavif", b"\0\0\0\x0cjP  "):
        assert image_format(data) is None


def test_stray_bytes_between_segments_hide_no_size():
    """What libjpeg passes over: other bytes, stuffed zeros, TEM and RST."""
    jpeg = encoded(Image.fromarray(GRAY), "JPEG")
    behind = 4 + int.from_bytes(jpeg[4:6], "big")  # the first segment
    for stray in (b"\0", b"abc", b"\xff\0", b"\xff\x01", b"\xff\xd0\xff\xd7", b"\xff\xff\0x"):
        data = jpeg[:behind] + stray + jpeg[behind:]
        assert image_size(data) == image_size(jpeg[:2] + stray + jpeg[2:]) == (50, 60)
        # Where libjpeg says that they are there, it says nothing about worse damage behind them.
        try:
            np.testing.assert_array_equal(read_gray(data), read_gray(jpeg))
        except FreezenetError as error:
            assert "extraneous bytes before marker" in str(error)
    for end in (b"\xff\xd8", b"\xff\xd9", b"\xff\xda\0\2"):
        assert image_size(jpeg[:2] + end + jpeg[2:]) is None
    assert jpeg_frame(jpeg[:2] + b"\xff\xe1\0\0" + jpeg[2:]) == jpeg_frame(jpeg)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\0\0\0\0\0\0\0\0\0\0\0", b"text" * 50])
def test_no_header_gives_none(data):
    assert image_size(data) is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WEBP"])
def test_any_prefix_gives_the_size_or_none(kind):
    data = encoded(Image.fromarray(GRAY), kind)
    answers = {image_size(data[:length]) for length in range(len(data))}
    assert answers <= {None, (50, 60)}


def test_fill_bytes_are_skipped_and_endless_segments_are_refused():
    jpeg = encoded(Image.fromarray(GRAY), "JPEG")
    assert image_size(jpeg[:2] + b"\xff" * 5_000_000 + jpeg[2:]) == Image.fromarray(GRAY).size
    assert image_size(jpeg[:2] + b"\xff\xe1\0\2" * 9000 + jpeg[2:]) == Image.fromarray(GRAY).size
    with pytest.raises(FreezenetError, match="10000 segments"):
        image_size(jpeg[:2] + b"\xff\xe1\0\2" * 11_000 + jpeg[2:])
    assert image_size(b"\xff\xd8" + b"\xff" * 5_000_000) is None


@pytest.mark.parametrize(
    ("mode", "kind", "options", "expected"),
    [
        ("L", "PNG", {}, 1),
        ("RGB", "PNG", {}, 3),
        ("P", "PNG", {}, 3),
        ("RGBA", "PNG", {}, 4),
        ("LA", "PNG", {}, 4),
        ("L", "PNG", {"transparency": 3}, 4),
        ("L", "TIFF", {}, 1),
        ("RGB", "TIFF", {}, 3),
        ("RGBA", "TIFF", {"big_tiff": True}, 4),
        ("LA", "TIFF", {}, 2),
        ("RGB", "BMP", {}, 4),
        ("RGB", "WEBP", {}, 4),
    ],
)
def test_channels_are_those_that_a_decoder_makes_room_for(mode, kind, options, expected):
    assert channels(encoded(Image.fromarray(GRAY).convert(mode), kind, **options)) == expected


@pytest.mark.parametrize("order", ["<", ">"])
def test_size_and_channels_of_a_tiff_in_both_byte_orders(order):
    data = tiff.written(np.dstack([GRAY, GRAY, GRAY]), order=order)
    assert (image_size(data), channels(data), tiff_header(data).tile_pixels) == ((50, 60), 3, 0)
    assert tiff_header(tiff.written(GRAY[..., None], tile=16, order=order)).tile_pixels == 16 * 16


def test_size_of_a_bigtiff_equals_pillows():
    data = encoded(Image.fromarray(GRAY), "TIFF", big_tiff=True)
    assert image_size(data) == (50, 60)


def test_a_png_is_whole_up_to_its_end_chunk():
    data = encoded(Image.fromarray(GRAY), "PNG")
    assert png_is_whole(data)
    assert png_is_whole(data + b"more")
    assert not any(png_is_whole(data[:length]) for length in range(len(data)))
    assert not png_is_whole(data[:33] + b"\x7f" + data[34:])
