"""An audit of drawn phantoms: what is planted is found, and nothing else is."""

from __future__ import annotations

import json
import shutil

import cv2
import pytest

from freezenet.train.audit.audit import audit
from freezenet.train.audit.options import AuditOptions
from freezenet.train.files import read_json

SMALL = AuditOptions(weights="none", image_size=32, folds=3)


@pytest.fixture(scope="module")
def clean(plain_phantoms):
    return audit(plain_phantoms, options=SMALL)


@pytest.fixture
def planted(plain_phantoms, tmp_path):
    """The phantoms with an R in the corner of most images of one class."""
    folder = shutil.copytree(plain_phantoms.parent, tmp_path / "planted")
    for number, path in enumerate(sorted((folder / "Focal").glob("*.png"))):
        if number % 10 < 8:
            image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            cv2.putText(image, "R", (3, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.3, 255, 1)
            cv2.imwrite(str(path), image)
    return folder / plain_phantoms.name


def test_clean_phantoms_are_not_flagged(clean):
    assert clean["flags"] == []
    assert not clean["marks"]["found"]
    assert {
        "whole",
        "centre_out",
        "border_out",
        "thumbnail",
        "histogram",
        "marks",
        "marks_out",
        "stored_size",
        "file_format",
    } == set(clean["views"])
    assert clean["views"]["stored_size"]["accuracy"]["value"] == pytest.approx(clean["majority"])
    assert clean["outside"] is None and "one source" in clean["notes"][0]
    json.dumps(clean)


def test_a_planted_letter_is_found(planted):
    found = audit(planted, options=SMALL)
    assert found["flags"] == ["marks"]
    assert found["marks"]["cell"] == [0, 0]
    assert "marks in the border" in found["headline"]
    assert any(
        one.startswith("Bright letters or marks at the top left go with the class") and "Focal" in one
        for one in found["verdict"]
    )


def test_the_command_writes_result_and_picture(command, phantoms, tmp_path):
    masks = tmp_path / "masks"
    for path in phantoms.parent.rglob("*.png"):
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        mask[:] = 0
        mask[20:70, 15:80] = 255
        (masks / path.parent.name).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(masks / path.parent.name / path.name), mask)
    asked = ("audit", phantoms, "--weights", "none", "--image-size", "32", "--folds", "2", "--masks", masks)
    code, out, err = command(*asked, "--out", tmp_path / "audit")
    assert code == 0, err
    assert "With the box around the lungs blacked out, the probe is right in" in out and "In detail:" in out
    found = read_json(tmp_path / "audit" / "audit.json")
    assert {"lungs_only", "lungs_out"} <= set(found["views"])
    picture = cv2.imread(str(tmp_path / "audit" / "audit.png"))
    assert picture is not None and min(picture.shape[:2]) > 300
    code, _, err = command(*asked, "--out", tmp_path / "audit")
    assert code == 1 and "--overwrite" in err


def test_masks_that_belong_to_nothing_are_an_error(command, phantoms, tmp_path):
    code, _, err = command("audit", phantoms, "--weights", "none", "--image-size", "32", "--masks", tmp_path)
    assert code == 1 and "Masks named as the images are required" in err
