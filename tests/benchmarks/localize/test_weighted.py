"""Shares by hand and by simulation, where how frequent the classes are is given."""

from __future__ import annotations

import numpy as np
import pytest

from freezenet.benchmarks.localize.weighted import WeightedImages
from freezenet.train.metrics.figure import share

RARE = {"A": 0.05, "B": 0.95}


def test_without_a_prevalence_they_are_plain_shares(a_clinic):
    images = a_clinic(20, 40)
    hit, among = np.arange(60) % 3 == 0, np.arange(60) % 2 == 0
    weighted = WeightedImages(images, {})
    assert weighted.share(hit, among) == share(hit, among, images.patients)
    assert weighted.of_all(hit, images.truth == 0) == share(hit, np.ones(60, bool), images.patients)


def test_shares_by_hand(a_clinic):
    """6 of 20 with A and 10 of 40 with B are hit, and 5 % have A."""
    images = a_clinic(20, 40)
    hit = np.isin(np.arange(60), [*range(6), *range(20, 30)])
    weighted = WeightedImages(images, RARE)
    assert weighted.share(hit, np.ones(60, bool)).value == pytest.approx(0.05 * 6 / 20 + 0.95 * 10 / 40)
    assert weighted.of_all(hit & (images.truth == 0), images.truth == 0).value == pytest.approx(0.05 * 6 / 20)
    before = np.zeros(60, bool)
    change, whole = weighted.difference(before, hit, before == 0), weighted.share(hit, before == 0)
    assert (change.value, change.low, change.high) == pytest.approx((whole.value, whole.low, whole.high))


@pytest.mark.parametrize("found", [0, 1, 17, 20])
def test_no_interval_reaches_beyond_what_is_given(a_clinic, found):
    images = a_clinic(20, 40)
    hit, ill = np.arange(60) < found, images.truth == 0
    figure = WeightedImages(images, RARE).of_all(hit, ill)
    assert 0 <= figure.low <= figure.value <= figure.high <= 0.05 + 1e-12
    assert figure.low < figure.high
    lone = WeightedImages(a_clinic(1, 40), RARE).of_all(np.arange(41) < 1, np.arange(41) < 1)
    assert lone.high <= 0.05 + 1e-12


def test_a_patient_with_images_of_both_classes_leaves_the_shares_as_given(a_clinic):
    patients = tuple(f"p{number % 15}" for number in range(60))
    images = a_clinic(20, 40, patients=patients)
    figure = WeightedImages(images, RARE).of_all(images.truth == 0, np.ones(60, bool))
    assert (figure.value, figure.low <= 0.05 + 1e-12) == (pytest.approx(0.05), True)
    of_class = WeightedImages(images, RARE).of_all(np.arange(60) < 12, images.truth == 0)
    assert 0 < of_class.low < of_class.value < of_class.high < 0.05


def test_the_truth_lies_inside_as_often_as_it_should(a_clinic):
    """Drawn clinics of 60 with A and 60 with B, of whom .8 and .3 are hit: with 5 % of A, .05 * .8 + .95 * .3 of all."""
    images, rng = a_clinic(60, 60), np.random.default_rng(1)
    weighted = WeightedImages(images, RARE)
    inside = []
    for _ in range(200):
        hit = rng.random(120) < np.where(images.truth == 0, 0.8, 0.3)
        figure = weighted.share(hit, np.ones(120, bool))
        inside.append(figure.low <= 0.05 * 0.8 + 0.95 * 0.3 <= figure.high)
    assert 0.9 <= np.mean(inside) <= 0.99
