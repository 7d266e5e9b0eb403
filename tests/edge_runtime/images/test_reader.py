"""Reading images against Pillow's decode of the same bytes."""

from __future__ import annotations

import io
import platform
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.limits import MAX_PIXELS, MIN_SIDE, check_size
from freezenet.edge_runtime.images.reader import read_gray
from freezenet.train.data.phantoms import draw_phantom
from studies.stress.fuzz import tiff

ROOT = Path(__file__).resolve().parents[3]
HEIGHT, WIDTH = 120, 90
#: A gray image, upright only in one of eight orientations, and a colour one with unequal channels.
GRAY = draw_phantom("Focal", HEIGHT, np.random.default_rng(1))[:, :WIDTH].copy()
COLOR = np.dstack([GRAY, np.roll(GRAY, 9, 0), draw_phantom("Diffuse", HEIGHT, np.random.default_rng(2))[:, :WIDTH]])
#: Each value 0..255 many times.
RAMP = (np.arange(HEIGHT * WIDTH) % 256).reshape(HEIGHT, WIDTH)
ALPHA = np.roll(RAMP, 40, 1).astype(np.uint8)
FORMATS = [
    ("JPEG", {"quality": 95}),
    ("JPEG", {"quality": 60, "progressive": True}),
    ("PNG", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "tiff_deflate"}),
    ("TIFF", {"compression": "packbits"}),
    ("TIFF", {"compression": "jpeg"}),
    ("BMP", {}),
    ("WEBP", {"quality": 90}),
    ("WEBP", {"lossless": True}),
]


def encoded(image: Image.Image | np.ndarray, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, kind, **options)
    return stream.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def luminance(image: Image.Image) -> np.ndarray:
    """Pillow's own luminance, with alpha (if any) on black."""
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return np.asarray(image.convert("RGB").convert("L")).astype(int)


def assert_equal_within(out: np.ndarray, expected: np.ndarray, levels: int) -> None:
    assert out.dtype == np.uint8
    assert out.shape == expected.shape
    assert np.abs(out.astype(int) - expected).max() <= levels


def oriented(turn: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x112] = turn
    return exif


# ---- formats


@pytest.mark.parametrize(("kind", "options"), FORMATS)
@pytest.mark.parametrize("pixels", [GRAY, COLOR], ids=["gray", "colour"])
def test_every_format_gives_pillows_luminance(kind, options, pixels):
    data = encoded(pixels, kind, **options)
    assert_equal_within(read_gray(data), luminance(opened(data)), 1)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_lossless_gray_is_exact(kind):
    np.testing.assert_array_equal(read_gray(encoded(GRAY, kind)), GRAY)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("mode", ["P", "1"])
def test_palettes_and_single_bits_are_resolved(kind, mode):
    image = Image.fromarray(COLOR).quantize(64) if mode == "P" else Image.fromarray(GRAY).convert("1")
    data = encoded(image, kind)
    assert_equal_within(read_gray(data), luminance(opened(data)), 1)


def test_cmyk_jpeg_is_within_rounding_of_pillows():
    data = encoded(Image.fromarray(COLOR).convert("CMYK"), "JPEG", quality=95)
    assert_equal_within(read_gray(data), luminance(opened(data)), 2)


def test_colour_is_luminance_by_bt601():
    for color, weight in (((255, 0, 0), 0.299), ((0, 255, 0), 0.587), ((0, 0, 255), 0.114)):
        out = read_gray(encoded(Image.new("RGB", (40, 40), color), "PNG"))
        assert np.abs(out - 255 * weight).max() <= 0.5


def test_a_path_and_its_bytes_are_the_same_image_whatever_the_suffix(tmp_path):
    data = encoded(COLOR, "PNG")
    (tmp_path / "named-wrong.jpg").write_bytes(data)
    expected = read_gray(data)
    np.testing.assert_array_equal(read_gray(tmp_path / "named-wrong.jpg"), expected)
    np.testing.assert_array_equal(read_gray(str(tmp_path / "named-wrong.jpg")), expected)


# ---- bit depth


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_gray_of_v_times_257_is_v(kind):
    data = encoded(Image.fromarray((RAMP * 257).astype(np.uint16)), kind)
    assert opened(data).mode == "I;16"
    np.testing.assert_array_equal(read_gray(data), RAMP)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_fewer_bits_in_16_are_scaled_by_the_range_of_their_depth(kind, bits):
    full = (1 << bits) - 1
    samples = np.linspace(0, full, HEIGHT * WIDTH).round().astype(np.uint16).reshape(HEIGHT, WIDTH)
    out = read_gray(encoded(Image.fromarray(samples), kind))
    assert np.abs(out - samples * (255 / full)).max() <= 0.5 + 1e-6


def test_the_depth_is_the_smallest_that_holds_the_largest_sample():
    samples = np.zeros((40, 40), np.uint16)
    for peak, full in ((255, 255), (256, 1023), (4095, 4095), (4096, 16383), (16384, 65535)):
        samples[0, :2] = peak
        assert read_gray(encoded(Image.fromarray(samples), "PNG"))[0, 0] == round(peak * 255 / full)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_one_sample_in_a_thousand_above_the_depth_is_white_and_changes_nothing(kind, bits):
    full = (1 << bits) - 1
    samples = np.linspace(0, full, HEIGHT * WIDTH).round().astype(np.uint16).reshape(HEIGHT, WIDTH)
    expected = read_gray(encoded(Image.fromarray(samples), kind))
    odd = samples.copy()
    odd.flat[: samples.size // 1000] = 65535
    out = read_gray(encoded(Image.fromarray(odd), kind))
    assert (out.flat[: samples.size // 1000] == 255).all()
    np.testing.assert_array_equal(out.flat[samples.size // 1000 :], expected.flat[samples.size // 1000 :])
    odd.flat[: samples.size // 1000 + 1] = 65535
    assert read_gray(encoded(Image.fromarray(odd), kind)).flat[-1] == round(full * 255 / 65535)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channel", range(3))
def test_the_depth_of_colour_is_that_of_the_largest_sample_not_of_the_luminance(suffix, channel):
    bgr = np.zeros((64, 64, 3), np.uint16)
    bgr[..., channel] = 32768
    weight = (0.114, 0.587, 0.299)[channel]
    out = read_gray(cv2.imencode(suffix, bgr)[1].tobytes())
    assert np.abs(out - 32768 * weight * 255 / 65535).max() <= 0.6


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_colour_is_luminance_of_the_high_bytes(suffix):
    bgr = COLOR[..., ::-1]
    data = cv2.imencode(suffix, bgr.astype(np.uint16) * 257)[1].tobytes()
    assert_equal_within(read_gray(data), luminance(Image.fromarray(COLOR)), 1)


def test_black_16_bit_stays_black():
    assert not read_gray(encoded(Image.fromarray(np.zeros((40, 40), np.uint16)), "PNG")).any()


def test_a_big_endian_tiff_is_read():
    """Written by hand: 16-bit, one strip, TIFF 6.0 section 2."""
    samples = (RAMP * 257).astype(">u2").tobytes()
    tags = [(256, WIDTH), (257, HEIGHT), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, HEIGHT)]
    entries = b"".join(struct.pack(">HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    entries += struct.pack(">HHII", 279, 4, 1, len(samples))
    directory = struct.pack(">H", len(tags) + 1) + entries + bytes(4)
    data = b"MM" + struct.pack(">HI", 42, 8 + len(samples)) + samples + directory
    np.testing.assert_array_equal(read_gray(data), RAMP)


# ---- alpha


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True}), ("WEBP", {"quality": 95})],
)
def test_colour_alpha_is_composited_on_black(kind, options):
    data = encoded(np.dstack([COLOR, ALPHA]), kind, **options)
    assert_equal_within(read_gray(data), luminance(opened(data)), 2)


def test_gray_alpha_is_composited_on_black():
    data = encoded(Image.merge("LA", (Image.fromarray(GRAY), Image.fromarray(ALPHA))), "PNG")
    assert_equal_within(read_gray(data), np.rint(GRAY * (ALPHA / 255)).astype(int), 1)


def test_a_transparent_palette_entry_is_black():
    data = encoded(Image.fromarray(COLOR).quantize(16), "PNG", transparency=3)
    expected = luminance(opened(data))
    assert (expected == 0).any()
    assert_equal_within(read_gray(data), expected, 1)


def test_a_transparent_colour_key_is_black():
    white = COLOR.copy()
    white[10:50, 20:40] = 255
    out = read_gray(encoded(white, "PNG", transparency=(255, 255, 255)))
    assert not out[10:50, 20:40].any()
    assert_equal_within(out[60:], luminance(Image.fromarray(COLOR))[60:], 1)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_alpha_is_composited_on_black(kind):
    samples = np.dstack([RAMP * 257] * 3 + [np.full_like(RAMP, 32768)]).astype(np.uint16)
    samples[0, 0] = 65535
    out = read_gray(tiff.written(samples) if kind == "TIFF" else cv2.imencode(".png", samples)[1].tobytes())
    assert out[0, 0] == 255
    assert np.abs(out.astype(int) - RAMP * (32768 / 65535)).flat[1:].max() <= 1


@pytest.mark.parametrize("fourth", [0, 255])
def test_the_fourth_byte_of_a_32_bit_bmp_is_no_alpha(fourth):
    rgba = np.dstack([COLOR, np.full_like(GRAY, fourth)])
    data = encoded(rgba, "BMP")
    assert int.from_bytes(data[28:30], "little") == 32
    assert_equal_within(read_gray(data), luminance(Image.fromarray(COLOR)), 1)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_alpha_and_rotation_are_both_applied(kind, turn):
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(np.dstack([COLOR, ALPHA]), kind, exif=oriented(turn), **options)
    assert_equal_within(read_gray(data), luminance(ImageOps.exif_transpose(opened(data))), 2)


# ---- orientation


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", {"quality": 95}), ("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})]
)
@pytest.mark.parametrize("pixels", [GRAY, COLOR], ids=["gray", "colour"])
def test_exif_orientation_is_applied(kind, options, turn, pixels):
    data = encoded(pixels, kind, exif=oriented(turn), **options)
    expected = luminance(ImageOps.exif_transpose(opened(data)))
    assert expected.shape == ((HEIGHT, WIDTH) if turn < 5 else (WIDTH, HEIGHT))
    assert_equal_within(read_gray(data), expected, 1)


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_is_applied_to_16_bits(turn):
    data = encoded(Image.fromarray((RAMP * 257).astype(np.uint16)), "PNG", exif=oriented(turn))
    upright = ImageOps.exif_transpose(opened(encoded(RAMP.astype(np.uint8), "PNG", exif=oriented(turn))))
    np.testing.assert_array_equal(read_gray(data), np.asarray(upright))


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_is_applied_to_a_reduced_decode(turn):
    image = Image.fromarray(draw_phantom("Focal", 520, np.random.default_rng(3))[:, :400].copy())
    data = encoded(image, "JPEG", quality=95, exif=oriented(turn))
    reduced = read_gray(data, shrink_to=(48, 48))
    expected = luminance(ImageOps.exif_transpose(opened(data)))
    assert reduced.shape == tuple(side // 4 for side in expected.shape)
    resized = cv2.resize(expected.astype(np.uint8), reduced.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(reduced.astype(float) - resized).mean() < 1


# ---- reduced decoding


def difference_of_reduced(pixels: np.ndarray, side: int, quality: int = 90) -> tuple[float, tuple[int, ...]]:
    """Mean absolute difference to the full decode after the resize, and the shape that was decoded."""
    data = encoded(pixels, "JPEG", quality=quality)
    reduced = read_gray(data, shrink_to=(side, side))
    full = np.asarray(opened(data).convert("L"))
    small, expected = (
        cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA).astype(float) for one in (reduced, full)
    )
    return float(np.abs(small - expected).mean()), reduced.shape


@pytest.mark.parametrize(
    ("shape", "decoded"),
    [
        ((2048, 2048), (512, 512)),
        ((1500, 2000), (750, 1000)),
        ((1000, 1000), (500, 500)),
        ((4000, 3600), (500, 450)),
        ((895, 895), (895, 895)),
    ],
)
def test_reduced_decode_stays_within_one_gray_level(shape, decoded):
    phantom = draw_phantom("Reticular", max(shape), np.random.default_rng(4))[: shape[0], : shape[1]]
    difference, found = difference_of_reduced(phantom.copy(), 224)
    assert found == decoded
    assert difference <= 1


def test_reduced_decode_of_colour_stays_within_one_gray_level():
    channels = [draw_phantom(name, 1024, np.random.default_rng(5)) for name in ("Clear", "Focal", "Diffuse")]
    difference, found = difference_of_reduced(np.dstack(channels), 224)
    assert found == (512, 512)
    assert difference <= 1


def test_reduced_decode_of_real_x_rays_stays_within_one_gray_level(shared):
    folders = sorted(path for path in (shared / "data" / "cxr").iterdir() if path.is_dir())
    files = [file for folder in folders for file in sorted(folder.iterdir())[:2]]
    assert len(files) >= 4
    for file in files:
        large = Image.open(file).convert("L").resize((2048, 2048), Image.Resampling.BICUBIC)
        difference, found = difference_of_reduced(np.asarray(large), 224)
        assert found == (512, 512)
        assert difference <= 1, file


def test_only_jpeg_is_reduced():
    assert read_gray(encoded(np.zeros((512, 512), np.uint8), "PNG"), shrink_to=(32, 32)).shape == (512, 512)


# ---- bad input


def assert_one_sentence(error: FreezenetError) -> None:
    text = str(error)
    assert " is required" in text
    assert ". Got: " in text
    assert text.endswith(".")
    assert "\n" not in text


def refusal(source) -> str:
    with pytest.raises(FreezenetError) as caught:
        read_gray(source)
    assert_one_sentence(caught.value)
    return str(caught.value)


def test_a_folder_a_missing_and_an_empty_file_are_named(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    assert "a folder" in refusal(tmp_path)
    assert f"no such file: {str(tmp_path / 'missing.png')!r}" in refusal(tmp_path / "missing.png")
    assert repr(str(tmp_path)) in refusal(tmp_path)
    assert "what can be no file's name: 'a\\x00b'" in refusal("a\0b")
    assert "0 bytes" in refusal(tmp_path / "empty.png")
    assert "0 bytes" in refusal(b"")


# ---- one picture


@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_of_several_pages_is_refused_and_their_number_said(big):
    one, other = Image.fromarray(GRAY), Image.fromarray(COLOR)
    data = encoded(one, "TIFF", save_all=True, append_images=[other, one], big_tiff=big)
    assert "A TIFF with one picture is required. Got: 3 pages" in refusal(data)


def pages_of_kinds(images: list[np.ndarray], kinds: list[int]) -> bytes:
    """A TIFF of pages with these values of NewSubfileType."""
    first, *others = [Image.fromarray(one) for one in images]
    data = bytearray(encoded(first, "TIFF", save_all=True, append_images=others, tiffinfo={254: 7}))
    at = 4
    for kind in kinds:
        start = int.from_bytes(data[at : at + 4], "little")
        count = int.from_bytes(data[start : start + 2], "little")
        entries = range(start + 2, start + 2 + 12 * count, 12)
        entry = next(entry for entry in entries if data[entry : entry + 2] == b"\xfe\0")
        data[entry + 8 : entry + 12] = kind.to_bytes(4, "little")
        at = start + 2 + 12 * count
    return bytes(data)


@pytest.mark.parametrize("kind", [1, 4, 5])
def test_a_preview_or_mask_behind_the_picture_is_no_page_and_none_may_stand_before_it(kind):
    small = np.ascontiguousarray(GRAY[::2, ::2])
    np.testing.assert_array_equal(read_gray(pages_of_kinds([GRAY, small], [0, kind])), GRAY)
    assert "Got: 2 pages" in refusal(pages_of_kinds([GRAY, small], [2, 0]))
    assert "Got: a preview or a mask in front of it" in refusal(pages_of_kinds([small, GRAY], [kind, 0]))
    np.testing.assert_array_equal(read_gray(pages_of_kinds([GRAY], [kind])), GRAY)


def test_directories_in_a_circle_end():
    data = bytearray(encoded(GRAY, "TIFF"))
    start = int.from_bytes(data[4:8], "little")
    entries = int.from_bytes(data[start : start + 2], "little")
    after = start + 2 + 12 * entries
    data[after : after + 4] = data[4:8]
    np.testing.assert_array_equal(read_gray(bytes(data)), GRAY)


def test_an_animated_webp_is_refused_and_a_still_one_with_an_extended_header_is_not():
    image, other = Image.fromarray(COLOR), Image.fromarray(COLOR[::-1])
    assert "Got: an animation" in refusal(encoded(image, "WEBP", save_all=True, append_images=[other]))
    exif = encoded(image, "WEBP", lossless=True, exif=oriented(1))
    assert exif[12:16] == b"VP8X"
    assert_equal_within(read_gray(exif), luminance(opened(exif)), 1)


def test_the_default_image_of_an_animated_png_is_read():
    """Where the frames are other pictures than the default image, that is what counts (APNG 1.0)."""
    image, frame = Image.fromarray(GRAY), Image.fromarray(255 - GRAY)
    for default in (True, False):
        data = encoded(image, "PNG", save_all=True, append_images=[frame, image], default_image=default)
        assert b"acTL" in data
        np.testing.assert_array_equal(read_gray(data), GRAY)
    color = Image.fromarray(COLOR)
    data = encoded(color, "PNG", save_all=True, append_images=[Image.fromarray(255 - COLOR)], default_image=True)
    assert_equal_within(read_gray(data), luminance(color), 1)


@pytest.mark.parametrize("header", range(13, 36))
def test_short_headers_of_os2_are_refused_by_their_length(header):
    data = b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + header) + struct.pack("<IIIHH", header, 64, 48, 1, 8)
    text = refusal(data + bytes(5000))
    assert f"the short header of OS/2 2.0 with {header} bytes" in text if header >= 16 else "without a size" in text


@pytest.mark.parametrize("length", [1, 2, 8, 100, 5000])
def test_zero_bytes_are_no_image(length):
    assert "cannot be decoded" in refusal(bytes(length))


@pytest.mark.parametrize("suffix", [".pgm", ".pfm", ".ras", ".hdr", ".exr", ".jp2", ".gif", ".avif"])
def test_a_format_that_is_not_ours_reaches_no_decoder(suffix, monkeypatch):
    """OpenCV would read most of these, with sizes that nobody has looked at."""
    image = GRAY.astype(np.float32) if suffix in (".pfm", ".exr", ".hdr") else GRAY
    try:
        data = cv2.imencode(suffix, np.dstack([image] * 3) if suffix in (".hdr", ".gif", ".avif") else image)[
            1
        ].tobytes()
    except cv2.error:
        pytest.skip("this OpenCV does not write it")
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder was asked"))
    assert "JPEG, PNG, TIFF, BMP, WebP or DICOM file is required" in refusal(data)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("JPEG", b"\xff\xd8\xff\xda" + bytes(100)),
        ("PNG", b"\x89PNG\r\n\x1a\n" + bytes(100)),
        ("TIFF", b"II*\0\x08\0\0\0" + bytes(100)),
        ("BMP", b"BM" + bytes(100)),
        ("WebP", b"RIFF\x64\0\0\0WEBP" + bytes(100)),
    ],
)
def test_a_header_without_a_size_reaches_no_decoder(kind, data, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder was asked"))
    assert f"A whole {kind} file is required. Got: one without a size in its header" in refusal(data)


def test_text_named_jpg_is_no_image(tmp_path):
    (tmp_path / "notes.jpg").write_text("Patient was seen on Monday.\n" * 40)
    assert "cannot be decoded" in refusal(tmp_path / "notes.jpg")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_float_tiff_is_refused(channels):
    image = np.full((64, 64, channels), 0.5, np.float32)
    assert "float32" in refusal(cv2.imencode(".tif", image, [cv2.IMWRITE_TIFF_COMPRESSION, 1])[1].tobytes())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WEBP"])
@pytest.mark.parametrize("size", [(1, 1), (31, 400), (400, 31)])
def test_too_small_is_refused_and_the_size_said(kind, size):
    assert f"{size[0]} x {size[1]}" in refusal(encoded(Image.new("L", size), kind))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WEBP"])
def test_the_smallest_allowed_side_is_read(kind):
    assert read_gray(encoded(Image.new("L", (32, 32)), kind)).shape == (32, 32)


def test_bounds_are_inclusive():
    check_size(MIN_SIDE, MIN_SIDE)
    check_size(10_000, MAX_PIXELS // 10_000)
    for size in ((MIN_SIDE - 1, 500), (500, MIN_SIDE - 1), (10_000, MAX_PIXELS // 10_000 + 1), (0, 0)):
        with pytest.raises(FreezenetError):
            check_size(*size)


def test_400_megapixels_of_png_are_refused_before_they_are_decoded(monkeypatch):
    data = cv2.imencode(".png", np.zeros((20_000, 20_000), np.uint8))[1].tobytes()
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder was asked"))
    assert "20000 x 20000; scale it down" in refusal(data)


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("TIFF", "RGB"), ("WEBP", "RGB"), ("BMP", "RGB")]
)
def test_channels_count_towards_the_largest_size(kind, mode, monkeypatch):
    monkeypatch.setattr("freezenet.edge_runtime.images.limits.MAX_PIXELS", 2 * 64 * 64)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder was asked"))
    said = refusal(encoded(Image.new(mode, (64, 64)), kind))
    assert "64 x 64 with" in said


def test_a_colour_jpeg_is_decoded_to_gray_and_counts_as_gray(monkeypatch):
    monkeypatch.setattr("freezenet.edge_runtime.images.limits.MAX_PIXELS", 2 * 64 * 64)
    assert read_gray(encoded(Image.new("RGB", (64, 64)), "JPEG")).shape == (64, 64)


def test_large_tiles_are_refused_before_they_are_decoded(monkeypatch):
    data = tiff.written(GRAY[..., None], tile=16)
    at = data.index(struct.pack("<HHI", 322, 4, 1)) + 8
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder was asked"))
    assert "tiles of at most 100 megapixels" in refusal(data[:at] + struct.pack("<I", 1 << 28) + data[at + 4 :])


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tiff_of_gray_with_alpha_is_refused(dtype, planes):
    """OpenCV drops its alpha, and of 16 bits the lower eight."""
    assert "gray with alpha" in refusal(tiff.written(np.dstack([GRAY, ALPHA]).astype(dtype), planes=planes))


def test_a_png_that_promises_more_than_the_file_holds_takes_no_memory(monkeypatch):
    data = bytearray(encoded(GRAY, "PNG"))
    at = data.index(b"IDAT") - 4
    data[at : at + 4] = struct.pack(">I", 750_000_000)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder was asked"))
    assert "A whole PNG" in refusal(bytes(data))


def lying(kind: str, side: int) -> bytes:
    """An image of WIDTH x HEIGHT whose header says side x side."""
    data = bytearray(encoded(GRAY, kind))
    if kind == "JPEG":
        at = data.index(b"\xff\xc0")
        data[at + 5 : at + 9] = struct.pack(">HH", side, side)
    elif kind == "BMP":
        data[18:26] = struct.pack("<ii", side, side)
    elif kind == "WEBP":
        data = bytearray(encoded(GRAY, kind, lossless=True))
        data[21:25] = struct.pack(
            "<I", int.from_bytes(data[21:25], "little") >> 28 << 28 | (side - 1) << 14 | (side - 1)
        )
    elif kind == "PNG":
        data[16:24] = struct.pack(">II", side, side)
    else:
        at = int.from_bytes(data[4:8], "little")
        for entry in range(at + 2, at + 2 + 12 * int.from_bytes(data[at : at + 2], "little"), 12):
            if int.from_bytes(data[entry : entry + 2], "little") in (256, 257):
                data[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, side)
    return bytes(data)


@pytest.mark.parametrize(
    ("kind", "side"), [("JPEG", 20_000), ("PNG", 20_000), ("TIFF", 20_000), ("BMP", 20_000), ("WEBP", 16_000)]
)
def test_a_header_that_promises_hundreds_of_megapixels_is_refused_before_decoding(kind, side, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder was asked"))
    assert f"{side} x {side}" in refusal(lying(kind, side))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_a_header_that_promises_more_rows_than_there_are_is_refused(kind):
    refusal(lying(kind, 400))


@pytest.mark.parametrize(("kind", "options"), FORMATS)
@pytest.mark.parametrize("pixels", [GRAY, COLOR], ids=["gray", "colour"])
def test_a_truncated_file_is_refused(kind, options, pixels):
    """A file that lost nothing but padding may be read, if every pixel is right."""
    data = encoded(pixels, kind, **options)
    whole = read_gray(data)
    for keep in (
        1,
        2,
        4,
        10,
        24,
        26,
        60,
        *(len(data) * tenth // 10 for tenth in range(1, 10)),
        *range(-40, 0),
    ):
        try:
            out = read_gray(data[:keep])
        except FreezenetError as error:
            assert_one_sentence(error)
        else:
            assert kind == "TIFF", keep
            assert -8 < keep < 0
            np.testing.assert_array_equal(out, whole)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_cut_by_two_bytes_is_said_to_be_truncated(progressive):
    data = encoded(COLOR, "JPEG", progressive=progressive)
    assert "truncated" in refusal(data[:-2])
    assert "truncated" in refusal(data[: len(data) // 2])


def test_a_jpeg_padded_with_zeros_after_a_cut_is_refused():
    data = encoded(COLOR, "JPEG")
    refusal(data[: len(data) // 2] + bytes(len(data) // 2))


def with_thumbnail() -> tuple[bytes, int]:
    """A JPEG with a whole JPEG in its EXIF segment, and where the main image's own segments begin."""
    exif = b"Exif\0\0II*\0" + struct.pack("<IHI", 8, 0, 0) + encoded(GRAY[:48, :48], "JPEG")
    main = encoded(GRAY, "JPEG", quality=95)
    head = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    return head + main[2:], len(head)


def test_a_jpeg_with_a_thumbnail_is_read_as_the_main_image():
    data, _ = with_thumbnail()
    assert_equal_within(read_gray(data), luminance(opened(data)), 1)


def test_a_truncated_jpeg_is_refused_although_its_thumbnail_is_whole():
    data, start = with_thumbnail()
    for keep in (start, start + 30, start + 300, (start + len(data)) // 2, len(data) - 100, len(data) - 2):
        refusal(data[:keep])


SMALL = {
    kind: encoded(COLOR[:40, :40].copy() if kind != "BMP" else GRAY[:40, :40].copy(), kind)
    for kind in ("JPEG", "PNG", "TIFF", "BMP", "WEBP")
}


@pytest.mark.parametrize("kind", sorted(SMALL))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    keep=st.floats(0.3, 1),
    headward=st.booleans(),
)
def test_damaged_bytes_give_gray_values_or_one_sentence(kind, changes, keep, headward):
    data = bytearray(SMALL[kind])
    for where, value in changes:
        data[int(where * (min(64, len(data)) if headward else len(data)))] = value
    try:
        out = read_gray(bytes(data[: int(len(data) * keep) or 1]), shrink_to=(32, 32))
    except FreezenetError as error:
        assert_one_sentence(error)
    else:
        assert out.dtype == np.uint8
        assert out.ndim == 2
        check_size(out.shape[1], out.shape[0])


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"BM", b"RIFF"]),
    st.binary(max_size=200),
)
def test_random_bytes_are_no_image(magic, rest):
    with pytest.raises(FreezenetError) as caught:
        read_gray(magic + rest)
    assert_one_sentence(caught.value)


def test_the_memory_of_one_image_serves_the_next(tmp_path):
    """Page faults of a fresh process: 64 pages of 4 KiB hold a 512 x 512 image."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("only glibc's threshold is known")
    file = tmp_path / "a.jpg"
    cv2.imwrite(str(file), cv2.resize(GRAY, (512, 512)))
    code = (
        "import resource, sys; from freezenet.edge_runtime.images.reader import read_gray\n"
        "from freezenet.edge_runtime.system.start import prepare_process; prepare_process()\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(5): read_gray(sys.argv[1])\n"
        "before = faults()\n"
        "for _ in range(50): read_gray(sys.argv[1])\n"
        "print(faults() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(done.stdout) < 50 * 8
