"""The probe's folds, and the share that remains."""

from __future__ import annotations

import numpy as np
import pytest

from freezenet.edge_runtime.errors import DataError
from freezenet.train.audit.probe import Bench, cross_validated, draw_folds, prepared
from freezenet.train.metrics.draws import patient_draws


def bench(n=60):
    classes, patients = np.array(["a", "b", "b"] * (n // 3)), np.array([f"p{number // 2}" for number in range(n)])
    return Bench(classes, patients, draw_folds(classes, patients, 5, 0), patient_draws(patients.tolist(), draws=200))


def test_a_patient_is_tested_in_one_fold():
    one = bench()
    for patient in set(one.patients.tolist()):
        assert len(set(one.folds[one.patients == patient].tolist())) == 1
    assert set(one.folds.tolist()) == set(range(5))


def test_the_share_that_remains():
    one = bench()
    whole, half = one.classes.copy(), one.classes.copy()
    half[:] = "b"
    half[np.flatnonzero(one.classes == "a")[:10]] = "a"  # 10 of the 20 that the most frequent class gets wrong
    assert one.majority == pytest.approx(2 / 3)
    assert one.remaining(whole, whole)["value"] == 1
    assert one.remaining(half, whole)["value"] == pytest.approx(0.5)
    assert one.remaining(whole, np.full(60, "b")) is None
    assert one.above_chance(whole) and not one.above_chance(np.full(60, "b"))


def test_the_probe_tells_what_is_there_and_nothing_else():
    one, rng = bench(120), np.random.default_rng(0)
    noise = rng.normal(size=(120, 30))
    telling = noise + 3 * (one.classes == "a")[:, None]
    assert (cross_validated(prepared(telling), one.classes, one.folds) == one.classes).mean() > 0.95
    assert not one.above_chance(cross_validated(prepared(noise), one.classes, one.folds))
    assert set(cross_validated(np.zeros((120, 1)), one.classes, one.folds)) == {"b"}


def test_of_few_images_no_direction_is_lost():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(30, 1280))
    values = prepared(features)
    assert values.shape == (30, 30)
    centred = features - features.mean(0)
    expected = centred @ centred.T  # what a penalized regression sees of them
    assert values @ values.T == pytest.approx(expected * 100 / np.trace(expected) * 30)


def test_features_that_are_all_the_same_are_nothing():
    same = np.full((20, 40), 0.3) + np.random.default_rng(0).normal(size=(20, 40)) * 1e-12
    assert not prepared(same).any()


def test_a_class_of_one_patient_is_refused():
    with pytest.raises(DataError, match="At least two patients"):
        draw_folds(np.array(["a", "a", "b"]), np.array(["p", "q", "r"]), 5, 0)
