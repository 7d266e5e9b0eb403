"""Answers and silence, of made-up figures."""

from __future__ import annotations

import pytest

from freezenet.benchmarks.reporting.silence import Silence, answered_by_group


def variant(coverage, right, low):
    return {
        "probabilities": {
            "coverage": {"value": coverage, "low": 0, "high": 1},
            "accuracy_answered": {"value": right, "low": low, "high": 1},
        }
    }


def confidence(bound):
    return {"risk": 0.02, "risk_bound": bound, "images": 91}


def test_counts_follow_from_shares_of_six_digits():
    one = Silence.of(variant(0.56044, 1, 0.951276), 182)
    assert (one.images, one.answered, one.wrong) == (182, 102, 0)
    assert one.most_wrong == pytest.approx(0.048724)
    assert one.sentence("int8") == (
        'int8 answers 102 of the 182 test images and says "uncertain" about the other 80. Of the 102 answers none is wrong, and so few '
        "images leave up to 4.9 % possible."
    )
    assert Silence.of({}, 182) is None


def test_a_file_that_never_abstains_answers_all():
    """By hand: 45 of 50 are right, so 5 answers are wrong."""
    never = {
        "probabilities": {"coverage": None, "accuracy_answered": None},
        "accuracy": {"value": 0.9, "low": 0.8, "high": 0.95},
    }
    assert Silence.of(never, 50) == Silence(50, 50, 5, pytest.approx(0.2))


def test_wrong_answers_are_counted_and_silence_about_all_is_said():
    assert "int8 answers all 50 test images. Of the 50 answers 3 (6.0 %) are wrong, and" in Silence(
        50, 50, 3, 0.1
    ).sentence("int8")
    assert "Of the 20 answers 1 (5.0 %) is wrong, and" in Silence(50, 20, 1, 0.1).sentence("int8")
    assert Silence(50, 0, 0, 1.0).sentence("int8") == "int8 is uncertain about all of the 50 test images."


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        (0.05, 0.046, "not shown: neither by the 91 validation images that it was chosen on, nor by these."),
        (0.05, 0.02, "shown by the 91 validation images that it was chosen on, but not by these."),
        (0.01, 0.046, "not shown by the 91 validation images that it was chosen on, but by these."),
        (0.01, 0.02, "shown by the 91 validation images that it was chosen on, and by these."),
    ],
)
def test_a_promise_is_shown_by_an_upper_bound_alone(here, there, said):
    promise = Silence(182, 102, 0, here).promise(confidence(there))
    assert promise == f"The promise that at most 2 % of its answers are wrong is {said}"


def test_of_an_older_run_without_a_bound_nothing_is_promised():
    assert Silence(182, 102, 0, 0.05).promise({"risk": 0.02, "images": 91}) == ""


def test_silence_is_told_class_by_class_or_by_its_ends():
    def rows(names, column="class"):
        return [
            {"column": column, "value": name, "images": 10, "answered": number} for number, name in enumerate(names, 1)
        ]

    groups = [*rows("abc"), *rows(["north"], "source")]
    assert answered_by_group(groups, "int8") == (
        "int8 answers 1 of 10 images of a, 2 of 10 images of b and 3 of 10 images of c."
    )
    assert answered_by_group(rows("abcdefgh"), "int8") == (
        "int8 answers most often 8 of 10 images of h, and least often 1 of 10 images of a."
    )
    assert answered_by_group([{"column": "class", "value": name, "images": 9} for name in "ab"], "int8") == ""
    assert answered_by_group([{**one, "answered": one["images"]} for one in groups], "int8") == ""
