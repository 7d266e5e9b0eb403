"""Heads fitted near an old one, against scikit-learn, and in places whose truth is known because it was drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from freezenet.benchmarks.localize.head import refit
from freezenet.benchmarks.localize.head.refit import _BIAS_PRIOR, HeadFitter
from freezenet.convert.head import Head

WIDTH, CLASSES = 60, 3
EVERY = np.arange(120)


def drawn(images: int, seed: int, *, moved: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Features and classes of a place: three normal distributions, whose means in another place lie elsewhere."""
    rng = np.random.default_rng(seed)
    means = (1 - moved) * np.random.default_rng(0).normal(0, 0.3, (CLASSES, WIDTH))
    means = means + moved * np.random.default_rng(1).normal(0, 0.3, (CLASSES, WIDTH))
    truth = rng.permutation(np.arange(images) % CLASSES)
    return (means[truth] + rng.normal(size=(images, WIDTH))).astype(np.float32), truth


def head_of(features: np.ndarray, truth: np.ndarray) -> Head:
    found = LogisticRegression(C=0.1).fit(features, truth)
    return Head(found.coef_.T, found.intercept_)


@pytest.fixture(scope="module")
def old():
    return head_of(*drawn(2000, 10))


def test_without_an_old_head_it_is_ridge_regression():
    """The priors as penalties of scikit-learn: C is the variance of the weights, a constant column holds the bias."""
    features, truth = drawn(120, 3)
    fitter = HeadFitter(Head(np.zeros((WIDTH, CLASSES)), np.zeros(CLASSES)), features, truth, EVERY)
    found = fitter.fitted(EVERY)
    center = features.mean(0)
    length = np.sqrt(((features - center) ** 2).sum(1).mean())
    columns = np.column_stack([(features - center) / length, np.full(120, _BIAS_PRIOR / found.spread)])
    same = LogisticRegression(C=found.spread**2, fit_intercept=False, tol=1e-8, max_iter=5000).fit(columns, truth)
    np.testing.assert_allclose(found.head.scores(features), same.predict_proba(columns), atol=2e-3)
    assert found.factor == pytest.approx(1)


def test_more_features_than_images_are_turned_and_nothing_else(old):
    """The same solution in few coordinates as in all of them: columns of zeros make the features more than the images."""
    features, truth = drawn(120, 4, moved=0.7)
    padding = np.zeros((120, 100), np.float32)
    wide = Head(np.vstack([old.kernel, np.zeros((100, CLASSES))]), old.bias)
    one = HeadFitter(old, features, truth, EVERY).fitted(EVERY)
    other = HeadFitter(wide, np.hstack([features, padding]), truth, EVERY).fitted(EVERY)
    assert one.spread == other.spread
    np.testing.assert_allclose(one.scores, other.scores, atol=2e-3)
    np.testing.assert_allclose(one.head.kernel, other.head.kernel[:WIDTH], atol=1e-2)


def test_the_chosen_loss_is_that_of_the_scores_that_are_given(old):
    features, truth = drawn(120, 5, moved=1.0)
    found = HeadFitter(old, features, truth, EVERY).fitted(EVERY)
    assert found.losses[found.spread] == min(found.losses.values())
    assert log_loss(truth, found.scores / found.scores.sum(1, dtype=np.float64, keepdims=True)) == pytest.approx(
        found.losses[found.spread], abs=1e-4
    )


def test_another_place_is_mended_and_the_figures_say_how_well(old):
    """Out-of-fold figures are those of everyone in that place, whom no fit has seen."""
    everyone, theirs = drawn(6000, 99, moved=1.0)
    before = (old.logits(everyone).argmax(1) == theirs).mean()
    promised, true = [], []
    for seed in range(6):
        features, truth = drawn(120, seed, moved=1.0)
        found = HeadFitter(old, features, truth, EVERY).fitted(EVERY)
        promised.append((found.scores.argmax(1) == truth).mean())
        true.append((found.head.logits(everyone).argmax(1) == theirs).mean())
    assert np.mean(true) > before + 0.1
    assert np.mean(promised) == pytest.approx(np.mean(true), abs=0.04)


def test_the_old_place_is_not_made_worse(old):
    everyone, theirs = drawn(6000, 98)
    features, truth = drawn(120, 7)
    found = HeadFitter(old, features, truth, EVERY).fitted(EVERY)
    before, after = ((one.logits(everyone).argmax(1) == theirs).mean() for one in (old, found.head))
    assert after > before - 0.03


def test_labels_by_chance_promise_nothing(old):
    """Pairs of equal images: whoever lets a patient into both sides is right about each."""
    features, _ = drawn(60, 8)
    found = []
    for seed in range(4):
        truth = np.repeat(np.random.default_rng(seed).permutation(np.arange(60) % CLASSES), 2)
        scores = HeadFitter(old, features.repeat(2, 0), truth, np.arange(60).repeat(2)).fitted(EVERY).scores
        found.append((scores.argmax(1) == truth).mean())
    assert np.mean(found) < 0.45


def test_a_class_without_an_image_stays_what_it_was(old):
    features, truth = drawn(120, 9, moved=1.0)
    rows = np.flatnonzero(truth != 1)
    found = HeadFitter(old, features, truth, EVERY).fitted(rows)
    np.testing.assert_allclose(found.head.kernel[:, 1], found.factor * old.kernel[:, 1])
    assert found.head.bias[1] == pytest.approx(found.factor * old.bias[1])
    assert np.abs(found.head.kernel[:, 0] - found.factor * old.kernel[:, 0]).max() > 0.01


def test_scores_are_rounded_as_the_file_rounds_them(old):
    features, truth = drawn(120, 11)
    scores = HeadFitter(old, 5 * features, truth, EVERY, 256).fitted(EVERY).scores
    assert (scores * 256 == np.rint(scores * 256)).all() and scores.max() == 255 / 256


def test_a_fit_that_ends_too_early_is_told(old, monkeypatch, caplog):
    def hasty(*arguments, options, **more):
        return optimize.minimize(*arguments, **more, options={**options, "maxiter": 1})

    features, truth = drawn(120, 12)
    HeadFitter(old, features, truth, EVERY).fitted(EVERY)
    assert not caplog.records
    monkeypatch.setattr(refit, "minimize", hasty)
    HeadFitter(old, features, truth, EVERY).fitted(EVERY)
    assert "ended before its optimum" in caplog.text
