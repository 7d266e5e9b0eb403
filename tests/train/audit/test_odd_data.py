"""Audits of data that nobody would call a good example: they end with a verdict, or with a sentence that says what is missing."""

from __future__ import annotations

import csv
import json
import re

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.errors import DataError
from freezenet.train.audit.audit import audit
from freezenet.train.audit.options import AuditOptions

SMALL = AuditOptions(weights="none", image_size=32, folds=3)


def gray(rng, size=(96, 96)):
    smooth = cv2.GaussianBlur(rng.normal(120, 400, size).astype(np.float32), (0, 0), 8)
    return np.clip(smooth, 0, 200).astype(np.uint8)


@pytest.fixture
def table(tmp_path):
    """A function (rows) -> CSV; a row is (class, picture) or (class, picture, patient, source)."""

    def write(rows, ending=".png"):
        with (tmp_path / "data.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("file", "class", "patient_id", "source"))
            for number, (label, picture, *more) in enumerate(rows):
                name = f"{number:03}{ending}"
                if isinstance(picture, bytes):
                    (tmp_path / name).write_bytes(picture)
                else:
                    cv2.imwrite(str(tmp_path / name), picture)
                writer.writerow((name, label, *(more or ("", ""))))
        return tmp_path / "data.csv"

    return write


def checked(found):
    """What every audit keeps: it is JSON, and no sentence holds a number that is none."""
    json.dumps(found, allow_nan=False)
    assert found["verdict"] and found["headline"]
    told = " ".join((found["headline"], *found["verdict"], *found["details"])).replace("None of the shortcuts", "")
    assert not re.search(r"\b(nan|None|inf)\b|-\d+ %|[1-9]\d\d+ %(?<!100 %)", told), told
    return found


def test_one_class_cannot_be_audited(table):
    rng = np.random.default_rng(0)
    rows = [("a", gray(rng)) for _ in range(6)]
    with pytest.raises(DataError, match=r"At least two classes are required\. Got: 1 \(a\)"):
        audit(table(rows), options=SMALL)
    with pytest.raises(
        DataError, match=r"Readable images of at least two classes are required for an audit\. Got: a\."
    ):
        audit(table([*rows, *[("b", b"damaged")] * 6]), options=SMALL)


def test_twelve_images_show_nothing(table):
    rng = np.random.default_rng(0)
    found = checked(audit(table([("ab"[number % 2], gray(rng)) for number in range(12)]), options=SMALL))
    assert found["flags"] == [] and found["images"] == 12


def test_images_that_are_all_the_same_tell_nothing(table):
    rng = np.random.default_rng(0)
    same = gray(rng)
    found = checked(audit(table([("abb"[number % 3], same) for number in range(30)]), options=SMALL))
    assert found["flags"] == []
    assert [one["accuracy"]["value"] for one in found["views"].values()] == pytest.approx([2 / 3] * len(found["views"]))
    assert found["views"]["whole"]["remaining"] is None
    assert any("no better than chance" in one for one in found["verdict"])


def test_many_classes_and_colours_and_sizes(table):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(120):
        side = 60 + number
        rows.append((f"class {number % 20:02}", np.dstack([gray(rng, (side, side + 3)) for _ in range(3)])))
    found = checked(audit(table(rows, ".jpg"), options=SMALL))
    assert len(found["classes"]) == 20 and found["telling_sizes"] == []
    assert "stored_size" not in found["flags"]  # each size occurs once


def test_sixteen_bits_and_a_format_that_tells_the_class(table):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(40):
        picture = gray(rng)
        if number % 2:
            rows.append(("b", cv2.imencode(".png", picture.astype(np.uint16) * 257)[1].tobytes()))
        else:
            rows.append(("a", cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()))
    found = checked(audit(table(rows), options=SMALL))
    assert "file_format" in found["flags"]
    assert any(one.startswith("Without any image, the class can be told in 100 % [") for one in found["verdict"])


def test_a_source_that_tells_the_class_and_classes_of_one_source(table):
    rng = np.random.default_rng(0)
    rows = [("ab"[number % 2], gray(rng), f"p{number}", ("east", "west")[number % 2]) for number in range(40)]
    found = checked(audit(table(rows), options=SMALL))
    assert found["flags"] == ["source"] and "the name of the source" in found["headline"]
    assert found["outside"]["from_one_source"] == ["a", "b"]
    assert any(one.startswith("a and b come from one source each") for one in found["verdict"])
    assert not any(name in found["headline"] for name in ("east", "west"))  # it travels


def test_masks_of_half_of_the_images_and_of_one_patient(table, tmp_path):
    rng = np.random.default_rng(0)
    rows = [("ab"[number % 2], gray(rng), f"p{number}", "") for number in range(48)]
    data = table(rows)
    masks = tmp_path / "masks"
    masks.mkdir()
    mask = np.zeros((96, 96), np.uint8)
    mask[20:80, 15:80] = 255
    for number in range(24):
        cv2.imwrite(str(masks / f"{number:03}.png"), mask)
    found = checked(audit(data, options=AuditOptions(weights="none", image_size=32, folds=3, masks=masks)))
    assert found["views"]["lungs_only"]["images"] == 24
    assert any(one.startswith("Lungs were compared on 24 of 48 images") for one in found["notes"])


def test_lungs_that_tell_the_class_are_told_from_a_border_that_does(table, tmp_path):
    """With the sign in the lungs nothing remains without them; with the sign in the border all does."""
    masks = tmp_path / "masks"
    masks.mkdir()
    mask = np.zeros((96, 96), np.uint8)
    mask[20:76, 20:76] = 255
    right = {}
    for place, rows_of in {"lungs": slice(36, 60), "border": slice(1, 17)}.items():
        rng, rows = np.random.default_rng(0), []
        for number in range(100):
            picture = gray(rng)
            if number % 2:
                picture[rows_of, 24:72] = 250
            rows.append(("ab"[number % 2], picture, f"p{number}", ""))
            cv2.imwrite(str(masks / f"{number:03}.png"), mask)
        found = checked(audit(table(rows), options=AuditOptions(weights="none", image_size=32, folds=3, masks=masks)))
        right[place] = {name: found["views"][name]["accuracy"]["value"] for name in ("lungs_out", "lungs_only")}
    # Half of the images are of each class; the standard error is 5 points.
    assert right["lungs"]["lungs_out"] < 0.68 < 0.8 < right["border"]["lungs_out"]
    assert right["border"]["lungs_only"] < 0.68 < 0.8 < right["lungs"]["lungs_only"]


@pytest.mark.parametrize("burned_in", [True, False])
def test_text_burned_into_the_dicom_files_of_a_class(table, dicom, burned_in):
    """Name and date in the upper left corner, 12 bits, as an old scanner writes them; without, nothing is said of marks."""
    rng, rows = np.random.default_rng(0), []
    for number in range(40):
        picture = gray(rng, (512, 512))
        if burned_in and number % 2:
            cv2.putText(picture, "DOE 1950", (10, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 2)
        tags = {"BurnedInAnnotation": "YES" if burned_in else "NO", "BitsStored": 12, "HighBit": 11}
        content = dicom(picture.astype(np.uint16) * 16, WindowCenter=2048, WindowWidth=4096, **tags)
        rows.append(("ab"[number % 2], content, f"p{number}", ""))
    found = checked(audit(table(rows, ".dcm"), options=SMALL))
    assert found["images"] == 40
    assert found["flags"] == (["marks"] if burned_in else [])
    if burned_in:
        assert found["marks"]["shares"] == {"a": 0.0, "b": 1.0}
        assert any("at the top left go with the class: 100 % of the images of b" in one for one in found["verdict"])


def test_a_single_source_that_some_images_have_is_named_as_one(table):
    rng = np.random.default_rng(0)
    rows = [(label, gray(rng), f"p{n}{label}", "north" if n else "") for n in range(9) for label in "ab"]
    found = checked(audit(table(rows), options=SMALL))
    assert found["outside"] is None
    assert (
        "The data names one source only, and none for 2 images, so nothing is predicted about others." in found["notes"]
    )
