"""Images with a wrong answer of two made-up models."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from freezenet.benchmarks.evaluate import JudgedImages
from freezenet.benchmarks.quality import answers as module
from freezenet.benchmarks.quality.answers import AnswerPair, ModelAnswers
from freezenet.train.data.dataset import Dataset, Sample

EYE = np.eye(2, dtype=bool)


def test_all_wrong_answers_are_counted_where_only_the_surest_are_listed(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 2)
    samples = tuple(Sample(f"{number}.png", "a", str(number), "") for number in range(5))
    judged = JudgedImages(Dataset(Path("."), samples, True), "all")
    before = ModelAnswers(EYE[[0, 0, 0, 0, 0]], np.full(5, 0.9))
    found = ModelAnswers(EYE[[1, 1, 0, 1, 1]], np.array([0.6, 0.8, 1.0, 0.7, 0.55]))
    wrong = AnswerPair(judged, ("a", "b"), before, found, "float32").wrong(EYE[[0] * 5])
    assert wrong["wrong_count"] == 4
    assert wrong["wrong"] == [
        {"file": name, "class": "a", "float32": "a", "this": "b", "float32_score": 0.9, "this_score": sure}
        for name, sure in (("1.png", 0.8), ("3.png", 0.7))
    ]
