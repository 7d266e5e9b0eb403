"""Phantoms: reproducible, imbalanced, and told apart by pattern and not by brightness."""

from __future__ import annotations

import csv
from collections import Counter

import cv2
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from freezenet.train.data.loading import load
from freezenet.train.data.phantoms import LABEL_SET_PATIENTS, PATIENTS, PATTERNS, draw_phantom, write_phantoms


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_equal_arguments_equal_bytes(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_phantoms(tmp_path / name, scale=0.02, size=48, seed=seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_table_and_files(tmp_path):
    table = write_phantoms(tmp_path, scale=0.1, size=48)
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} | {"phantoms.csv"} == set(contents(tmp_path))
    of_patient = {row["patient_id"]: row["class"] for row in rows}
    assert len(of_patient) < len(rows)  # some patients have two images
    assert Counter(of_patient.values()) == {name: max(4, round(0.1 * count)) for name, count in PATIENTS.items()}
    for row in rows:
        image = cv2.imread(str(tmp_path / row["file"]), cv2.IMREAD_UNCHANGED)
        assert (image.shape, image.dtype) == ((48, 48), np.uint8)


def test_imbalance():
    assert set(PATIENTS) == set(PATTERNS)
    assert max(PATIENTS.values()) / min(PATIENTS.values()) >= 4  # the Radiography Database has 7.6


def test_brightness_and_contrast_do_not_give_the_class_away():
    rng = np.random.default_rng(0)
    labels = np.repeat(list(PATTERNS), 100)
    images = [draw_phantom(label, 48, rng) for label in labels]
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    for figures in ([np.mean], [np.mean, np.std]):
        values = np.array([[of(image) for of in figures] for image in images])
        found = balanced_accuracy_score(labels, cross_val_predict(model, values, labels, cv=5))
        assert found < 0.40  # chance is .25


def test_the_pattern_is_there():
    """Without noise, two draws from one generator state differ by the pattern only inside the lungs' columns."""
    clear = draw_phantom("Clear", 96, np.random.default_rng(1), noise=0)
    assert clear.std() > 20
    for pattern in set(PATTERNS) - {"Clear"}:
        other = draw_phantom(pattern, 96, np.random.default_rng(1), noise=0)
        assert np.abs(other.astype(int) - clear).mean() > 1


@pytest.mark.parametrize("size", [32, 97, 256])
def test_any_size(size):
    image = draw_phantom("Focal", size, np.random.default_rng(0))
    assert image.shape == (size, size)
    assert 90 < image.mean() < 165


def test_a_label_set_draws_all_its_patterns():
    """The picture of two findings differs from each of them alone, and "none" from none of clear lungs."""
    drawn = {name: draw_phantom(name, 96, np.random.default_rng(3), noise=0.0) for name in ("Diffuse", "Diffuse;Focal")}
    assert (drawn["Diffuse"] != drawn["Diffuse;Focal"]).any()
    # Both draw the same numbers up to the pattern, and the pattern of nothing draws none.
    assert (
        draw_phantom("none", 96, np.random.default_rng(3)) == draw_phantom("Clear", 96, np.random.default_rng(3))
    ).all()


def test_a_data_set_of_label_sets(tmp_path):
    found = load(write_phantoms(tmp_path, scale=0.05, size=48, patients=LABEL_SET_PATIENTS), "multi-label")
    assert found.labels == ("Diffuse", "Focal", "Reticular")
    assert set(found.classes) == {"none", "Focal", "Diffuse", "Reticular", "Diffuse;Focal", "Focal;Reticular"}
