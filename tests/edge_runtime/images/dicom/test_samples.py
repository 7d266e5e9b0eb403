"""Depth and sign that contradict the samples: read truly, or refused."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest
from pydicom import uid

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.dicom.samples import OVERLAY_BITS, Codestream, SampleFormat, check_unused_bits
from freezenet.edge_runtime.images.reader import read_gray

#: Each value of 12 bits, unsigned and with a sign.
UNSIGNED = np.arange(4096, dtype=np.uint16).reshape(64, 64)
SIGNED = (UNSIGNED.astype(int) - 2048).astype(np.int16)
ENCODERS = {
    uid.JPEG2000Lossless: lambda pixels, bits: imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="J2K", bitspersample=bits),
    uid.JPEGLossless: lambda pixels, bits: imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1, bitspersample=bits),
    uid.JPEGLSLossless: lambda pixels, bits: imagecodecs.jpegls_encode(pixels),
}  # fmt: skip
STREAMS = pytest.mark.parametrize("syntax", ENCODERS, ids=lambda syntax: syntax.name.partition(" (")[0])


def made(dicom, pixels, syntax, depth, *, stored, sign, **tags) -> bytes:
    frame = ENCODERS[syntax](pixels, depth)
    return dicom(pixels, syntax, frame, BitsStored=stored, HighBit=stored - 1, PixelRepresentation=sign, **tags)


def refusal(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        read_gray(data)
    return str(caught.value)


@pytest.mark.parametrize("stored", [8, 10, 11, 12, 14, 16])
@pytest.mark.parametrize("sign", [0, 1])
@STREAMS
def test_no_depth_in_the_tags_wraps_a_value_around(dicom, syntax, stored, sign):
    """What is shown of positive values rises with them, or nothing is shown."""
    data = made(dicom, UNSIGNED, syntax, 12, stored=stored, sign=sign)
    try:
        gray = read_gray(data)
    except DataError as error:
        assert "'Bits Stored'" in str(error)
        return
    if sign and stored == 12:  # two's complement by the tags: 0..2047, then -2048..-1
        gray = np.roll(gray.ravel(), 2048)
    assert (np.diff(gray.ravel().astype(int)) >= 0).all()


@pytest.mark.parametrize("stored", [10, 12, 14, 16])
def test_jpeg_2000_with_a_sign_is_read_by_its_own_depth(dicom, stored):
    data = made(dicom, SIGNED, uid.JPEG2000Lossless, 12, stored=stored, sign=1)
    np.testing.assert_array_equal(
        read_gray(data), read_gray(dicom(SIGNED, BitsStored=12, HighBit=11, PixelRepresentation=1))
    )


def test_jpeg_2000_with_a_sign_that_the_tags_deny_is_read_where_nothing_is_negative(dicom):
    text = refusal(made(dicom, SIGNED, uid.JPEG2000Lossless, 12, stored=12, sign=0))
    assert "1 in (0028,0103) 'Pixel Representation', as the JPEG 2000 image with signed samples of 12 bits says" in text
    positive = np.maximum(SIGNED, 0)
    np.testing.assert_array_equal(
        read_gray(made(dicom, positive, uid.JPEG2000Lossless, 12, stored=12, sign=0)),
        read_gray(dicom(positive.astype(np.uint16), BitsStored=12, HighBit=11)),
    )


def test_jpeg_2000_without_the_sign_of_the_tags_is_twos_complement_of_the_stored_bits_alone(dicom):
    text = refusal(made(dicom, UNSIGNED, uid.JPEG2000Lossless, 12, stored=14, sign=1))
    assert "Got: 1 with 14 in (0028,0101) 'Bits Stored'" in text
    low = UNSIGNED // 2
    np.testing.assert_array_equal(
        read_gray(made(dicom, low, uid.JPEG2000Lossless, 12, stored=14, sign=1)), read_gray(dicom(low))
    )


def test_lossy_jpeg_has_no_sign(dicom):
    frame = imagecodecs.jpeg8_encode(UNSIGNED, level=98, bitspersample=12)
    tags = {"BitsStored": 12, "HighBit": 11}
    text = refusal(dicom(UNSIGNED, uid.JPEGExtended12Bit, frame, PixelRepresentation=1, **tags))
    assert "0 in (0028,0103) 'Pixel Representation', as the JPEG image with unsigned samples of 12 bits says" in text
    assert read_gray(dicom(UNSIGNED, uid.JPEGExtended12Bit, frame, **tags)).max() == 255


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.RLELossless, uid.ExplicitVRBigEndian])
def test_more_bits_than_stored_are_refused_unless_a_tag_says_what_they_are(dicom, syntax):
    tags = {"BitsStored": 10, "HighBit": 9}
    assert "Values of 10 bits up to bit 9" in refusal(dicom(UNSIGNED, syntax, **tags))
    few = np.where(UNSIGNED < 4092, UNSIGNED % 1024, UNSIGNED)  # 4 of 4096
    assert read_gray(dicom(few, syntax, **tags)).shape == (64, 64)
    padded = np.where(UNSIGNED < 1024, UNSIGNED, 0xFFF0).astype(np.uint16)
    for padding in ({"PixelPaddingValue": 0xFFF0}, {"PixelPaddingValue": 0xFFFF, "PixelPaddingRangeLimit": 0xFF00}):
        gray = read_gray(dicom(padded, syntax, **padding, **tags)).ravel()
        np.testing.assert_array_equal(gray[:1024], np.rint(np.arange(1024) * 255 / 1023))
        assert (gray[1024:] == 0).all()
    with pytest.raises(DataError):
        read_gray(dicom(padded, syntax, PixelPaddingValue=0xFFF1, **tags))
    # A sign that goes on above the value is no other bit.
    signed = dicom(SIGNED // 2, syntax, BitsStored=12, HighBit=11, PixelRepresentation=1)
    assert np.ptp(read_gray(signed)) > 100


@pytest.mark.parametrize(("allocated", "segments"), [(8, 2), (16, 1), (16, 3)])
def test_run_lengths_with_another_number_of_segments_than_bytes_are_refused(dicom, allocated, segments):
    pixels = UNSIGNED if allocated == 16 else UNSIGNED.astype(np.uint8)
    plane = imagecodecs.packbits_encode(UNSIGNED.astype(np.uint8).tobytes())
    plane += bytes(len(plane) % 2)
    starts = [64 + at * len(plane) for at in range(segments)]
    frame = struct.pack("<16L", segments, *starts, *[0] * (15 - segments)) + plane * segments
    assert "A whole RLE image" in refusal(dicom(pixels, uid.RLELossless, frame))


def test_unused_bits_by_hand():
    from pydicom.dataset import Dataset

    form = SampleFormat(12, 11, signed=False)
    check_unused_bits(np.full((40, 40), 0x0FFF, np.uint16), form, Dataset())
    with pytest.raises(DataError):
        check_unused_bits(np.full((40, 40), 0x1FFF, np.uint16), form, Dataset())
    with pytest.raises(DataError):  # a sign that goes on is 1 in all bits
        check_unused_bits(np.full((40, 40), 0xF7FF, np.uint16), SampleFormat(12, 11, signed=True), Dataset())
    check_unused_bits(np.full((40, 40), 0xF800, np.uint16), SampleFormat(12, 11, signed=True), Dataset())
    check_unused_bits(np.full((40, 40), 0xFFFF, np.uint16), SampleFormat(12, 15, signed=False), Dataset())
    with_overlay = Dataset()
    with_overlay.add_new(OVERLAY_BITS[3], "US", 12)
    check_unused_bits(np.full((40, 40), 0x1FFF, np.uint16), form, with_overlay)


def test_a_stream_says_its_own_depth():
    stream = Codestream("JPEG 2000", 64, 64, 1, 12)
    assert stream.form(SampleFormat(10, 9, signed=False)) == SampleFormat(12, 11, signed=False)
    assert Codestream("JPEG-LS", 64, 64, 1, 12).form(SampleFormat(10, 9, signed=False)).bits == 10
