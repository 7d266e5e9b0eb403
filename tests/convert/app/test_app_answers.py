"""The app's JavaScript with LiteRT.js gives the answers of `freezenet predict`, on drawn and on real pictures."""

from __future__ import annotations

import numpy as np
import pytest

from freezenet.edge_runtime.classifier import Classifier


@pytest.fixture
def same_answers(ask, packages):
    """A function: model, files -> the reasons of all answers, which Node and this package give alike."""

    def check(model, files):
        classifier = Classifier(model)
        (answers,) = ask(
            {"task": "answers", "model": str(model), "packages": str(packages), "files": list(map(str, files))}
        )
        assert "error" not in answers, answers
        spec = classifier.card.preprocess
        for file, answer in zip(files, answers, strict=True):
            expected = classifier.predict(file)
            assert (answer["label"], answer["reason"]) == (expected.label, expected.reason), file
            assert answer["scores"] == classifier.scores(spec.pixels(file)[None])[0].tolist(), file
            np.testing.assert_allclose(answer["probabilities"], list(expected.probabilities.values()), atol=1e-9)
        return {answer["reason"] for answer in answers}

    return check


def test_phantoms(same_answers, phone_model, phantoms):
    assert None in same_answers(phone_model, sorted(phantoms.parent.rglob("*.png"))[::8])


def test_xrays_and_other_pictures(same_answers, phone_model, shared):
    """60 chest X-rays and 20 other pictures, as they lie in the folders."""
    xrays = sorted((shared / "data" / "cxr").rglob("*.jpg"))
    others = sorted((shared / "data" / "not-cxr").rglob("*.jpg"))
    assert "not a chest X-ray" in same_answers(phone_model, [*xrays[:: len(xrays) // 60][:60], *others[::7][:20]])
