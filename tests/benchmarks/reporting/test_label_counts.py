"""Counts of confusion matrices and Bayes' theorem, worked out by hand."""

from __future__ import annotations

import pytest

from freezenet.benchmarks.reporting.label_counts import LabelCounts, rare_example

MATRIX = {
    "labels": ["Normal", "Focal", "Diffuse"],
    "confusion_matrix": [[88, 10, 2], [5, 15, 0], [0, 0, 80]],
    "per_class": dict.fromkeys(("Normal", "Focal", "Diffuse")),
}


def test_a_label_of_several_classes_is_counted_against_all_others():
    assert LabelCounts.of(MATRIX, "Focal") == LabelCounts(found=15, missed=5, wrongly=10, without=170)
    one = LabelCounts.of(MATRIX, "Normal")
    assert (one.there, one.others, one.answered) == (100, 100, 93)


def test_a_label_among_others_has_a_matrix_of_its_own():
    several = {"confusion_matrices": {"Focal": [[170, 10], [5, 15]]}}
    assert LabelCounts.of(several, "Focal") == LabelCounts.of(MATRIX, "Focal")
    assert LabelCounts.of({"labels": ["a"]}, "a") is None


def test_where_a_class_is_rare_fewer_answers_are_right():
    """Found in 75 %, wrongly named in 10 of 180: of 18,000 images 180 are Focal, 135 found, and 990 of 17,820 named wrongly."""
    assert LabelCounts.of(MATRIX, "Focal").right_where(0.01) == pytest.approx(135 / (135 + 990))
    assert rare_example(MATRIX) == (
        "Focal is found in 15 of 20 images and wrongly named in 10 of 180 others: where 10 % of the images are Focal, as here, 60 % of such "
        "answers are right, where 1 % are, 12 %."
    )


def test_a_class_that_is_never_named_wrongly_is_no_example():
    perfect = {"labels": ["a", "b"], "confusion_matrix": [[5, 0], [0, 5]], "per_class": dict.fromkeys("ab")}
    assert rare_example(perfect) == ""
    assert rare_example({"per_class": {"a": {}}}) == ""


def test_no_finding_is_the_example_only_where_nothing_else_is():
    alone = {**MATRIX, "confusion_matrix": [[80, 0, 0], [5, 15, 0], [0, 0, 80]]}
    assert rare_example(alone).startswith("Normal is found in 80 of 80 images")
