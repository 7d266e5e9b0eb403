"""Evaluations against scikit-learn, against a published confusion, and intervals against SciPy and a bootstrap by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import beta, norm
from sklearn import metrics as reference

from freezenet.train.metrics.draws import patient_draws
from freezenet.train.metrics.evaluation import evaluate

LABELS = ("covid", "normal", "pneumonia")


@pytest.fixture(params=range(3))
def sets(request):
    rng = np.random.default_rng(request.param)
    truth = rng.random((150, 3)) < [0.1, 0.5, 0.3]
    return truth, truth ^ (rng.random((150, 3)) < 0.15)


@pytest.fixture(params=range(4))
def answers(request):
    rng = np.random.default_rng(request.param)
    truth = rng.integers(0, 4, 120)
    return truth, np.where(rng.random(120) < 0.6, truth, rng.integers(0, 4, 120))


def of_classes(truth, answer, labels, patients):
    one_hot = np.eye(len(labels), dtype=bool)
    return evaluate(one_hot[truth], one_hot[answer], labels, patients, exclusive=True)


def of_sets(truth, answer, labels, patients):
    return evaluate(truth, answer, labels, patients, exclusive=False)


def own_patients(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def test_evaluate_keeps_the_contract(answers):
    truth, answer = answers
    found = of_classes(truth, answer, "ABCD", [str(n) for n in range(120)])
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
    found = of_classes(truth, answer, "AB", [str(n) for n in range(400)])["accuracy"]
    half = norm.ppf(0.975) * np.sqrt(0.8 * 0.2 / 400)
    assert found["low"] == pytest.approx(0.8 - half, abs=0.006)
    assert found["high"] == pytest.approx(0.8 + half, abs=0.006)


def test_patients_with_equal_answers_widen_the_interval():
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(40) < 0.7, 9)  # 40 patients with 9 equally answered images
    truth, answer = np.zeros(360, int), (~right).astype(int)
    grouped = of_classes(truth, answer, "AB", np.repeat(np.arange(40), 9).astype(str).tolist())
    alone = of_classes(truth, answer, "AB", [str(n) for n in range(360)])
    assert grouped["patients"] == 40
    assert grouped["accuracy"]["value"] == alone["accuracy"]["value"]
    widths = [found["accuracy"]["high"] - found["accuracy"]["low"] for found in (grouped, alone)]
    assert widths[0] / widths[1] == pytest.approx(3, rel=0.15)  # the root of nine


def test_perfect_answers_get_wilsons_interval():
    truth = np.array([0] * 20 + [1] * 20)
    found = of_classes(truth, truth, "AB", [str(n) for n in range(40)])
    z2 = norm.ppf(0.975) ** 2
    for figure, count in ((found["accuracy"], 40), (found["per_class"]["A"]["recall"], 20)):
        # Wilson's lower end for k = n is n / (n + z^2)
        assert figure == {"value": 1.0, "low": pytest.approx(count / (count + z2), abs=1e-6), "high": 1.0}
        assert figure["low"] > beta.ppf(0.025, count, 1)  # Clopper and Pearson's is wider


def test_wilson_counts_patients_and_not_images():
    truth = np.array([0] * 20 + [1] * 20)
    patients = [f"{n // 10}" for n in range(40)]  # two patients in each class
    found = of_classes(truth, truth, "AB", patients)
    z2 = norm.ppf(0.975) ** 2
    assert found["accuracy"]["low"] == pytest.approx(4 / (4 + z2), abs=1e-6)


def test_precision_counts_the_patients_that_got_the_answer():
    """Six of six answers "A" are right, of 40 images of A: Wilson's of 6, not of 40."""
    truth = np.array([0] * 40 + [1] * 40)
    answer = np.array([0] * 6 + [1] * 74)
    found = of_classes(truth, answer, "AB", own_patients(80))["per_class"]["A"]["precision"]
    assert found == {"value": 1.0, "low": pytest.approx(6 / (6 + norm.ppf(0.975) ** 2), abs=1e-6), "high": 1.0}


def test_a_rare_class_without_an_error_widens_the_means():
    """Twelve patients of twelve are found: their recall, and what was wrongly taken for them, may be as low as their own intervals say."""
    truth = np.array([0] * 300 + [1] * 12)
    found = of_classes(truth, truth, "AB", own_patients(312))
    z2 = norm.ppf(0.975) ** 2
    f1 = {count: 2 * share / (1 + share) for count in (300, 12) if (share := count / (count + z2))}
    for label, count in (("A", 300), ("B", 12)):
        low = 1 - np.sqrt(2) * (1 - f1[count])  # recall and precision
        assert found["per_class"][label]["f1"]["low"] == pytest.approx(low, abs=1e-6)
    expected = 1 - np.sqrt(2 * ((1 - f1[300]) / 2) ** 2 + 2 * ((1 - f1[12]) / 2) ** 2)
    assert found["macro_f1"] == {"value": 1.0, "low": pytest.approx(expected, abs=1e-6), "high": 1.0}


def test_the_interval_of_macro_f1_holds_the_truth_where_a_rare_class_has_few_images():
    """Recall .97 of 200 and .85 of 12 images of two classes, whose true macro-F1 follows from these shares; 200 such data sets."""
    counts, shares = np.array([200, 12]), np.array([0.97, 0.85])
    found, missed = shares * counts, (1 - shares) * counts
    expected = np.mean(2 * found / (2 * found + missed + missed[::-1]))
    truth, rng, held = np.repeat([0, 1], counts), np.random.default_rng(0), 0
    draws = patient_draws(own_patients(len(truth)), 400)
    one_hot = np.eye(2, dtype=bool)
    for _ in range(200):
        answer = np.where(rng.random(len(truth)) < shares[truth], truth, 1 - truth)
        macro = evaluate(one_hot[truth], one_hot[answer], "AB", own_patients(len(truth)), exclusive=True, draws=draws)[
            "macro_f1"
        ]
        held += macro["low"] <= expected <= macro["high"]
    assert held >= 180  # 15 data sets of 100 have no error among the twelve, and their draws none


def test_all_wrong():
    truth = np.array([0] * 10 + [1] * 10)
    found = of_classes(truth, 1 - truth, "AB", [str(n) for n in range(20)])
    z2 = norm.ppf(0.975) ** 2
    assert found["accuracy"] == {"value": 0.0, "low": 0.0, "high": pytest.approx(z2 / (20 + z2), abs=1e-6)}


def test_one_image_and_a_class_without_images():
    found = of_classes(np.array([0]), np.array([0]), "ABC", ["p"])
    assert found["accuracy"]["value"] == 1
    assert found["per_class"]["C"]["support"] == 0
    assert found["per_class"]["C"]["recall"] == {"value": 0.0, "low": 0.0, "high": 1.0}  # nothing is known


def test_a_class_without_images_has_no_part_in_macro_f1():
    """A model of four classes on data of two; scikit-learn over these two gives the same."""
    rng = np.random.default_rng(0)
    truth, answer = rng.integers(0, 2, 200), rng.integers(0, 3, 200)
    found = of_classes(truth, answer, ["A", "B", "C", "D"], [str(n) for n in range(200)])
    expected = reference.f1_score(truth, answer, labels=[0, 1], average="macro")
    assert found["macro_f1"]["value"] == pytest.approx(expected, abs=1e-6)
    assert found["macro_f1"]["low"] < expected < found["macro_f1"]["high"]
    assert found["per_class"]["C"]["support"] == 0


def test_figures_of_label_sets_are_scikit_learns(sets):
    truth, answer = sets
    found = of_sets(truth, answer, LABELS, own_patients(150))
    assert found["subset_accuracy"] == found["accuracy"]
    assert found["accuracy"]["value"] == pytest.approx(reference.accuracy_score(truth, answer), abs=1e-6)
    assert found["hamming_loss"]["value"] == pytest.approx(reference.hamming_loss(truth, answer), abs=1e-6)
    for average in ("macro", "weighted"):
        expected = reference.f1_score(truth, answer, average=average)
        assert found[f"{average}_f1"]["value"] == pytest.approx(expected, abs=1e-6)
    matrices = reference.multilabel_confusion_matrix(truth, answer)
    assert found["confusion_matrices"] == dict(zip(LABELS, matrices.tolist(), strict=True))
    parts = reference.precision_recall_fscore_support(truth, answer)
    for name, values in zip(("precision", "recall", "f1", "support"), parts, strict=True):
        for label, value in zip(LABELS, values, strict=True):
            one = found["per_label"][label][name]
            assert (one if name == "support" else one["value"]) == pytest.approx(value, abs=1e-6)
    assert found["per_class"] == found["per_label"]


def test_labels_that_are_never_there_or_never_answered_are_zero_as_in_scikit_learn():
    truth = np.array([[True, False, False], [True, False, True], [False, False, True]])
    answer = np.array([[True, True, False], [True, False, False], [True, False, False]])
    found = of_sets(truth, answer, LABELS, own_patients(3))
    parts = reference.precision_recall_fscore_support(truth, answer, zero_division=0)
    for name, values in zip(("precision", "recall", "f1"), parts[:3], strict=True):
        shown = [found["per_label"][label][name]["value"] for label in LABELS]
        np.testing.assert_allclose(shown, values, atol=1e-6)
    # Nothing is known about the recall of a label without an image.
    assert found["per_label"]["normal"]["recall"] == {"value": 0.0, "low": 0.0, "high": 1.0}
    there = [0, 2]
    expected = reference.f1_score(truth[:, there], answer[:, there], average="macro", zero_division=0)
    assert found["macro_f1"]["value"] == pytest.approx(expected, abs=1e-6)


def test_images_without_any_label_have_a_macro_f1_of_zero():
    found = of_sets(np.zeros((4, 3), bool), np.eye(4, 3, dtype=bool), LABELS, own_patients(4))
    assert found["macro_f1"]["value"] == 0
    assert found["accuracy"]["value"] == 0.25


def published() -> tuple[np.ndarray, np.ndarray]:
    """A validation side of 628 images (28 of covid, 400 and 200 of the others) with 38 wrong answers and 81 wrong labels."""
    covid, normal, pneumonia = [True, False, True], [False, True, False], [False, False, True]
    truth = np.array([covid] * 28 + [normal] * 400 + [pneumonia] * 200)
    answer = truth.copy()
    answer[:9] = pneumonia  # 9 missed covids, one wrong label each
    answer[28:43] = pneumonia  # 15 with two wrong labels
    answer[428:442] = [True, True, False]  # 14 with three
    return truth, answer


def test_the_arithmetic_gives_the_published_figures():
    """Subset accuracy .9395, Hamming .0430, covid recall 19/28 of the published multi-label system."""
    found = of_sets(*published(), LABELS, own_patients(628))
    assert found["subset_accuracy"]["value"] == pytest.approx(0.9395, abs=5e-5)
    assert found["hamming_loss"]["value"] == pytest.approx(0.0430, abs=5e-5)
    assert found["per_label"]["covid"]["recall"]["value"] == pytest.approx(19 / 28, abs=1e-6)
    assert found["per_label"]["covid"]["support"] == 28


def test_the_contract_of_every_evaluation_is_kept(sets):
    found = of_sets(*sets, LABELS, own_patients(150))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    truth = sets[0].argmax(1)
    assert set(of_classes(truth, truth, LABELS, own_patients(150))) - set(found) == {"confusion_matrix"}
    figures = [found[name] for name in ("accuracy", "hamming_loss", "macro_f1", "weighted_f1")]
    figures += [found["per_label"][label][name] for label in LABELS for name in ("precision", "recall", "f1")]
    assert all(0 <= one["low"] <= one["value"] <= one["high"] <= 1 for one in figures)


def test_one_hot_answers_have_the_figures_of_the_classes():
    """Precision, recall and F1 of a class are those of its label, with the same draws of patients."""
    rng = np.random.default_rng(3)
    truth, answer = rng.integers(0, 3, 90), rng.integers(0, 3, 90)
    patients = [str(number // 2) for number in range(90)]
    classes = of_classes(truth, answer, LABELS, patients)
    labels = of_sets(np.eye(3, dtype=bool)[truth], np.eye(3, dtype=bool)[answer], LABELS, patients)
    for key in ("accuracy", "macro_f1", "per_class", "images", "patients"):
        assert labels[key] == classes[key]


def test_the_interval_is_that_of_a_bootstrap_of_patients_typed_by_hand(sets):
    truth, answer = (np.tile(one, (10, 1)) for one in sets)
    patients = np.random.default_rng(9).integers(0, 300, len(truth))
    found = of_sets(truth, answer, LABELS, [str(one) for one in patients])["hamming_loss"]
    rng = np.random.default_rng(1)
    names = np.unique(patients)
    rows_of = {name: np.flatnonzero(patients == name) for name in names}
    draws = []
    for _ in range(1000):
        rows = np.concatenate([rows_of[name] for name in rng.choice(names, len(names))])
        draws.append(np.mean(truth[rows] != answer[rows]))
    np.testing.assert_allclose([found["low"], found["high"]], np.percentile(draws, [2.5, 97.5]), atol=0.004)


def test_answers_without_an_error_have_an_interval_all_the_same():
    truth = np.array([[True, False, True]] * 20)
    found = of_sets(truth, truth, LABELS, own_patients(20))
    assert found["hamming_loss"]["value"] == 0 < found["hamming_loss"]["high"] < 0.2
    assert found["accuracy"]["value"] == 1 > found["accuracy"]["low"] > 0.8
