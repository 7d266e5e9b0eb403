"""The two tasks: what a text means, what truth and thresholds are, which figures count."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.task import TASKS, task_of

CLASSES, LABELS = TASKS["multi-class"], TASKS["multi-label"]
RNG = np.random.default_rng(0)


def test_a_card_without_a_task_is_of_a_multi_class_model():
    assert task_of({}) is CLASSES
    assert task_of({"task": "multi-label"}) is LABELS


def test_truth_is_a_set_of_labels_for_both():
    names = ("covid", "normal", "pneumonia")
    assert CLASSES.truth(["normal", "covid"], names).tolist() == [[False, True, False], [True, False, False]]
    found = LABELS.truth(["pneumonia; covid", "none", "normal"], names)
    assert found.tolist() == [[True, False, True], [False, False, False], [False, True, False]]
    assert LABELS.texts(found, names) == ["covid;pneumonia", "none", "normal"]
    assert CLASSES.texts(found[2:], names) == ["normal"]


def test_other_labels_are_refused():
    for task, text in ((CLASSES, "tb"), (LABELS, "covid;tb")):
        with pytest.raises(FreezenetError, match=r"classes covid, normal is required\. Got: tb; "):
            task.truth(["covid", text], ("covid", "normal"))


def test_a_label_set_is_no_class_and_the_way_out_is_named():
    with pytest.raises(FreezenetError, match=r"Got: 'a;b'; for several labels train with --set task=multi-label"):
        CLASSES.labels_of("a;b")
    assert CLASSES.labels_of("none") == ("none",)  # an ordinary class


def test_only_labels_have_thresholds():
    probabilities, truth = RNG.random((30, 3)), RNG.random((30, 3)) < 0.5
    assert CLASSES.first_thresholds(3) is None and CLASSES.thresholds(probabilities, truth, "f1") is None
    assert LABELS.first_thresholds(3).tolist() == [0.5, 0.5, 0.5]
    assert LABELS.thresholds(probabilities, truth, "f1").shape == (3,)


@pytest.mark.parametrize("name", list(TASKS))
def test_the_accuracy_of_an_epoch_is_that_of_the_figures_at_half(name):
    task = TASKS[name]
    truth, scores = RNG.random((40, 3)) < 0.5, RNG.random((40, 3))
    scores = np.where(truth, np.maximum(scores, 1 - scores), scores)
    if name == "multi-class":
        truth, scores = np.eye(3, dtype=bool)[RNG.integers(0, 3, 40)], scores / scores.sum(1, keepdims=True)
    answer = scores >= 0.5 if name == "multi-label" else np.eye(3, dtype=bool)[scores.argmax(1)]
    metric = task.accuracy()
    for rows in (slice(0, 16), slice(16, 40)):  # batches
        metric.update_state(truth[rows].astype(np.float32), scores[rows].astype(np.float32))
    figure = task.evaluate(truth, answer, ("x", "y", "z"), [str(n) for n in range(40)])["accuracy"]
    assert 0 < figure["value"] < 1
    assert float(metric.result()) == pytest.approx(figure["value"], abs=1e-6)
    assert isinstance(metric, keras.metrics.Metric) and metric.name == "accuracy"
