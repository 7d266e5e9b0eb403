from __future__ import annotations

import json
import statistics

import pytest
from click.testing import CliRunner

from studies.training_speed import main


@pytest.fixture(scope="module")
def result(phantoms):
    arguments = [
        str(phantoms),
        "--recipe",
        "phantoms",
        "--set",
        "batch_size=16",
        "--images",
        "32",
        "--rounds",
        "3",
        "--json",
    ]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    # Under pytest the converter's own prints pass `freezenet.train.quiet` and come before.
    return json.loads(done.stdout.splitlines()[-1])


def test_three_arms_take_the_same_number_of_rounds(result):
    assert {name: len(rounds) for name, rounds in result["rounds"].items()} == {
        "full": 3,
        "half": 3,
        "cached": 3,
    }
    assert all(rate > 0 for rounds in result["rounds"].values() for rate in rounds)


def test_medians_and_ratios_are_those_of_the_rounds(result):
    for name, rounds in result["rounds"].items():
        assert result["images_per_second"][name] == statistics.median(rounds)
    for other in ("half", "full"):
        ratios = [a / b for a, b in zip(result["rounds"]["cached"], result["rounds"][other], strict=True)]
        assert result[f"ratio_cached_to_{other}"] == pytest.approx(statistics.median(ratios), rel=0.02)


def test_what_was_measured_is_named(result):
    assert (result["recipe"], result["images"], result["batch_size"]) == ("phantoms", 32, 16)
    assert set(result["cache_build_seconds"]) == {"keras", "xnnpack"}
    assert result["environment"]["cpu"]
