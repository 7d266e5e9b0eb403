"""Rescale, tables, windows, polarity and padding against hand-computed values, pydicom's own functions and DCMTK."""

from __future__ import annotations

import io
import shutil
import subprocess

import cv2
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.dicom.samples import SampleFormat
from freezenet.edge_runtime.images.reader import read_gray

#: Each value of 12 bits once.
RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def table(entries: np.ndarray, offset: int = 0, bits: int = 16) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries) % 65536, offset, bits]
    item.LUTData = entries.astype("<u2").tobytes()
    item["LUTData"].VR = "OW"
    return item


def by_pydicom(data: bytes) -> np.ndarray:
    """The same steps for each pixel: modality, values of interest, range of the output to 0..255."""
    found = dcmread(io.BytesIO(data))
    values = apply_voi_lut(apply_modality_lut(found.pixel_array, found), found)
    slope, intercept = float(found.get("RescaleSlope", 1)), float(found.get("RescaleIntercept", 0))
    ends = np.array([0, (1 << found.BitsStored) - 1]) * slope + intercept
    gray = (values - ends[0]) / (ends[1] - ends[0]) * 255
    return np.rint(255 - gray if found.PhotometricInterpretation == "MONOCHROME1" else gray)


# ---- the window


def test_linear_window_by_hand(dicom):
    # PS3.3, C.11.2.1.2.1, note 1: c = 2048, w = 4096 gives the full range of 12 bits.
    gray = read_gray(dicom(RAMP, BitsStored=12, HighBit=11, WindowCenter=2048, WindowWidth=4096))
    np.testing.assert_array_equal(gray, np.rint(RAMP * (255 / 4095)))
    # Center 1000, width 101: 0 up to 949.5, 255 above 1049.5, a straight line between.
    gray = read_gray(dicom(RAMP, WindowCenter=1000, WindowWidth=101)).ravel()
    assert (gray[:950] == 0).all()
    assert (gray[1050:] == 255).all()
    assert [gray[value] for value in (960, 1000, 1040)] == [27, 129, 231]  # 255 * (10.5, 50.5, 90.5) / 100, rounded


def test_exact_and_sigmoid_windows_by_hand(dicom):
    exact = read_gray(dicom(RAMP, WindowCenter=2048, WindowWidth=2048, VOILUTFunction="LINEAR_EXACT"))
    np.testing.assert_array_equal(exact, np.rint(np.clip((RAMP - 2048.0) / 2048 + 0.5, 0, 1) * 255))
    sigmoid = read_gray(dicom(RAMP, WindowCenter=2048, WindowWidth=1000, VOILUTFunction="SIGMOID"))
    np.testing.assert_array_equal(sigmoid, np.rint(255 / (1 + np.exp(-4 * (RAMP - 2048.0) / 1000))))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("slope", [1, 0.25, 2, -1])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_rescale_then_window_then_polarity_as_pydicom_does_it(dicom, photometric, slope, function):
    data = dicom(
        RAMP,
        BitsStored=12,
        HighBit=11,
        PhotometricInterpretation=photometric,
        RescaleSlope=slope,
        RescaleIntercept=-100,
        WindowCenter=1800 * slope - 100,
        WindowWidth=1500,
        VOILUTFunction=function,
    )
    # A step of rounding where the reference lies on a tie.
    np.testing.assert_allclose(read_gray(data), by_pydicom(data), atol=1)


def test_the_first_of_several_windows_counts(dicom):
    both = dicom(RAMP, WindowCenter=[1000, 3000], WindowWidth=[500, 100])
    np.testing.assert_array_equal(read_gray(both), read_gray(dicom(RAMP, WindowCenter=1000, WindowWidth=500)))


@pytest.mark.parametrize("tags", [{"WindowCenter": 0, "WindowWidth": 0}, {"WindowCenter": 5}, {"WindowWidth": 9}])
def test_half_a_window_and_one_of_width_0_are_none(dicom, tags):
    np.testing.assert_array_equal(read_gray(dicom(RAMP, **tags)), read_gray(dicom(RAMP)))


def test_an_unknown_function_is_refused(dicom):
    with pytest.raises(FreezenetError, match=r"\(0028,1056\) 'VOI LUT Function' is required\. Got: 'CUBIC'"):
        read_gray(dicom(RAMP, WindowCenter=5, WindowWidth=9, VOILUTFunction="CUBIC"))


# ---- tables


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("keyword", ["ModalityLUTSequence", "VOILUTSequence"])
def test_a_table_is_looked_up_and_its_ends_go_on(dicom, keyword, bits, syntax):
    curve = np.rint(np.linspace(0, 1, 2000) ** 0.5 * ((1 << bits) - 1))
    gray = read_gray(dicom(RAMP, syntax, BitsStored=12, HighBit=11, **{keyword: [table(curve, 1000, bits)]}))
    expected = curve[np.clip(RAMP.astype(int) - 1000, 0, 1999)] * (255 / ((1 << bits) - 1))
    np.testing.assert_allclose(gray, expected, atol=0.501)


def test_a_table_that_overstates_its_bits_is_not_darkened(dicom):
    curve = np.arange(1024)
    for keyword in ("ModalityLUTSequence", "VOILUTSequence"):
        gray = read_gray(dicom(RAMP[:32] % 1024, **{keyword: [table(curve, bits=16)]}))
        np.testing.assert_array_equal(gray, np.rint(RAMP[:32] % 1024 * (255 / 1023)))


def test_a_voi_table_goes_before_a_window_and_behind_the_rescale(dicom):
    curve = np.linspace(255, 0, 256)
    tags = {"RescaleSlope": 0.0625, "RescaleIntercept": 0, "VOILUTSequence": [table(curve, 0, 8)]}
    gray = read_gray(dicom(RAMP, WindowCenter=5, WindowWidth=9, **tags))
    np.testing.assert_array_equal(gray, 255 - np.rint(RAMP * 0.0625).clip(0, 255))


def test_packed_8_bit_entries_and_single_numbers_are_read(dicom):
    packed = table(np.zeros(256))
    packed.LUTDescriptor, packed.LUTData = [256, 0, 8], np.arange(256, dtype=np.uint8)[::-1].tobytes()
    np.testing.assert_array_equal(
        read_gray(dicom(RAMP % 256, VOILUTSequence=[packed])), 255 - (RAMP % 256).astype(np.uint8)
    )
    words = table(np.arange(300)[::-1])
    words["LUTData"].VR, words.LUTData = "US", list(range(299, -1, -1))
    plain = table(np.arange(300)[::-1])
    np.testing.assert_array_equal(
        read_gray(dicom(RAMP, VOILUTSequence=[words])), read_gray(dicom(RAMP, VOILUTSequence=[plain]))
    )


@pytest.mark.parametrize("keyword", ["ModalityLUTSequence", "VOILUTSequence"])
def test_a_damaged_table_is_refused(dicom, keyword):
    short = table(np.arange(200))
    short.LUTDescriptor = [4096, 0, 16]
    empty = Dataset()
    empty.LUTDescriptor = [4, 0, 16]
    for damaged in (short, empty):
        with pytest.raises(FreezenetError, match=r"\(0028,3006\) 'LUT Data', as \(0028,3002\) 'LUT Descriptor' desc"):
            read_gray(dicom(RAMP, **{keyword: [damaged]}))


# ---- without a window


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_without_a_window_the_gray_values_are_those_of_a_png(dicom, bits):
    pixels = (np.random.default_rng(bits).random((90, 70)) * ((1 << bits) - 1)).astype(np.uint16)
    pixels[0, 0] = (1 << bits) - 1
    png = read_gray(cv2.imencode(".png", pixels)[1].tobytes())
    for tags in ({}, {"BitsStored": bits, "HighBit": bits - 1}, {"RescaleSlope": 2, "RescaleIntercept": -1024}):
        np.testing.assert_array_equal(read_gray(dicom(pixels, **tags)), png)
    np.testing.assert_array_equal(read_gray(dicom(pixels, PhotometricInterpretation="MONOCHROME1")), 255 - png)
    np.testing.assert_array_equal(read_gray(dicom(pixels, RescaleSlope=-1, RescaleIntercept=0)), 255 - png)


def test_signed_values_become_the_range_of_their_bits(dicom):
    signed = RAMP.astype(np.int16) - 2048
    np.testing.assert_array_equal(read_gray(dicom(signed)), np.rint(RAMP * (255 / 4095)))
    # Without negative values there is no need of the lower half.
    np.testing.assert_array_equal(read_gray(dicom(RAMP.astype(np.int16))), np.rint(RAMP * (255 / 4095)))


def test_a_slope_of_0_and_what_is_no_number_are_refused(dicom):
    with pytest.raises(FreezenetError, match=r"\(0028,1053\) 'Rescale Slope' is required\. Got: 0"):
        read_gray(dicom(RAMP, RescaleSlope=0, RescaleIntercept=0))
    for wrong in (b"1.2.3 ", b"abc ", b"nan ", b"inf ", b"1e99"):
        data = dicom(RAMP, RescaleSlope=1, RescaleIntercept="1234").replace(b"1234", wrong[:4])
        with pytest.raises(FreezenetError, match=r"\(0028,1052\) 'Rescale Intercept' is required\. Got: "):
            read_gray(data)


@pytest.mark.parametrize("keyword", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize("window", [{}, {"WindowCenter": 500, "WindowWidth": 1001}])
def test_an_empty_table_counts_as_none(dicom, keyword, window):
    named = Dataset()
    named.LUTExplanation = "none"
    for empty in ([], [Dataset()], [named]):
        np.testing.assert_array_equal(
            read_gray(dicom(RAMP, **{keyword: empty}, **window)), read_gray(dicom(RAMP, **window))
        )
    half = table(np.arange(4096))
    del half.LUTData
    with pytest.raises(FreezenetError, match="A whole table"):
        read_gray(dicom(RAMP, **{keyword: [half]}, **window))


# ---- bits and padding


def test_bits_outside_of_the_value_are_left_out(dicom):
    overlay = RAMP | np.uint16(0xA000)
    data = dcmread(io.BytesIO(dicom(overlay, BitsStored=12, HighBit=11)))
    data.add_new(0x60020102, "US", 13)
    stream = io.BytesIO()
    data.save_as(stream)
    np.testing.assert_array_equal(read_gray(stream.getvalue()), read_gray(dicom(RAMP)))
    shifted = RAMP << 4 | 5
    np.testing.assert_array_equal(read_gray(dicom(shifted, BitsStored=12, HighBit=15)), read_gray(dicom(RAMP)))


def test_stored_values_by_hand():
    codes = np.array([0x0000, 0x0FFF, 0xF7FF, 0x0800], np.uint16)
    assert SampleFormat(12, 11, signed=False).values(codes).tolist() == [0, 4095, 2047, 2048]
    assert SampleFormat(12, 11, signed=True).values(codes).tolist() == [0, -1, 2047, -2048]
    assert SampleFormat(12, 15, signed=True).values(np.array([0x7FF0, 0x8000, 0xFFFF])).tolist() == [2047, -2048, -1]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("window", [{}, {"WindowCenter": 500, "WindowWidth": 1001}])
def test_padding_is_black_and_does_not_stretch_the_range(dicom, photometric, window):
    inside = RAMP % 1001
    framed = inside.copy()
    framed[:10] = 65535
    gray = read_gray(dicom(framed, PixelPaddingValue=65535, PhotometricInterpretation=photometric, **window))
    assert (gray[:10] == 0).all()
    np.testing.assert_array_equal(
        gray[10:], read_gray(dicom(inside, PhotometricInterpretation=photometric, **window))[10:]
    )


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_padding_of_signed_images_and_ranges(dicom, syntax):
    signed = (RAMP % 1000).astype(np.int16)
    signed[:8], signed[8:16] = -2000, -1990
    gray = read_gray(dicom(signed, syntax, PixelPaddingValue=-1990, PixelPaddingRangeLimit=-2000))
    assert (gray[:16] == 0).all()
    np.testing.assert_array_equal(gray[16:], read_gray(dicom(RAMP % 1000))[16:])


def test_an_image_of_padding_alone_is_black(dicom):
    assert not read_gray(dicom(np.full((40, 40), 7, np.uint16), PixelPaddingValue=7)).any()


# ---- another implementation


@pytest.mark.skipif(shutil.which("dcm2pnm") is None, reason="DCMTK (dcm2pnm) is not installed")
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("options", "tags"),
    [
        (["+Wi", "1"], {"WindowCenter": 1500, "WindowWidth": 2500}),
        (["+Wi", "1"], {"WindowCenter": 800, "WindowWidth": 900, "RescaleSlope": 0.5, "RescaleIntercept": 100}),
        (["+Wi", "1", "+Wfs"], {"WindowCenter": 1500, "WindowWidth": 1200, "VOILUTFunction": "SIGMOID"}),
        (["+Wl", "1"], {"VOILUTSequence": [table(np.arange(4096) ** 2 // 256)]}),
        (["+Wi", "1"], {"WindowCenter": 30000, "WindowWidth": 50000,
                        "ModalityLUTSequence": [table(np.arange(4096) ** 2 // 256)]}),
        ([], {}),
    ],
)  # fmt: skip
def test_dcmtk_shows_the_same(dicom, tmp_path, photometric, options, tags):
    data = dicom(RAMP, BitsStored=12, HighBit=11, PhotometricInterpretation=photometric, **tags)
    (tmp_path / "x.dcm").write_bytes(data)
    subprocess.run(["dcm2pnm", "-q", "+obt", *options, tmp_path / "x.dcm", tmp_path / "x.bmp"], check=True)
    shown = cv2.imread(str(tmp_path / "x.bmp"), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_allclose(read_gray(data), shown.astype(int), atol=1)
