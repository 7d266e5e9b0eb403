"""Sizes from headers against what Pillow says of the same bytes."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.header import channels, image_size, png_is_whole, tile_pixels
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
    assert (image_size(data), channels(data), tile_pixels(data)) == ((50, 60), 3, 0)
    assert tile_pixels(tiff.written(GRAY[..., None], tile=16, order=order)) == 16 * 16


def test_size_of_a_bigtiff_equals_pillows():
    data = encoded(Image.fromarray(GRAY), "TIFF", big_tiff=True)
    assert image_size(data) == (50, 60)


def test_a_png_is_whole_up_to_its_end_chunk():
    data = encoded(Image.fromarray(GRAY), "PNG")
    assert png_is_whole(data)
    assert png_is_whole(data + b"more")
    assert not any(png_is_whole(data[:length]) for length in range(len(data)))
    assert not png_is_whole(data[:33] + b"\x7f" + data[34:])
