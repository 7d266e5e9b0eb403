"""Draws held as small counts of patients say what the whole array of floats says."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from freezenet.train.metrics import draws as module
from freezenet.train.metrics.draws import PatientDraws, patient_draws
from freezenet.train.metrics.matrices import label_matrices, subset_accuracy


def whole(patients, draws, seed):
    """Return the array (draws, n) at once, as NumPy draws it."""
    _, group = np.unique(np.asarray(patients), return_inverse=True)
    count = int(group.max()) + 1
    counts = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    return counts[:, group].astype(np.float64)


@pytest.fixture(params=[4_000_000, 700], ids=["in one part", "in many parts"])
def _parts(request, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", request.param)


PATIENTS = [f"p{number % 61}" for number in range(97)]


@pytest.mark.usefixtures("_parts")
def test_sums_are_those_of_the_whole_array():
    expected, draws = whole(PATIENTS, 50, 3), patient_draws(PATIENTS, draws=50, seed=3)
    rng = np.random.default_rng(0)
    assert draws.shape == expected.shape
    assert draws.counts.dtype == np.uint8
    np.testing.assert_array_equal(draws[:], expected)
    np.testing.assert_array_equal(draws[7:19], expected[7:19])
    np.testing.assert_array_equal(draws[7:19, np.array([3, 0, 2])], expected[7:19][:, [3, 0, 2]])
    for whole_numbers in (rng.random(97) < 0.4, rng.random((97, 5)) < 0.4, rng.integers(0, 9, 97)):
        np.testing.assert_array_equal(draws @ whole_numbers, expected @ whole_numbers)
    values = rng.random((97, 3))
    np.testing.assert_allclose(draws @ values, expected @ values, rtol=1e-14)
    np.testing.assert_array_equal(draws.sum(1), expected.sum(1))
    with pytest.raises(ValueError, match="Axis 1 or -1"):
        draws.sum(0)


@pytest.mark.usefixtures("_parts")
def test_figures_are_those_of_the_whole_array():
    expected, draws = whole(PATIENTS, 50, 3), patient_draws(PATIENTS, draws=50, seed=3)
    rng = np.random.default_rng(1)
    truth, answer = (np.eye(4, dtype=bool)[rng.integers(0, 4, 97)] for _ in range(2))
    np.testing.assert_array_equal(label_matrices(truth, answer, draws), label_matrices(truth, answer, expected))
    right = (truth == answer).all(1)
    np.testing.assert_array_equal(subset_accuracy(right, draws), subset_accuracy(right, expected))


def test_draws_are_of_whole_patients():
    draws = patient_draws(["b", "a", "b", "c"], draws=50, seed=1)
    assert draws.shape == (50, 4)
    np.testing.assert_array_equal(draws[:][:, 0], draws[:][:, 2])
    np.testing.assert_array_equal(draws[:][:, [0, 1, 3]].sum(1), 3)
    np.testing.assert_array_equal(draws[:], patient_draws(["b", "a", "b", "c"], draws=50, seed=1)[:])


@pytest.mark.usefixtures("_parts")
def test_within_strata_as_many_patients_are_drawn_as_each_has():
    """Patients of three hospitals; one with images in two is of that of most of them."""
    patients = [*PATIENTS, "both", "both", "both"]
    strata = np.array([int(one[1:]) % 3 for one in PATIENTS] + [0, 2, 2])
    names, first = np.unique(patients, return_index=True)
    own = np.where(names == "both", 2, strata[first])
    draws = patient_draws(patients, draws=300, seed=2, strata=strata)[:]
    np.testing.assert_array_equal(draws[:, 0], draws[:, 61])  # both of p0
    for stratum in range(3):
        np.testing.assert_array_equal(draws[:, first[own == stratum]].sum(1), (own == stratum).sum())
    assert draws[:, first].mean(0) == pytest.approx(1, abs=0.3)
    assert draws[:, first].std() == pytest.approx(np.sqrt(1 - 3 / len(names)), abs=0.05)


def test_the_images_themselves_can_stand_before_the_draws():
    draws = patient_draws(PATIENTS, draws=5)
    behind = draws.after_the_images()
    np.testing.assert_array_equal(behind[:1], np.ones((1, 97)))
    np.testing.assert_array_equal(behind[1:], draws[:])


def test_counts_beyond_a_byte_do_not_wrap():
    often = PatientDraws(np.array([[300, 1]], np.uint16), np.array([0, 0, 1]))
    np.testing.assert_array_equal(often @ np.array([1, 1, 1]), [601])


def test_little_of_the_whole_array_is_ever_held(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 100_000)
    patients = [str(number) for number in range(10_000)]
    hit = np.arange(10_000) % 3 == 0
    tracemalloc.start()
    try:
        draws = patient_draws(patients, draws=400)
        sums = draws @ hit
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A byte instead of eight for each draw and image, twice while the parts are put together, and what is held at once.
    assert peak < 400 * 10_000 * 8 / 2
    # 3,334 of 10,000 are hit; each draw has that many give or take 47 (binomial).
    assert abs(sums.mean() - 3334) < 5 * 47 / 400**0.5
