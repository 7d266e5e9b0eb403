"""Images with a wrong answer of two made-up models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freezenet.benchmarks.evaluate import JudgedImages
from freezenet.benchmarks.quality import answers as module
from freezenet.benchmarks.quality.answers import AnswerPair, ModelAnswers
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.train.data.dataset import Dataset, Sample

EYE = np.eye(2, dtype=bool)


def test_all_wrong_answers_are_counted_where_only_the_surest_are_listed(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 2)
    samples = tuple(Sample(f"{number}.png", "a", str(number), "") for number in range(5))
    judged = JudgedImages(Dataset(Path("."), samples, True), "all")
    before = ModelAnswers(EYE[[0, 0, 0, 0, 0]], np.full(5, 0.9), np.ones(5, bool))
    found = ModelAnswers(EYE[[1, 1, 0, 1, 1]], sure := np.array([0.6, 0.8, 1.0, 0.7, 0.55]), sure >= 0.75)
    wrong = AnswerPair(judged, ("a", "b"), before, found, "float32").wrong(EYE[[0] * 5])
    assert wrong["wrong_count"] == 4
    assert wrong["wrong"] == [
        {"file": name, "class": "a", "float32": "a", "this": "b", "float32_score": 0.9, "this_score": score,
         "float32_answered": True, "this_answered": answered}
        for name, score, answered in (("1.png", 0.8, True), ("3.png", 0.7, False))
    ]  # fmt: skip


def test_each_file_answers_by_its_own_rule():
    """Scaled by T = 2, .9 against .1 becomes .75; of class b .7 is enough, of class a .8 is not."""
    rule = DecisionRule(("a", "b"), temperature=2.0, class_abstain_below=np.array([0.8, 0.7]))
    found = ModelAnswers.of(rule, np.array([[0.9, 0.1], [0.1, 0.9]], np.float32))
    assert found.answers.tolist() == [[True, False], [False, True]]
    assert found.confidence == pytest.approx([0.75, 0.75], abs=1e-6)
    assert found.answered.tolist() == [False, True]
