"""A cell says what was seen and nothing kinder."""

from __future__ import annotations

import numpy as np
import pytest

from studies.clients.cell import Cell
from studies.clients.question import Question


@pytest.fixture
def question(models):
    return Question.golden(models / "int8.tflite", "int8")


def test_equal_scores_are_the_same(question):
    cell = Cell.judge(question, {"scores": question.expected.tolist(), "labels": list(question.card.labels)})
    assert cell.same
    assert cell.text() == "same"


def test_the_largest_difference_of_any_score_counts(question):
    scores = question.expected.copy()
    scores[1, 2] += 0.0078125
    cell = Cell.judge(question, {"scores": scores.tolist()})
    assert cell.largest_difference == 0.0078125
    assert not cell.same
    assert cell.text().startswith("7.8e-03")


def test_another_top_class_and_other_labels_are_said(question):
    cell = Cell.judge(question, {"scores": question.expected[:, ::-1].tolist(), "labels": ["a"]})
    others = int((question.expected[:, ::-1].argmax(1) != question.expected.argmax(1)).sum())
    assert cell.differs == (f"{others} of {len(question.expected)} answers", "labels")


def test_nan_is_no_match(question):
    scores = np.full_like(question.expected, np.nan)
    assert Cell.judge(question, {"scores": scores.tolist()}).largest_difference > 1


def test_scores_of_another_shape_differ(question):
    cell = Cell.judge(question, {"scores": [[0.5, 0.5]]})
    assert "shape (1, 2)" in cell.text()


def test_reasons_and_differences_come_through_json(question):
    for cell in (
        Cell.judge(question, {"cannot": "no such operator"}),
        Cell("int8.tflite", missing="no browser"),
        Cell.judge(question, {"differs": ["labels"]}),
    ):
        assert Cell.from_dict(cell.to_dict()) == cell
        assert not cell.same
    assert Cell("int8.tflite", missing="no browser").text() == "not run"
