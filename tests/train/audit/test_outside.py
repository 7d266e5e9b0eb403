"""The prediction for a source that took no part, against hand-computed values and against simulated sources."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, t
from statsmodels.stats.proportion import proportion_confint

from freezenet.train.audit.outside import KNOWN, Gaps, left_out_recalls, predict_outside
from freezenet.train.audit.probe import Bench, cross_validated, draw_folds, prepared
from freezenet.train.metrics.draws import patient_draws

ENDS = (0.025, 0.975)


def test_without_a_measured_gap_what_is_known_elsewhere_remains():
    value, draws = Gaps(0.2, 0.3, 6).at_a_new_source([], np.random.default_rng(0))
    assert value == pytest.approx(0.2)
    expected = t(6, 0.2, 0.3 * (1 + 1 / 6) ** 0.5).ppf(ENDS)
    assert np.quantile(draws, ENDS) == pytest.approx(expected, abs=0.03)


def test_measured_gaps_count_as_much_as_those_elsewhere():
    value, draws = Gaps(0.2, 0.1, 2).at_a_new_source([0.6, 0.4], np.random.default_rng(0))
    assert value == pytest.approx(0.35)  # two sources with .2, two with .5
    # Sums of squares: .02 elsewhere, .02 here, 2 * 2 / 4 * .3^2 between; over four sources.
    expected = t(4, 0.35, ((0.02 + 0.02 + 0.09) / 4 * (1 + 1 / 4)) ** 0.5).ppf(ENDS)
    assert np.quantile(draws, ENDS) == pytest.approx(expected, abs=0.03)


def test_the_interval_holds_in_95_of_100_simulated_data_sets():
    rng, held = np.random.default_rng(1), 0
    for _ in range(400):
        true = rng.normal(0.2, 0.2, 9)  # six sources elsewhere, two here, and the new one
        known = Gaps(float(true[:6].mean()), float(true[:6].std(ddof=1)), 6)
        low, high = np.quantile(known.at_a_new_source(true[6:8].tolist(), rng)[1], ENDS)
        held += low <= true[8] <= high
    assert 0.92 <= held / 400 <= 0.98


#: Class a at two sources, class b at one.
CLASSES = np.array(["a"] * 80 + ["b"] * 40)
SOURCES = np.array(["x"] * 40 + ["y"] * 40 + ["x"] * 40)


@pytest.fixture
def data():
    """(values, sources, bench, answers): class a at two sources of which one looks different, class b at one."""
    rng = np.random.default_rng(0)
    patients = np.array([f"p{number}" for number in range(120)])
    values = rng.normal(size=(120, 6)) * 0.3
    values[CLASSES == "b", 0] += 4
    values[SOURCES == "y", 1] += 4  # marks y, where a alone is
    values = prepared(values)
    bench = Bench(CLASSES, patients, draw_folds(CLASSES, patients, 3, 0), patient_draws(patients.tolist(), draws=50))
    return values, SOURCES, bench, cross_validated(values, CLASSES, bench.folds)


def test_what_can_be_asked_is_asked(data):
    values, sources, bench, whole = data
    found = predict_outside(values, sources, bench, whole=whole)
    # Without x nothing is left of b, so nothing is trained; without y, a and b at x remain.
    assert {label: list(at) for label, at in found.measured.items()} == {"a": ["y"], "b": []}
    assert found.from_one_source == ["b"] and found.known == KNOWN
    assert found.recall["b"].value == pytest.approx(1 - KNOWN.mean)
    assert found.recall["a"].value > found.recall["b"].value
    for one in (*found.recall.values(), found.accuracy):
        assert 0 <= one.low < one.value < one.high <= 1
    assert found.accuracy.low < found.likely[0] < found.accuracy.value < found.likely[1] < found.accuracy.high
    widths = [one.high - one.low for one in (found.recall["a"], found.recall["b"])]
    assert widths[0] < widths[1]


def test_the_classes_of_the_new_source_count(data):
    values, sources, bench, whole = data
    found = predict_outside(values, sources, bench, whole=whole, shares={"b": 1.0})
    assert found.accuracy.value == pytest.approx(found.recall["b"].value)
    assert found.accuracy.low == pytest.approx(found.recall["b"].low)


def test_a_patient_of_the_left_out_source_teaches_nothing(data):
    values, sources, bench, _ = data
    patients = bench.patients.copy()
    patients[:40] = patients[40:80]  # every a at x is of a patient at y
    assert left_out_recalls(values, sources, Bench(bench.classes, patients, bench.folds, bench.draws)) == {
        "a": {},
        "b": {},
    }


def test_images_of_no_source_are_never_left_out(data):
    values, sources, bench, _ = data
    unknown = np.where(sources == "y", "", sources)
    assert left_out_recalls(values, unknown, bench) == {"a": {}, "b": {}}


def test_a_recall_of_all_has_the_interval_of_wilson(data):
    values, sources, bench, whole = data
    found = predict_outside(values, sources, bench, whole=whole)
    one = found.measured["a"]["y"]
    assert (one.images, one.recall.value) == (40, 1)
    assert (one.recall.low, one.recall.high) == pytest.approx(proportion_confint(40, 40, method="wilson"))
    content = found.to_dict()
    assert content["left_out"] == {"a": {"y": {"images": 40, **one.recall.to_dict()}}, "b": {}}
    assert content["measured"] == {"a": {"y": 1.0}, "b": {}} and content["known"]["sources"] == KNOWN.sources


@pytest.mark.parametrize("images", [1, 2])
def test_the_interval_at_a_left_out_source_is_over_its_patients(images):
    """20 of 40 images of a at y look like b; with two images a patient there are half as many independent ones."""
    rng = np.random.default_rng(0)
    patients = np.array([f"p{number // images}" for number in range(120)])
    values = rng.normal(size=(120, 6)) * 0.1
    values[CLASSES == "b", 0] += 8
    values[60:80, 0] += 8
    bench = Bench(CLASSES, patients, draw_folds(CLASSES, patients, 3, 0), patient_draws(patients.tolist()))
    one = left_out_recalls(prepared(values), SOURCES, bench)["a"]["y"]
    assert (one.images, one.recall.value) == (40, 0.5)
    independent = 40 // images
    assert (one.recall.low, one.recall.high) == pytest.approx(binom(independent, 0.5).ppf(ENDS) / independent, abs=0.04)
