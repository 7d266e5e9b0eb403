"""DICOM files as a user meets them: the samples by their manifest, the command, folders, a missing package."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from pydicom import dcmread, uid
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from freezenet.cli import cli
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.bounds.memory import Place
from freezenet.edge_runtime.images.dicom import reader
from freezenet.edge_runtime.images.inputs import images_below
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.images.reader import IMAGE_SUFFIXES, read_gray

SHARED = (
    Path(os.environ.get("FREEZENET_TEST_DATA") or Path(__file__).resolve().parents[5] / "shared") / "data" / "dicom"
)
MANIFEST = list(csv.DictReader((SHARED / "manifest.csv").open(newline=""))) if SHARED.is_dir() else []
SMALL = (np.add.outer(np.arange(60), np.arange(80)) * 20).astype(np.uint16)

PIXEL_DATA = "(7FE0,0010) 'Pixel Data' is required. Got: none"
#: What each sample that is no chest X-ray is refused with; and whether it can be read without regard to its tags.
REFUSED = {
    "notchest_CR_hip_mono2_jpegext12bit.dcm": ("(0018,0015) 'Body Part Examined' is required. Got: 'HIP'", True),
    "notchest_CR_hip_mono2_jpegls.dcm": ("(0018,0015) 'Body Part Examined' is required. Got: 'HIP'", True),
    "notchest_CR_extremity_mono1_rle.dcm": ("(0018,0015) 'Body Part Examined' is required. Got: 'EXTREMITY'", True),
    "notchest_CR_extremity_mono1_jpegext12bit.dcm": (
        "(0018,0015) 'Body Part Examined' is required. Got: 'EXTREMITY'",
        True,
    ),
    "notchest_CT_signed16_jpegls.dcm": ("(0008,0060) 'Modality', is required. Got: 'CT'", True),
    "notchest_SC_rgb_uncompressed.dcm": ("(0028,0004) 'Photometric Interpretation', is required. Got: 'RGB'", False),
    "notchest_MR_multiframe10.dcm": ("1 in (0028,0008) 'Number of Frames', is required. Got: 10", False),
    "noimage_SR.dcm": (f"{PIXEL_DATA}, in Comprehensive SR Storage", False),
    "noimage_DICOMDIR": (f"{PIXEL_DATA}, in Media Storage Directory Storage", False),
}


def refusal(source, trust_tags: bool = True) -> str:
    with pytest.raises(FreezenetError) as caught:
        read_gray(source, trust_tags=trust_tags)
    text = str(caught.value)
    assert " is required" in text
    assert ". Got: " in text
    assert text.endswith(".")
    assert "\n" not in text
    return text


def rows(*left_out: str) -> pytest.MarkDecorator:
    """A case for each row of the manifest; where the samples are not here, one that the fixture `shared` skips."""
    chosen = [row for row in MANIFEST if row["file"] not in left_out]
    return pytest.mark.parametrize("row", chosen or [{}], ids=lambda row: row.get("file", "no samples"))


# ---- the samples


@rows()
def test_each_sample_is_read_or_refused_as_its_manifest_says(row, shared):
    path = shared / "data" / "dicom" / row["file"]
    if row["file"] not in REFUSED:
        assert row["modality"] == "CR"
        assert row["body_part"] in ("CHEST", "")
        gray = read_gray(path)
        assert gray.shape == (int(row["rows"]), int(row["cols"]))
        assert gray.dtype == np.uint8
        assert gray.std() > 20
        return
    sentence, readable = REFUSED[row["file"]]
    assert sentence in refusal(path)
    if readable:
        assert read_gray(path, trust_tags=False).shape == (int(row["rows"]), int(row["cols"]))
    else:
        assert sentence in refusal(path, trust_tags=False)


@rows(
    *(file for file, (_, readable) in REFUSED.items() if not readable),
    # pydicom itself does not decode 12-bit lossy JPEG; DCMTK below does.
    "notchest_CR_hip_mono2_jpegext12bit.dcm",
    "notchest_CR_extremity_mono1_jpegext12bit.dcm",
)
def test_each_sample_decodes_to_the_range_of_its_manifest(row, shared, monkeypatch):
    monkeypatch.setattr(Place, "can_be_ended", True)  # JPEG 2000 is decoded here, too
    data, syntax = reader.parsed((shared / "data" / "dicom" / row["file"]).read_bytes())
    frame = reader.open_frame(data, syntax)
    values = frame.form.values(frame.codes(int(row["rows"]), int(row["cols"])))
    low, high = row["pydicom_decode"].rpartition(" ")[2].split("..")
    # Two decoders of lossy JPEG may differ by a rounding step.
    slack = 1 if row["transfer_syntax"] == uid.JPEGBaseline8Bit else 0
    assert abs(int(values.min()) - int(low)) <= slack
    assert abs(int(values.max()) - int(high)) <= slack


# DCMTK does not decode JPEG 2000 (the same image in JPEG-LS is among the samples); the CT slice is no X-ray to show.
@pytest.mark.skipif(shutil.which("dcmj2pnm") is None, reason="DCMTK (dcmj2pnm) is not installed")
@rows(
    *(file for file, (_, readable) in REFUSED.items() if not readable),
    "chest_CR_mono1_15bit_jpeg2000lossy.dcm",
    "notchest_CT_signed16_jpegls.dcm",
)
def test_dcmtk_shows_each_sample_the_same(row, shared, tmp_path):
    path = source = shared / "data" / "dicom" / row["file"]
    if row["transfer_syntax"] in uid.JPEGLSTransferSyntaxes:
        subprocess.run(["dcmdjpls", path, tmp_path / "raw.dcm"], check=True)
        source = tmp_path / "raw.dcm"
    # Without a window DCMTK takes the range that the tags allow for, which the table in one sample overstates.
    window = ["+Wi", "1"] if row["window"] != "/" else ["+Wm"] if "modalityLUT" in row["file"] else []
    subprocess.run(["dcmj2pnm", "-q", "+obt", *window, source, tmp_path / "x.bmp"], check=True)
    shown = cv2.imread(str(tmp_path / "x.bmp"), cv2.IMREAD_GRAYSCALE)
    difference = np.abs(read_gray(path, trust_tags=False).astype(int) - shown)
    # Where 12-bit lossy JPEG overshoots Bits Stored, DCMTK cuts the value, so that the brightest becomes black.
    cut = 10 if "jpegext12bit" in row["file"] else 0
    assert (difference > 1).sum() <= cut


def test_lossy_versions_of_one_image_agree(shared):
    folder = shared / "data" / "dicom"
    wavelets = read_gray(folder / "chest_CR_mono1_15bit_jpeg2000lossy.dcm")
    near = read_gray(folder / "chest_CR_mono1_15bit_jpegls_nearlossless.dcm")
    difference = np.abs(wavelets.astype(int) - near)
    assert difference.max() <= 4
    assert difference.mean() < 1


def test_a_false_polarity_shows_the_negative(shared):
    folder = shared / "data" / "dicom"
    right = read_gray(folder / "chest_CR_mono2_8bit_jpegbaseline_rsna.dcm")
    np.testing.assert_array_equal(read_gray(folder / "chest_CR_FAKEmono1_8bit_jpegbaseline_rsna.dcm"), 255 - right)


# ---- one preprocessing


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian, uid.RLELossless])
def test_the_network_sees_the_same_of_a_png_and_a_dicom_file(dicom, bits, syntax):
    pixels = (np.random.default_rng(bits).random((300, 280)) * ((1 << bits) - 1)).astype(
        np.uint8 if bits == 8 else np.uint16
    )
    spec = PreprocessSpec(size=(96, 96))
    of_png = spec.pixels(cv2.imencode(".png", pixels)[1].tobytes())
    np.testing.assert_array_equal(spec.pixels(dicom(pixels, syntax, BitsStored=bits, HighBit=bits - 1)), of_png)


def test_pixels_that_are_not_square_change_nothing(dicom):
    spec = PreprocessSpec(size=(32, 32))
    np.testing.assert_array_equal(spec.pixels(dicom(SMALL, PixelAspectRatio=[2, 1])), spec.pixels(dicom(SMALL)))


def test_photometric_interpretation_decides_over_the_presentation_shape(dicom):
    np.testing.assert_array_equal(read_gray(dicom(SMALL, PresentationLUTShape="INVERSE")), read_gray(dicom(SMALL)))


# ---- structure


@pytest.mark.parametrize(
    ("tags", "fact"),
    [
        (
            {"PixelData": None},
            f"{PIXEL_DATA}, in Computed Radiography Image Storage; copy the file again, it was cut off",
        ),
        ({"PixelData": b""}, PIXEL_DATA),
        ({"PhotometricInterpretation": None}, "(0028,0004) 'Photometric Interpretation', is required. Got: none"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "Got: 'PALETTE COLOR' with 1 samples"),
        ({"SamplesPerPixel": 3}, "Got: 'MONOCHROME2' with 3 samples"),
        ({"NumberOfFrames": 2}, "Got: 2; export the frames one by one"),
        ({"Rows": 31}, "80 x 31"),
    ],
)
def test_what_cannot_be_read_is_refused_even_if_tags_are_not_trusted(dicom, tags, fact):
    assert fact in refusal(dicom(SMALL, **tags), trust_tags=False)


@pytest.mark.parametrize(
    "tags",
    [{"PresentationIntentType": "FOR PROCESSING"}, {"PresentationIntentType": "for processing "}, {"PresentationIntentType": "FOR_PROCESSING"},
     {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1.1"},
     {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1.1", "PresentationIntentType": "FOR PRESENTATION"}],
)  # fmt: skip
@pytest.mark.parametrize("trust_tags", [True, False])
def test_raw_data_of_a_detector_are_refused_whatever_is_trusted(dicom, tags, trust_tags):
    with pytest.raises(FreezenetError, match="'FOR PROCESSING', raw data of the detector"):
        read_gray(dicom(SMALL, **tags), trust_tags=trust_tags)
    assert read_gray(dicom(SMALL, PresentationIntentType="FOR PRESENTATION")).shape == SMALL.shape


def test_one_frame_is_no_multi_frame(dicom):
    for number in (0, 1):  # pydicom takes 0 for 1 as well
        np.testing.assert_array_equal(read_gray(dicom(SMALL, NumberOfFrames=number)), read_gray(dicom(SMALL)))


def test_tags_can_be_set_aside(dicom):
    wrong = dicom(SMALL, Modality="CT", BodyPartExamined="HEAD", ViewPosition="LL")
    assert "--ignore-tags" in refusal(wrong)
    np.testing.assert_array_equal(read_gray(wrong, trust_tags=False), read_gray(dicom(SMALL)))


def deflated(dataset: bytes) -> bytes:
    """A deflated file with this data set."""
    meta = b"\2\0\x10\0UI\x16\0" + uid.DeflatedExplicitVRLittleEndian.encode()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return bytes(128) + b"DICM" + meta + packer.compress(dataset) + packer.flush()


def test_a_deflated_bomb_is_stopped(monkeypatch):
    monkeypatch.setattr(Place, "can_be_ended", True)
    monkeypatch.setattr(reader, "_MAX_INFLATED", 1_000_000)
    assert "at most 1 MB unpacked is required" in refusal(deflated(bytes(30_000_000)))


def test_deep_sequences_are_refused(dicom):
    nested = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff" * 20_000
    data = dicom(SMALL)
    at = data.index(b"\x08\0\x60\0")
    assert "A whole DICOM file is required" in refusal(data[:at] + nested + data[at:])


def test_pixels_of_another_type_are_refused(dicom):
    data = dicom(SMALL)
    at = data.rindex(b"\xe0\x7f\x10\0OW\0\0")
    assert "A whole DICOM file is required" in refusal(data[:at] + b"\xe0\x7f\x10\0US\4\0\1\0\2\0")


def test_no_sentence_holds_the_patient(dicom):
    secret = b"Doe^Jane"
    whole = dicom(SMALL)
    assert secret in whole
    data, _ = reader.parsed(whole)
    assert "PatientName" not in data
    for length in range(0, len(whole), 97):
        assert "Doe" not in refusal(whole[:length])


def test_nothing_is_printed_about_odd_values(dicom):
    data = dicom(SMALL).replace(b"CHEST", b"chest").replace(b"1.2.3\0", b"a.b.c\0")
    code = f"from freezenet.edge_runtime.images.reader import read_gray; read_gray({data!r}); read_gray({data!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


# ---- folders, the command, the extra


def test_a_folder_gives_dicom_files_of_any_name_and_not_their_index(dicom, tmp_path):
    index, stream = Dataset(), DicomBytesIO()
    index.FileSetID = "EXPORT"
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_dataset(stream, index)
    meta = b"\2\0\2\0UI\x14\0" + b"1.2.840.10008.1.3.10" + b"\2\0\x10\0UI\x14\0" + b"1.2.840.10008.1.2.1\0"
    files = {
        "DICOM/PAT1/IM0001": dicom(SMALL),
        "DICOM/PAT1/1.2.840.113619.2.5": dicom(SMALL),
        "DICOM/x.img": dicom(SMALL),
        "DICOM/xray.jfif": b"\xff\xd8\xff",
        "a.DCM": b"x",
        "b.dicom": b"x",
        "DICOMDIR": bytes(128) + b"DICM" + meta + stream.getvalue(),
        "README": b"This folder holds DICOM files.",
        "AUTORUN.INF": b"[autorun]",
        "empty": b"",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    found = [Path(path).relative_to(tmp_path).as_posix() for path in images_below(str(tmp_path))]
    assert found == [
        "DICOM/PAT1/1.2.840.113619.2.5",
        "DICOM/PAT1/IM0001",
        "DICOM/x.img",
        "DICOM/xray.jfif",
        "a.DCM",
        "b.dicom",
    ]
    assert {".dcm", ".dicom"} <= IMAGE_SUFFIXES
    assert "Media Storage Directory Storage" in refusal(tmp_path / "DICOMDIR")


def test_classes_of_dicom_files_are_a_data_set(dicom, tmp_path):
    from freezenet.train.data.images import read_images
    from freezenet.train.data.loading import load

    for label, name in (("Normal", "IM0001"), ("Sick", "IM0002.dcm")):
        (tmp_path / label).mkdir()
        (tmp_path / label / name).write_bytes(dicom(SMALL))
    images = read_images(load(tmp_path), PreprocessSpec(size=(32, 32)))
    np.testing.assert_array_equal(images.pixels[0], PreprocessSpec(size=(32, 32)).pixels(dicom(SMALL)))


def test_predict_answers_for_a_dicom_file_as_for_its_png(dicom, models, phantoms, tmp_path):
    png = next(phantoms.parent.rglob("*.png"))
    pixels = cv2.imread(str(png), cv2.IMREAD_GRAYSCALE)
    (tmp_path / "x.dcm").write_bytes(dicom(pixels))
    (tmp_path / "ct.dcm").write_bytes(dicom(pixels, Modality="CT"))

    def answers(*options):
        done = CliRunner().invoke(cli, ["predict", str(models / "int8.tflite"), str(tmp_path), "--json", *options])
        return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]

    expected = Classifier(models / "int8.tflite").predict(png).to_dict()
    code, (refused, answer) = answers()
    assert code == 1
    assert "(0008,0060) 'Modality'" in refused["error"]
    assert answer["probabilities"] == expected["probabilities"]
    code, (ignored, answer) = answers("--ignore-tags")
    assert code == 0
    assert ignored["probabilities"] == answer["probabilities"] == expected["probabilities"]


@pytest.mark.parametrize("package", ["pydicom", "imagecodecs"])
def test_without_the_extra_one_sentence_says_what_to_install(dicom, monkeypatch, package):
    data = dicom(SMALL)
    for name in [name for name in sys.modules if name.startswith(("freezenet.edge_runtime.images.dicom.", package))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    assert refusal(data) == (
        f"The package {package} is required for DICOM files. Got: it is not installed; "
        "run: pip install 'freezenet[dicom]', or in a clone: pip install '.[dicom]'."
    )


def test_other_images_are_read_without_pydicom(tmp_path):
    cv2.imwrite(str(tmp_path / "x.png"), SMALL)
    code = (
        f"import sys; from freezenet.edge_runtime.images.reader import read_gray; read_gray({str(tmp_path / 'x.png')!r}); "
        "print({'pydicom', 'imagecodecs'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_file_named_dcm_that_is_none_is_said_to_be_no_image(tmp_path):
    (tmp_path / "x.dcm").write_text("no image")
    assert "JPEG, PNG, TIFF, BMP, WebP or DICOM file is required" in refusal(tmp_path / "x.dcm")


def test_pydicom_finds_the_made_up_files_whole(dicom):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = dcmread(io.BytesIO(dicom(SMALL)))
    np.testing.assert_array_equal(found.pixel_array, SMALL)
