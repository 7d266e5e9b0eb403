"""Figures against scikit-learn, intervals against SciPy, coverage by simulation."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import beta, norm
from sklearn import metrics as reference

from freezenet.train.metrics import multiclass as metrics
from freezenet.train.metrics.multiclass import Figure, evaluate


@pytest.fixture(params=range(4))
def answers(request):
    rng = np.random.default_rng(request.param)
    truth = rng.integers(0, 4, 120)
    return truth, np.where(rng.random(120) < 0.6, truth, rng.integers(0, 4, 120))


def test_figures_are_scikit_learns(answers):
    truth, answer = answers
    matrix = metrics.confusion_matrix(truth, answer, 4)
    np.testing.assert_array_equal(matrix, reference.confusion_matrix(truth, answer))
    assert metrics.accuracy(matrix) == pytest.approx(reference.accuracy_score(truth, answer))
    assert metrics.macro_f1(matrix) == pytest.approx(reference.f1_score(truth, answer, average="macro"))
    np.testing.assert_allclose(metrics.recall(matrix), reference.recall_score(truth, answer, average=None))
    np.testing.assert_allclose(metrics.precision(matrix), reference.precision_score(truth, answer, average=None))
    np.testing.assert_allclose(metrics.f1(matrix), reference.f1_score(truth, answer, average=None))


def test_absent_classes_are_zero_as_in_scikit_learn():
    truth, answer = np.array([0, 0, 1, 1, 0]), np.array([0, 1, 1, 2, 0])  # 2 never true, 3 never at all
    matrix = metrics.confusion_matrix(truth, answer, 4)
    labels = range(4)
    np.testing.assert_array_equal(matrix, reference.confusion_matrix(truth, answer, labels=labels))
    precision, recall, f1, support = reference.precision_recall_fscore_support(
        truth, answer, labels=labels, zero_division=0
    )
    np.testing.assert_allclose(metrics.precision(matrix), precision)
    np.testing.assert_allclose(metrics.recall(matrix), recall)
    np.testing.assert_allclose(metrics.f1(matrix), f1)
    np.testing.assert_array_equal(matrix.sum(1), support)


def test_evaluate_keeps_the_contract(answers):
    truth, answer = answers
    found = evaluate(truth, answer, "ABCD", [str(n) for n in range(120)])
    assert json.loads(json.dumps(found)) == found
    assert found["images"] == found["patients"] == 120
    assert found["labels"] == list("ABCD")
    assert np.sum(found["confusion_matrix"]) == 120
    assert found["accuracy"]["value"] == pytest.approx(np.mean(truth == answer), abs=1e-6)
    for n, label in enumerate("ABCD"):
        assert found["per_class"][label]["support"] == (truth == n).sum()
    quoted = [found["accuracy"], found["macro_f1"]]
    quoted += [found["per_class"][label][name] for label in "ABCD" for name in ("precision", "recall", "f1")]
    assert all(0 <= one["low"] <= one["value"] <= one["high"] <= 1 for one in quoted)


def test_interval_of_independent_images_is_the_normal_one():
    truth = np.zeros(400, int)
    answer = (np.arange(400) >= 320).astype(int)  # 80 % right
    found = evaluate(truth, answer, "AB", [str(n) for n in range(400)])["accuracy"]
    half = norm.ppf(0.975) * np.sqrt(0.8 * 0.2 / 400)
    assert found["low"] == pytest.approx(0.8 - half, abs=0.006)
    assert found["high"] == pytest.approx(0.8 + half, abs=0.006)


def test_coverage():
    rng = np.random.default_rng(0)
    inside = 0
    for seed in range(200):
        right = rng.random(100) < 0.75
        draws = metrics.patient_draws([str(n) for n in range(100)], draws=400, seed=seed)
        truth = np.zeros(100, int)
        matrices = metrics.drawn_matrices(truth, (~right).astype(int), 2, draws)
        low, high = metrics.interval(metrics.accuracy(matrices))
        inside += low <= 0.75 <= high
    # 95 % of 200 is 190; four standard deviations of the binomial are 12, and a percentile bootstrap is a bit narrow
    assert 175 <= inside <= 200


def test_patients_with_equal_answers_widen_the_interval():
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(40) < 0.7, 9)  # 40 patients with 9 equally answered images
    truth, answer = np.zeros(360, int), (~right).astype(int)
    grouped = evaluate(truth, answer, "AB", np.repeat(np.arange(40), 9).astype(str).tolist())
    alone = evaluate(truth, answer, "AB", [str(n) for n in range(360)])
    assert grouped["patients"] == 40
    assert grouped["accuracy"]["value"] == alone["accuracy"]["value"]
    widths = [found["accuracy"]["high"] - found["accuracy"]["low"] for found in (grouped, alone)]
    assert widths[0] / widths[1] == pytest.approx(3, rel=0.15)  # the root of nine


def test_draws_are_of_whole_patients():
    draws = metrics.patient_draws(["b", "a", "b", "c"], draws=50, seed=1)
    assert draws.shape == (50, 4)
    np.testing.assert_array_equal(draws[:, 0], draws[:, 2])
    np.testing.assert_array_equal(draws[:, [0, 1, 3]].sum(1), 3)
    np.testing.assert_array_equal(draws, metrics.patient_draws(["b", "a", "b", "c"], draws=50, seed=1))


def test_perfect_answers_get_wilsons_interval():
    truth = np.array([0] * 20 + [1] * 20)
    found = evaluate(truth, truth, "AB", [str(n) for n in range(40)])
    z2 = norm.ppf(0.975) ** 2
    for figure, count in ((found["accuracy"], 40), (found["per_class"]["A"]["recall"], 20)):
        # Wilson's lower end for k = n is n / (n + z^2)
        assert figure == {"value": 1.0, "low": pytest.approx(count / (count + z2), abs=1e-6), "high": 1.0}
        assert figure["low"] > beta.ppf(0.025, count, 1)  # Clopper and Pearson's is wider


def test_wilson_counts_patients_and_not_images():
    truth = np.array([0] * 20 + [1] * 20)
    patients = [f"{n // 10}" for n in range(40)]  # two patients in each class
    found = evaluate(truth, truth, "AB", patients)
    z2 = norm.ppf(0.975) ** 2
    assert found["accuracy"]["low"] == pytest.approx(4 / (4 + z2), abs=1e-6)


def test_all_wrong():
    truth = np.array([0] * 10 + [1] * 10)
    found = evaluate(truth, 1 - truth, "AB", [str(n) for n in range(20)])
    z2 = norm.ppf(0.975) ** 2
    assert found["accuracy"] == {"value": 0.0, "low": 0.0, "high": pytest.approx(z2 / (20 + z2), abs=1e-6)}


def test_one_image_and_a_class_without_images():
    found = evaluate(np.array([0]), np.array([0]), "ABC", ["p"])
    assert found["accuracy"]["value"] == 1
    assert found["per_class"]["C"]["support"] == 0
    assert found["per_class"]["C"]["recall"] == {"value": 0.0, "low": 0.0, "high": 1.0}  # nothing is known


def test_figure_writes_itself():
    figure = Figure(0.92345678, 0.8814, 0.9561)
    assert str(figure) == "0.923 [0.881, 0.956]"
    assert figure.to_dict() == {"value": 0.923457, "low": 0.8814, "high": 0.9561}


def test_a_class_without_images_has_no_part_in_macro_f1():
    """A model of four classes on data of two; scikit-learn over these two gives the same."""
    rng = np.random.default_rng(0)
    truth, answer = rng.integers(0, 2, 200), rng.integers(0, 3, 200)
    found = evaluate(truth, answer, ["A", "B", "C", "D"], [str(n) for n in range(200)])
    expected = reference.f1_score(truth, answer, labels=[0, 1], average="macro")
    assert found["macro_f1"]["value"] == pytest.approx(expected, abs=1e-6)
    assert found["macro_f1"]["low"] < expected < found["macro_f1"]["high"]
    assert found["per_class"]["C"]["support"] == 0
