from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from freezenet.train.metrics.changes import AnswerChanges
from freezenet.train.metrics.figure import interval
from freezenet.train.metrics.rare import WeightedChanges

EYE = np.eye(3, dtype=bool)


def changes(truth, before, after):
    return AnswerChanges(EYE[truth], EYE[before], EYE[after], np.arange(len(truth)), True)


@pytest.mark.parametrize("flipped", [[0], [250], [0, 1, 250, 390], [399]])
def test_the_weights_of_few_changes_add_up_to_the_difference_of_macro_f1(flipped):
    truth = np.repeat([0, 1, 2], (200, 150, 50))
    before, after = truth.copy(), truth.copy()
    before[::17] = (before[::17] + 1) % 3
    after = before.copy()
    after[flipped] = (truth[flipped] + 2) % 3
    one = changes(truth, before, after).macro_f1()
    exact = f1_score(truth, after, average="macro") - f1_score(truth, before, average="macro")
    assert one.won - one.lost == pytest.approx(exact, rel=0.05)


def test_no_single_flip_costs_more_than_the_largest_weight():
    truth = np.repeat([0, 1, 2], (200, 150, 50))
    largest = changes(truth, truth, truth).macro_f1().largest
    for image in (0, 200, 399):
        for answer in range(3):
            after = truth.copy()
            after[image] = answer
            assert 1 - f1_score(truth, after, average="macro") <= largest * 1.01
    assert largest == pytest.approx(1 / 100 / 3 + 1 / 3 / 300, rel=0.1)  # one of class 2, called 1


def test_a_change_of_recall_is_a_share_of_the_images_of_the_class():
    truth = np.repeat([0, 1, 2], (200, 150, 50))
    after = truth.copy()
    after[[0, 1, 399]] = 1
    one = changes(truth, truth, after)
    assert [one.recall(label).lost for label in range(3)] == pytest.approx([2 / 200, 0, 1 / 50])
    assert one.recall(2).largest == pytest.approx(1 / 50)


def widths(truth, before, lost):
    """Width of the interval of macro-F1 after so many lost images of the class that has most."""
    found = []
    for count in range(lost + 1):
        after = before.copy()
        after[:count] = 1
        low, high = interval(changes(truth, before, after).macro_f1().middle())
        found.append(high - low)
    return found


def test_an_interval_is_no_narrower_for_a_first_change():
    """Images of the rare class weigh four times as much; that none of a class changed says nothing about how much it would weigh."""
    truth = np.repeat([0, 1, 2], (200, 150, 50))
    found = widths(truth, truth, 3)
    assert found == sorted(found)
    wrong = truth.copy()
    wrong[350:360] = 0
    assert widths(truth, wrong, 1)[0] <= widths(truth, wrong, 1)[1]


def test_who_was_not_seen_weighs_as_much_as_those_who_could_be_on_average():
    """Tiwari, Clegg and Zou: each of k counts is raised by 1 / k, so the mean rises by the mean weight, the variance by that of the squares."""
    possible = np.array([0.01, 0.03, 0.02])
    one = WeightedChanges.of(np.array([-0.03, 0.0, 0.0, 0.0]), possible)
    assert (one.usual, one.usual_squares) == pytest.approx((0.02, 0.0014 / 3))
    assert one.largest == 0.03
    # Half with and half without: both sides rise by half a mean weight, which cancels out.
    assert np.mean(-one.middle()) == pytest.approx(0.03, rel=0.02)
