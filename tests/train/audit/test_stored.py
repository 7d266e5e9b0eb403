"""The stored size, against hand-counted figures."""

from __future__ import annotations

import pytest

from freezenet.train.audit.stored import stored_sizes


def test_two_sizes_that_tell_two_classes():
    found = stored_sizes(["a"] * 4 + ["b"] * 4, [(224, 224)] * 4 + [(256, 256)] * 4)
    assert (found.guess, found.majority, found.predicts) == (1, 0.5, True)
    assert found.telling == ["all 4 images of 256 x 256 are b", "all 4 images of 224 x 224 are a"]
    assert "knowing width and height alone, one would guess right in 100% of cases" in found.sentence


def test_sizes_that_occur_once_tell_nothing():
    found = stored_sizes(["a", "a", "a", "b", "b"], [(100 + number, 100) for number in range(5)])
    assert found.guess == pytest.approx(3 / 5) == found.majority
    assert not found.predicts and found.sentence == ""


def test_an_image_has_no_part_in_its_own_guess():
    # Of 10 x 10 there are a, a, b: each a is guessed from {a, b}, b from {a, a}.
    found = stored_sizes(["a", "a", "b", "b"], [(10, 10)] * 3 + [(20, 20)])
    assert found.guess == pytest.approx(2 / 4)


def test_one_size_for_all():
    assert not stored_sizes(["a", "b"] * 9, [(512, 512)] * 18).predicts
