"""Bounds of a risk against the exact interval of another library, and what is answered under one against draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from freezenet.train.answers.risk import Risk, answered_under

#: How surely.
SURE = 0.95


@pytest.mark.parametrize("sureness", [0.95, 0.8])
@pytest.mark.parametrize(("wrong", "answers"), [(0, 1), (0, 149), (1, 20), (7, 682), (3, 3)])
def test_the_bound_is_the_end_of_the_exact_interval(wrong, answers, sureness):
    """The upper end of the two-sided interval that leaves out as much on each side."""
    exact = binomtest(wrong, answers).proportion_ci(2 * sureness - 1, method="exact").high
    assert Risk(0.02, sureness).bound(wrong, answers) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("risk", [0.5, 0.1, 0.05, 0.02, 0.003])
def test_so_many_right_answers_show_a_risk_and_one_fewer_does_not(risk):
    asked = Risk(risk, SURE)
    least = int(asked.least_answers())
    assert asked.bound(0, least) <= risk < asked.bound(0, least - 1)


def test_as_much_is_answered_as_the_bound_allows():
    """600 answers, from the 400th on every tenth wrong."""
    wrong = (np.arange(600) >= 400) & (np.arange(600) % 10 == 0)
    count = answered_under(Risk(0.02, SURE), np.linspace(1, 0.3, 600), wrong)
    assert count > 400
    assert (
        Risk(0.02, SURE).bound(wrong[:count].sum(), count)
        <= 0.02
        < Risk(0.02, SURE).bound(wrong[: count + 1].sum(), count + 1)
    )


def test_a_lucky_stretch_behind_a_wrong_answer_is_not_trusted():
    """The bound is above the risk at 201 answers and below it again at 300; the first refusal counts."""
    wrong = np.arange(390) == 200
    assert Risk(0.02, SURE).bound(1, 300) <= 0.02 < Risk(0.02, SURE).bound(1, 201)
    assert answered_under(Risk(0.02, SURE), np.linspace(1, 0.3, 390), wrong) == 200


def test_the_promise_is_kept_in_nineteen_of_twenty_drawings():
    """Answers are right with the probability that they name; the risk of a threshold is then known without an estimate."""
    rng, kept, risk = np.random.default_rng(0), 0, 0.04
    everyone = 1 - 0.2 * np.linspace(0, 1, 100_001) ** 2
    for _ in range(200):
        sure = np.sort(1 - 0.2 * rng.random(900) ** 2)[::-1]
        count = answered_under(Risk(risk, SURE), sure, rng.random(900) > sure)
        kept += (1 - everyone[everyone >= sure[count - 1]]).mean() <= risk
    assert 187 <= kept < 200


def test_answers_of_several_seeds_show_no_more_than_those_of_one():
    """The same 400 images three times: as much is answered of each as once."""
    wrong = (np.arange(400) % 60 == 59) & (np.arange(400) > 200)
    once = answered_under(Risk(0.02, SURE), np.linspace(1, 0.3, 400), wrong)
    thrice = answered_under(Risk(0.02, SURE), np.linspace(1, 0.3, 400).repeat(3), wrong.repeat(3), repeats=3)
    assert once < 400
    assert thrice == 3 * once
