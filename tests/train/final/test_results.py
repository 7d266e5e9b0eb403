"""What is judged of a final model is chosen without the images that it is judged on: by answers that could give a leak away."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from freezenet.train.answers.elsewhere import ElsewhereAnswers
from freezenet.train.answers.rule import ChosenRule
from freezenet.train.final import results
from freezenet.train.final.out_of_fold import OutOfFold
from freezenet.train.recipes.recipe import Recipe

N, SEEDS = 240, 2
LABELS = ("a", "b", "c")
RECIPE = Recipe(abstain_by="class", abstain_risk=0.05)
SITES = np.array(["north", "south", "east"])[np.arange(N) % 3]


@pytest.fixture
def data():
    """Two images of each patient, all of one site."""
    truth = np.eye(3, dtype=bool)[np.arange(N) // 3 % 3]
    patients = np.array([f"{site}-{number // 6}" for number, site in enumerate(SITES)])
    return SimpleNamespace(labels=LABELS, truth=truth, patients=patients)


@pytest.fixture
def found(data) -> OutOfFold:
    """Folds of whole patients, and two sites left out, by networks of two seeds."""
    rng = np.random.default_rng(0)

    def scores_of(truth: np.ndarray) -> np.ndarray:
        raw = rng.random((len(truth), 3)) + 1.2 * truth
        return raw / raw.sum(1, keepdims=True)

    parts = [(site, seed, np.flatnonzero(site == SITES)) for seed in range(SEEDS) for site in ("north", "south")]
    rows = np.concatenate([one for _, _, one in parts])
    elsewhere = ElsewhereAnswers(
        scores_of(data.truth[rows]),
        data.truth[rows],
        np.concatenate([np.full(len(one), site) for site, _, one in parts]),
        rows,
        np.concatenate([np.full(len(one), seed) for _, seed, one in parts]),
    )
    scores = np.stack([scores_of(data.truth) for _ in range(SEEDS)])
    return OutOfFold("arm", RECIPE, scores, np.tile(np.arange(N) // 6 % 3, (SEEDS, 1)), {}, elsewhere)


def test_a_left_out_site_is_judged_without_the_folds_answers_about_it(data, found):
    """However the folds answered about north, the rule that judges the answers elsewhere about north is the same."""
    before = results._elsewhere(RECIPE, data, found)["left_out"]
    assert before["north"]["images"] == N // 3  # each once, although two seeds answered
    scores = found.scores.copy()
    scores[:, SITES == "north"] = scores[:, SITES == "north"][..., ::-1]
    after = results._elsewhere(RECIPE, data, replace(found, scores=scores))["left_out"]
    assert after["north"] == before["north"]
    assert after["south"] != before["south"]


def test_a_patient_of_two_sites_has_no_part_in_the_rule(data, found):
    """Every image of the south belongs to a patient of the north, so that no answer of another site is left to choose by."""
    data.patients[SITES == "south"] = data.patients[SITES == "north"]
    before = results._elsewhere(RECIPE, data, found)["left_out"]["north"]
    away = found.elsewhere
    assert away is not None
    there = away.sources == "south"
    turned = replace(away, scores=np.where(there[:, None], away.scores[:, ::-1], away.scores))
    assert results._elsewhere(RECIPE, data, replace(found, elsewhere=turned))["left_out"]["north"] == before


def test_a_fold_is_judged_by_answers_of_its_own_seed(data, found, monkeypatch):
    seen, original = [], ChosenRule.fit

    def fit(*arguments, **others):
        seen.append(others["elsewhere"])
        return original(*arguments, **others)

    monkeypatch.setattr(results.ChosenRule, "fit", fit)
    results._confidence(RECIPE, data, found)
    assert [set(one.seeds) for one in seen] == [{0}] * 3 + [{1}] * 3
    for one, fold in zip(seen, [0, 1, 2] * SEEDS, strict=True):
        assert len(np.unique(one.rows)) == len(one.rows)
        assert not (found.folds[0][one.rows] == fold).any()
