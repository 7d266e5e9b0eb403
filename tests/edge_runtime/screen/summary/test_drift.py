"""The population stability index, against SciPy's distribution and simulated archives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from freezenet.edge_runtime.ood import LogisticGate, OneClassGate
from freezenet.edge_runtime.screen.summary.drift import chi_square, compared
from freezenet.edge_runtime.screen.summary.histogram import Histogram


@pytest.mark.parametrize("degrees", [1, 2, 5, 11, 30])
@pytest.mark.parametrize("probability", [0.95, 0.99, 0.999])
def test_the_quantile_is_that_of_scipy(degrees, probability):
    assert chi_square(probability, degrees) == pytest.approx(stats.chi2.ppf(probability, degrees), rel=0.04)


def test_the_index_is_the_sum_of_its_formula():
    (found,) = compared([("x", (100, 100, 100), (150, 100, 50))], ordered=[True])
    reference = np.array([100.5, 100.5, 100.5]) / 301.5
    archive = np.array([150.5, 100.5, 50.5]) / 301.5
    assert found.index == pytest.approx(float(((reference - archive) * np.log(reference / archive)).sum()))
    assert found.reference == 300 and found.images == 300


@pytest.mark.parametrize(("reference", "images"), [(90, 150), (90, 5000), (400, 400), (2000, 20000)])
def test_chance_is_no_drift_and_a_shift_is(reference, images):
    rng = np.random.default_rng(reference + images)
    gate = OneClassGate(np.zeros(1), np.eye(1), 12.0)

    def drawn(count, shift):
        # Half of the images are those of another source.
        values = rng.normal(7, 1.2, count)
        values[: count // 2] += shift
        return Histogram.of_readings(gate, values).counts

    chance = [compared([("ood_0", drawn(reference, 0), drawn(images, 0))], ordered=[True])[0].found for _ in range(200)]
    assert sum(chance) <= 6  # 2 are to be expected
    shifted = [compared([("ood_0", drawn(reference, 0), drawn(images, 3))], ordered=[True])[0].found for _ in range(20)]
    assert all(shifted)


def test_too_few_images_say_nothing():
    assert [
        one.index
        for one in compared([("x", (3, 1), (50, 50)), ("y", (0, 0), (5, 5)), ("z", (9, 9), (0, 0))], ordered=[True] * 3)
    ] == [None] * 3


def test_histograms_count_every_value_once():
    values = np.array([0.0, 0.0004, 0.5, 0.999, 1.0, 7.0, -1.0, np.nan])
    one = Histogram.of_probabilities(values)
    assert one.total == 7 and one.counts[0] == 3 and one.counts[-1] == 3
    assert one.plus(one).total == 14 and Histogram.from_dict(one.to_dict()) == one
    assert Histogram.of_readings(LogisticGate(np.zeros(1), 0.0, 0.5), values).edges == one.edges
    far = Histogram.of_readings(OneClassGate(np.zeros(1), np.eye(1), 3.0), np.array([2.0, 100.0]))
    assert far.counts[-1] == 1 and far.total == 2
    with pytest.raises(ValueError, match="belong together"):
        Histogram.from_dict({"edges": [0, 1], "counts": [1, 2]})
