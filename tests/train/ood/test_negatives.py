"""Images that are no chest X-rays: read, shared out by content and seed, and refused where they cannot be used."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.ood import ood_from_dict
from freezenet.train.data.dataset import Dataset, Sample
from freezenet.train.data.images import Images
from freezenet.train.data.phantoms import write_phantoms
from freezenet.train.data.training_data import TrainingData
from freezenet.train.frozen.backbone import backbone_features
from freezenet.train.ood.negatives import read_negatives, splits_of
from freezenet.train.options import TrainingOptions
from freezenet.train.recipes.recipe import Recipe, load_recipe
from freezenet.train.run import Run
from freezenet.train.training import train

RECIPE = Recipe(image_size=32)


@pytest.fixture
def folder(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(24):
        path = tmp_path / "others" / ("photos" if number % 2 else "hands") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (40, 40), dtype=np.uint8))
    return tmp_path / "others"


def test_one_half_teaches_and_the_other_tests(folder):
    found = read_negatives(folder, RECIPE)
    columns, rows = found.table()
    assert columns == ("file", "split", "sha256")
    assert [row[0] for row in rows] == sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    assert sorted(row[1] for row in rows) == ["test"] * 12 + ["train"] * 12
    assert found.images.pixels.shape == (24, 32, 32)
    assert (read_negatives(folder, RECIPE).splits == found.splits).all()
    assert (read_negatives(folder, RECIPE.with_settings({"seed": 1})).splits != found.splits).any()


def test_equal_content_is_in_one_split(folder):
    for path in list(folder.rglob("*.png")):
        shutil.copy(path, path.with_name(f"again-{path.name}"))
    found = read_negatives(folder, RECIPE)
    split_of = dict(zip(found.images.hashes, found.splits, strict=True))
    assert len(split_of) == 24
    assert [split_of[one] for one in found.images.hashes] == found.splits.tolist()


def test_what_is_thrown_away_teaches_nothing_and_is_said(folder, caplog):
    caplog.set_level("INFO")
    first = folder / "photos/01.png"
    for name in (".Trash-1000/files/x.png", "photos/.hidden.png", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(first, folder / name)
    (folder / "notes.txt").write_text("none")
    first.rename(first.with_suffix(".jpe"))  # an image by its content
    found = read_negatives(folder, RECIPE)
    assert len(found.dataset.samples) == 24
    assert f"{folder}: Not used: 3 of 27 files: " in caplog.text
    assert ".Trash-1000/, a hidden or service folder" in caplog.text


def test_splits_do_not_depend_on_the_order():
    hashes = [f"{number:064x}" for number in range(40)]
    splits = splits_of(hashes, 3)
    assert (splits_of(hashes[::-1], 3) == splits[::-1]).all()


def test_what_cannot_be_used_is_one_sentence(folder, tmp_path):
    with pytest.raises(FreezenetError, match=r"^A folder of images that are no chest X-rays .*Got: .*nowhere"):
        read_negatives(tmp_path / "nowhere", RECIPE)
    for path in sorted(folder.rglob("*.png"))[9:]:
        path.unlink()
    with pytest.raises(FreezenetError, match=r"^At least 10 different images .*Got: 9 below"):
        read_negatives(folder, RECIPE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FreezenetError, match=r"Got: 0 below"):
        read_negatives(tmp_path / "empty", RECIPE)


def test_unreadable_ones_are_named_or_skipped(folder, capsys):
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(FreezenetError, match=r"Readable images are required\. Got: 1 of 25"):
        read_negatives(folder, RECIPE)
    assert len(read_negatives(folder, RECIPE, skip_unreadable=True).splits) == 24
    assert "skipped" in capsys.readouterr().err


def test_an_image_of_the_data_is_no_negative(folder):
    found = read_negatives(folder, RECIPE)
    mine = Dataset(folder, (Sample("a.png", "A", "a", ""), Sample("b.png", "B", "b", "")), False)
    pixels = np.zeros((2, 32, 32), np.uint8)
    found.refuse_known(TrainingData(mine, Images(pixels, ("0" * 64, "1" * 64))))
    with pytest.raises(FreezenetError, match=r"--not-cxr\. Got: 1 that DATA holds too, first hands"):
        found.refuse_known(TrainingData(mine, Images(pixels, ("0" * 64, found.images.hashes[0]))))


def test_a_run_holds_what_the_gate_was_taught_and_does(folder, tmp_path):
    data = write_phantoms(tmp_path / "data", scale=0.12, size=64)
    recipe = load_recipe("phantoms", ("image_size=64", "freeze_fraction=.9", "epochs=1", "attention_pairs=20"))
    out = tmp_path / "run"
    options = TrainingOptions("none", tmp_path / "cache", not_cxr=folder)
    metrics = train(data, out, recipe=recipe, options=options)
    found = read_negatives(folder, recipe)
    with (out / "negatives.csv").open(newline="", encoding="utf-8") as file:
        assert [tuple(row) for row in csv.reader(file)] == [found.table()[0], *found.table()[1]]
    manifest = json.loads((out / "run.json").read_text())
    assert manifest["not_cxr"] == str(folder)
    run = Run.open(out)
    features = backbone_features(run.model(), found.images.pixels[found.splits == "test"], recipe.preprocess)
    gate = ood_from_dict(run.decision["gate"])
    refused = np.mean([not gate.passes(one) for one in features])
    assert (metrics["gate"]["kind"], metrics["gate"]["negatives"]) == ("both", 12)
    assert metrics["gate"]["negatives_refused"]["value"] == pytest.approx(refused, abs=1e-6)

    (out / "metrics.json").unlink()  # as if it had been killed before the last write
    for other in (None, folder / "hands"):
        with pytest.raises(FreezenetError, match="same data, weights and recipe"):
            train(data, out, recipe=recipe, options=replace(options, not_cxr=other))
    again = train(data, out, recipe=recipe, options=options)
    assert again["gate"] == metrics["gate"]


def test_tags_that_refuse_a_device_do_not_refuse_here(shared, tmp_path):
    """A DICOM file of a hip is exactly what is wanted."""
    pytest.importorskip("pydicom")
    for path in (shared / "data" / "dicom").glob("notchest_*.dcm"):
        if "multiframe" not in path.name:
            shutil.copy(path, tmp_path)
    for number, path in enumerate(sorted((shared / "data" / "not-cxr").glob("*.jpg"))[:10]):
        shutil.copy(path, tmp_path / f"{number}.jpg")
    files = [sample.file for sample in read_negatives(tmp_path, RECIPE, skip_unreadable=True).dataset.samples]
    assert "notchest_CR_hip_mono2_jpegls.dcm" in files
