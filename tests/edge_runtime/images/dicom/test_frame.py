"""Every transfer syntax against the pixels that went in; headers that lie; damage."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom import uid

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.dicom.frame import SUPPORTED
from freezenet.edge_runtime.images.reader import read_gray

RANDOM = np.random.default_rng(5)
#: Smooth with some noise, so that each coding has something to do; odd sides.
SMOOTH = cv2.GaussianBlur(RANDOM.random((131, 97)), (0, 0), 9)
SMOOTH = (SMOOTH - SMOOTH.min()) / (SMOOTH.max() - SMOOTH.min()) * 0.98 + RANDOM.random((131, 97)) * 0.02
LOSSLESS = {
    uid.RLELossless: lambda pixels, bits: None,
    uid.JPEGLossless: lambda pixels, bits: imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=4, bitspersample=bits),
    uid.JPEGLosslessSV1: lambda pixels, bits: imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1, bitspersample=bits),
    uid.JPEGLSLossless: lambda pixels, bits: imagecodecs.jpegls_encode(pixels),
    uid.JPEG2000Lossless: lambda pixels, bits: imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="J2K", bitspersample=bits),
}  # fmt: skip
HIGH_THROUGHPUT = {uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K}
if hasattr(imagecodecs, "htj2k_encode"):  # the last version for Python 3.10 decodes it only
    LOSSLESS |= {uid.HTJ2KLossless: lambda pixels, bits: imagecodecs.htj2k_encode(pixels)}
NATIVE = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian,
          uid.DeflatedExplicitVRLittleEndian)  # fmt: skip


def pixels_of(bits: int, dtype: type | None = None) -> np.ndarray:
    return np.rint(SMOOTH * ((1 << bits) - 1)).astype(dtype or (np.uint8 if bits <= 8 else np.uint16))


def refusal(data: bytes, *facts: str) -> str:
    with pytest.raises(FreezenetError) as caught:
        read_gray(data)
    text = str(caught.value)
    assert " is required" in text
    assert ". Got: " in text
    assert text.endswith(".")
    assert "\n" not in text
    assert "Doe" not in text
    for fact in facts:
        assert fact in text, text
    return text


# ---- lossless


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("syntax", [*NATIVE, *LOSSLESS], ids=lambda syntax: syntax.name.partition(" (")[0])
def test_each_lossless_syntax_gives_the_gray_values_of_the_same_png(dicom, syntax, bits):
    pixels = pixels_of(bits)
    frame = LOSSLESS[syntax](pixels, bits) if syntax in LOSSLESS else None
    data = dicom(pixels, syntax, frame, BitsStored=bits, HighBit=bits - 1)
    np.testing.assert_array_equal(read_gray(data), read_gray(cv2.imencode(".png", pixels)[1].tobytes()))


def test_big_endian_bytes_in_words_are_put_in_order(dicom):
    pixels = pixels_of(8)[:130]
    swapped = pixels.reshape(-1, 2)[:, ::-1].reshape(pixels.shape)
    data = bytearray(dicom(swapped, uid.ExplicitVRBigEndian))
    at = data.rindex(b"\x7f\xe0\0\x10OB")
    data[at + 4 : at + 6] = b"OW"
    np.testing.assert_array_equal(read_gray(bytes(data)), pixels)


@pytest.mark.parametrize("syntax", [*NATIVE, *LOSSLESS], ids=lambda syntax: syntax.name.partition(" (")[0])
def test_signed_samples_keep_their_sign(dicom, syntax):
    signed = (pixels_of(12).astype(int) - 2048).astype(np.int16)
    # Only JPEG 2000 knows signed samples; the other codings hold the two's complement of the stored bits.
    own = syntax in (uid.JPEG2000Lossless,)
    stored = signed if own else (signed & 0x0FFF).astype(np.uint16)
    frame = LOSSLESS[syntax](stored, 12) if syntax in LOSSLESS else None
    data = dicom(stored, syntax, frame, BitsStored=12, HighBit=11, PixelRepresentation=1)
    window = dicom(
        stored, syntax, frame, BitsStored=12, HighBit=11, PixelRepresentation=1, WindowCenter=0, WindowWidth=4096
    )
    for one in (data, window):
        np.testing.assert_allclose(read_gray(one), np.rint((signed + 2048.0) * (255 / 4095)), atol=1)


@pytest.mark.skipif(shutil.which("dcmcjpeg") is None, reason="DCMTK (dcmcjpeg) is not installed")
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize(
    "encoder", [["dcmcrle"], ["dcmcjpeg", "+e1"], ["dcmcjpeg", "+el", "+sv", "6"], ["dcmcjpls"], ["dcmconv", "+tb"],
                ["dcmconv", "+td"], ["dcmconv", "-F", "+ti"]]
)  # fmt: skip
def test_what_dcmtk_encoded_is_read(dicom, tmp_path, encoder, bits):
    data = dicom(pixels_of(bits), BitsStored=bits, HighBit=bits - 1)
    (tmp_path / "in.dcm").write_bytes(data)
    subprocess.run([*encoder, tmp_path / "in.dcm", tmp_path / "out.dcm"], check=True, capture_output=True)
    np.testing.assert_array_equal(read_gray(tmp_path / "out.dcm"), read_gray(data))


# ---- lossy


def test_jpeg_is_the_gray_of_the_same_jpeg_file(dicom):
    pixels = pixels_of(8)
    for syntax, options in ((uid.JPEGBaseline8Bit, {}), (uid.JPEGExtended12Bit, {"progressive": True})):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", **options)
        np.testing.assert_array_equal(read_gray(dicom(pixels, syntax, stream.getvalue())), read_gray(stream.getvalue()))


def test_an_orientation_inside_the_frame_is_no_part_of_dicom(dicom):
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x112] = 6
    Image.fromarray(pixels_of(8)).save(stream, "JPEG", exif=exif)
    assert read_gray(dicom(pixels_of(8), uid.JPEGBaseline8Bit, stream.getvalue())).shape == SMOOTH.shape


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_near_lossless_and_lossy_codings_stay_close(dicom, bits):
    pixels = pixels_of(bits)
    frames = {
        uid.JPEGLSNearLossless: imagecodecs.jpegls_encode(pixels, level=2),
        uid.JPEG2000: imagecodecs.jpeg2k_encode(pixels, level=60, codecformat="J2K", bitspersample=bits),
    }
    for syntax, frame in frames.items():
        gray = read_gray(dicom(pixels, syntax, frame, BitsStored=bits, HighBit=bits - 1))
        np.testing.assert_allclose(gray, read_gray(cv2.imencode(".png", pixels)[1].tobytes()).astype(int), atol=3)


def test_jpeg_2000_in_the_boxes_of_a_file_is_read(dicom):
    pixels = pixels_of(12)
    frame = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="JP2", bitspersample=12)
    assert frame[4:8] == b"jP  "
    data = dicom(pixels, uid.JPEG2000Lossless, frame, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_gray(data), read_gray(dicom(pixels)))


def test_12_bit_lossy_jpeg_stays_close(dicom):
    pixels = pixels_of(12)
    frame = imagecodecs.jpeg8_encode(pixels, level=95, bitspersample=12)
    gray = read_gray(dicom(pixels, uid.JPEGExtended12Bit, frame, BitsStored=12, HighBit=11))
    np.testing.assert_allclose(gray, read_gray(cv2.imencode(".png", pixels)[1].tobytes()).astype(int), atol=3)


@pytest.mark.parametrize("padding", [b"\x20", b"\x20\0", b"\0", b"\0\0", b"\x80"])
@pytest.mark.parametrize("bits", [8, 16])
def test_padded_run_lengths_are_read(dicom, bits, padding):
    pixels = pixels_of(bits)
    planes = [(pixels >> shift).astype(np.uint8) for shift in ((0,) if bits == 8 else (8, 0))]
    segments = [imagecodecs.packbits_encode(plane.tobytes()) + padding for plane in planes]
    starts = [64, *(64 + len(segment) for segment in segments[:-1])]
    frame = struct.pack("<16L", len(segments), *starts, *[0] * (15 - len(segments))) + b"".join(segments)
    np.testing.assert_array_equal(read_gray(dicom(pixels, uid.RLELossless, frame)), read_gray(dicom(pixels)))


# ---- what is refused


def test_values_larger_than_bits_stored_are_never_cut(dicom):
    pixels = pixels_of(12)
    for syntax in (uid.JPEGLossless, uid.JPEGLSLossless):
        data = dicom(pixels, syntax, LOSSLESS[syntax](pixels, 12), BitsStored=10, HighBit=9)
        refusal(data, "10 bits, as (0028,0101) 'Bits Stored' says, is required. Got: larger ones")
    data = dicom(pixels, uid.JPEG2000Lossless, LOSSLESS[uid.JPEG2000Lossless](pixels, 12), BitsStored=10, HighBit=9)
    np.testing.assert_array_equal(read_gray(data), read_gray(dicom(pixels, BitsStored=12, HighBit=11)))


@pytest.mark.parametrize("syntax", [uid.MPEG2MPML, uid.JPEG2000MC, uid.UID("1.2.840.10008.1.2.4.94"), uid.UID("1.2.840.113619.5.2"),
                                    uid.UID("1.2.3.4.5")])  # fmt: skip
def test_other_transfer_syntaxes_are_refused_by_name(dicom, syntax):
    data = dicom(pixels_of(8), uid.JPEGBaseline8Bit, b"\0" * 200)
    length = len(uid.JPEGBaseline8Bit) + len(uid.JPEGBaseline8Bit) % 2
    old = b"\2\0\x10\0UI" + struct.pack("<H", length) + str(uid.JPEGBaseline8Bit).encode().ljust(length, b"\0")
    new = (
        b"\2\0\x10\0UI"
        + struct.pack("<H", len(syntax) + len(syntax) % 2)
        + str(syntax).encode()
        + b"\0" * (len(syntax) % 2)
    )
    assert old in data
    refusal(data.replace(old, new), "(0002,0010) 'Transfer Syntax UID' ", syntax.name[:40])


@pytest.mark.parametrize(
    ("tags", "fact"),
    [
        ({"Rows": 5000}, "97 x 5000 gray pixels"),
        ({"Columns": 50}, "50 x 131 gray pixels"),
        ({"Rows": 20}, "97 x 20"),
        ({"Rows": 60000, "Columns": 60000}, "60000 x 60000; scale it down"),
        ({"BitsAllocated": 32}, "(0028,0100) 'Bits Allocated' is required. Got: 32"),
        ({"BitsAllocated": None}, "(0028,0100) 'Bits Allocated' is required. Got: none"),
        ({"BitsStored": 17}, "Got: 17 and 15"),
        ({"HighBit": 16}, "Got: 16 and 16"),
        ({"Rows": None}, "(0028,0010) 'Rows' is required. Got: none"),
    ],
)
@pytest.mark.parametrize("syntax", [uid.JPEGLossless, uid.JPEGLSLossless, uid.JPEG2000Lossless])
def test_tags_that_the_frame_contradicts_are_refused_before_it_is_decoded(dicom, monkeypatch, syntax, tags, fact):
    pixels = pixels_of(16)
    data = dicom(pixels, syntax, LOSSLESS[syntax](pixels, 16), **tags)
    for name in ("jpeg8_decode", "jpegls_decode", "jpeg2k_decode"):
        monkeypatch.setattr(imagecodecs, name, lambda *_: pytest.fail("the decoder was asked"))
    refusal(data, fact)


def test_a_colour_codestream_below_a_gray_tag_is_refused(dicom):
    color = np.dstack([pixels_of(8)] * 3)
    stream = io.BytesIO()
    Image.fromarray(color).save(stream, "JPEG")
    refusal(dicom(pixels_of(8), uid.JPEGBaseline8Bit, stream.getvalue()), "with 3 samples of 8 bits")


def test_missing_pixels_of_an_uncompressed_image_are_refused(dicom):
    refusal(dicom(pixels_of(16), Rows=200), "38800 bytes in (7FE0,0010) 'Pixel Data' is required. Got: 25414, a trunc")
    assert read_gray(dicom(pixels_of(16), Rows=100)).shape == (100, 97)


@pytest.mark.parametrize("syntax", [*NATIVE, *LOSSLESS], ids=lambda syntax: syntax.name.partition(" (")[0])
def test_a_truncated_file_is_refused(dicom, syntax):
    pixels = pixels_of(16)
    data = dicom(pixels, syntax, LOSSLESS[syntax](pixels, 16) if syntax in LOSSLESS else None)
    for part in (0.05, 0.3, 0.6, 0.9, 0.99):
        refusal(data[: int(len(data) * part)])


@pytest.mark.parametrize("syntax", [*LOSSLESS], ids=lambda syntax: syntax.name.partition(" (")[0])
@pytest.mark.parametrize(
    "frame", [b"", b"\0", bytes(500), b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\x4f\xff\x51", b"text" * 99]
)
def test_a_frame_of_another_kind_is_refused(dicom, syntax, frame):
    refusal(dicom(pixels_of(16), syntax, frame or b"\0\0"), "(7FE0,0010) 'Pixel Data'")


def test_damaged_bytes_give_an_image_or_a_sentence(dicom):
    random = np.random.default_rng(11)
    for syntax, encode in LOSSLESS.items():
        pixels = pixels_of(16)
        whole = dicom(pixels, syntax, encode(pixels, 16))
        for _ in range(60):
            data = np.frombuffer(whole, np.uint8).copy()
            where = random.integers(132, len(data), random.integers(1, 6))
            data[where] = random.integers(0, 256, len(where))
            try:
                assert read_gray(data.tobytes(), trust_tags=False).ndim == 2
            except FreezenetError as error:
                assert ". Got: " in str(error)


def test_run_lengths_that_would_fill_the_memory_are_stopped(dicom):
    bomb = struct.pack("<16L", 2, 64, 2_000_064, *[0] * 13) + bytes([129, 7]) * 2_000_000
    refusal(dicom(pixels_of(16), uid.RLELossless, bomb), "A whole RLE image in (7FE0,0010) 'Pixel Data'")


def test_all_that_is_supported_is_tested():
    lossy = {uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless, uid.JPEG2000}
    assert {*NATIVE, *LOSSLESS, *lossy, *HIGH_THROUGHPUT} == SUPPORTED
