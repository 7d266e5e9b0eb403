from __future__ import annotations

import csv
import hashlib
import shutil
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest

from freezenet.convert.ptq.calibration import choose_calibration
from freezenet.edge_runtime.errors import FreezenetError


def rows_of(run):
    with (run.folder / "splits.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def calibration(run):
    return choose_calibration(run, 60)


@pytest.fixture
def moved(run, phantoms, tmp_path):
    """A copy of DATA that a test may damage."""
    return shutil.copytree(phantoms.parent, tmp_path / "moved")


def test_only_training_images_are_chosen_by_file_and_by_hash(run, calibration):
    sides = {row["file"]: row["split"] for row in rows_of(run)}
    held_out = {row["sha256"] for row in rows_of(run) if row["split"] != "train"}
    assert {sides[one["file"]] for one in calibration.images} == {"train"}
    assert not {one["sha256"] for one in calibration.images} & held_out
    assert len({one["file"] for one in calibration.images}) == len(calibration.images)


def test_the_list_stays_with_the_run_under_one_digest_of_all(run, calibration, tmp_path, caplog, monkeypatch):
    """No single image is told by the digest, which is that of the sorted hashes; another choice has another."""
    digest = hashlib.sha256("\n".join(sorted(one["sha256"] for one in calibration.images)).encode()).hexdigest()
    assert calibration.sha256 == digest != choose_calibration(run, 20).sha256
    (one,) = choose_calibration(run, 1).images[:1]
    assert replace(calibration, images=(one,)).sha256 != one["sha256"]
    path = tmp_path / run.calibration_file(digest).name
    calibration.write(path)
    with path.open(newline="", encoding="utf-8") as file:
        assert tuple(csv.DictReader(file)) == calibration.images
    path.write_text("as it was")
    calibration.write(path)
    assert path.read_text() == "as it was"

    def refuse(*_):
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr("freezenet.convert.ptq.calibration.write_csv", refuse)
    calibration.write(tmp_path / "read-only" / "calibration.csv")
    assert "cannot be written to (Read-only file system). The same conversion chooses the same images" in caplog.text


def test_each_class_has_its_share(run, calibration):
    train = [row for row in rows_of(run) if row["split"] == "train"]
    whole = Counter(row["class"] for row in train)
    label_of = {row["file"]: row["class"] for row in train}
    found = Counter(label_of[one["file"]] for one in calibration.images)
    assert set(found) == set(whole) == {"Clear", "Diffuse", "Focal", "Reticular"}
    for label, count in whole.items():
        assert abs(found[label] - 60 * count / len(train)) <= 0.5
    assert abs(len(calibration.images) - 60) <= 2


def test_a_small_number_still_holds_every_class(run):
    found = choose_calibration(run, 1)
    label_of = {row["file"]: row["class"] for row in rows_of(run)}
    assert sorted(label_of[one["file"]] for one in found.images) == ["Clear", "Diffuse", "Focal", "Reticular"]


def test_more_than_there_are_takes_the_whole_training_side(run):
    train = {row["file"] for row in rows_of(run) if row["split"] == "train"}
    assert {one["file"] for one in choose_calibration(run, 10_000).images} == train


def test_hashes_are_those_of_the_files_and_pixels_those_of_another_decoder(phantoms, calibration):
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is the independent decoder")
    assert len(calibration.pixels) == len(calibration.images)
    for one, pixels in zip(calibration.images, calibration.pixels, strict=True):
        file = phantoms.parent / one["file"]
        assert one["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        np.testing.assert_array_equal(pixels, np.asarray(image_module.open(file)))


def test_the_seed_of_the_run_decides(run, calibration):
    from dataclasses import replace

    assert choose_calibration(run, 60).images == calibration.images
    other = replace(run, recipe=run.recipe.with_settings({"seed": 7}))
    assert set(map(str, choose_calibration(other, 60).images)) != set(map(str, calibration.images))


def test_the_first_few_are_mixed(run, calibration):
    label_of = {row["file"]: row["class"] for row in rows_of(run)}
    assert len({label_of[one["file"]] for one in calibration.images[:15]}) > 1


def test_converter_input_is_normalized_and_spans_all_pixel_values(run, calibration):
    inputs = list(calibration.representative(run.recipe.preprocess)())
    assert len(inputs) == len(calibration.images)
    assert all(len(one) == 1 and one[0].shape == (1, 96, 96, 3) and one[0].dtype == np.float32 for one in inputs)
    assert min(one[0].min() for one in inputs) == np.float32(-128 / 127.5)
    assert max(one[0].max() for one in inputs) == np.float32(127 / 127.5)
    second = (calibration.pixels[1].astype(np.float64) - 128) / 127.5
    np.testing.assert_allclose(inputs[1][0][0], np.stack([second] * 3, -1), atol=1e-6)


def test_the_extreme_pixels_do_not_change_the_recorded_images(run, phantoms, calibration):
    before = calibration.pixels.copy()
    list(calibration.representative(run.recipe.preprocess)())
    np.testing.assert_array_equal(calibration.pixels, before)


def test_moved_data_gives_the_same_choice(run, moved, calibration):
    assert choose_calibration(run, 60, moved).images == calibration.images


def test_a_missing_image_is_refused_and_named(run, moved):
    for row in rows_of(run):
        (moved / row["file"]).unlink()
    with pytest.raises(FreezenetError, match=r"required\. Got: .*png, which does not exist; .*--data"):
        choose_calibration(run, 60, moved)


def test_a_changed_image_is_refused_and_named(run, moved, calibration):
    file = moved / calibration.images[3]["file"]
    image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    image[0, 0] ^= 1
    cv2.imwrite(str(file), image)
    with pytest.raises(FreezenetError, match=rf"Got: .*{file.name}, which has changed since the training") as caught:
        choose_calibration(run, 60, moved)
    assert "\n" not in str(caught.value)
