"""Figures of a clinic made up of numbers, counted once more by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from freezenet.benchmarks.localize.figures import crossfitted, figures, outcome, subgroups
from freezenet.benchmarks.localize.targets import Targets
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import DataError

RULE = DecisionRule(("A", "B"), temperature=1.0, abstain_below=0.8)
RARE = Targets.parse(["prevalence=A:0.05"], RULE.labels)


def test_a_subgroup_of_all_images_has_the_figures_of_all(a_clinic):
    images = replace(a_clinic(30, 30), groups={"sex": ("female",) * 60})
    found = outcome(RULE, images)
    whole, group = figures(images, found, RARE, {}), subgroups(images, found, RARE)["sex"]["female"]
    wrong, right = whole["risk"], group["right"]
    assert [right[key] for key in ("value", "low", "high")] == pytest.approx(
        [1 - wrong[key] for key in ("value", "high", "low")], abs=2e-6
    )
    assert [1000 * one for one in group["answered"].values()] == pytest.approx([*whole["answered"].values()], abs=2e-3)
    weights = np.where(images.truth == 0, 0.05 / 30, 0.95 / 30)
    hit = found.answered & (found.answer == images.truth)
    assert right["value"] == pytest.approx(weights @ hit / (weights @ found.answered), abs=1e-6)


def test_no_more_of_a_class_than_the_target_says_is_found_or_missed(a_clinic):
    images = a_clinic(30, 30)
    found = figures(images, outcome(replace(RULE, abstain_below=0.0), images), RARE, {})["classes"]
    for label, most in (("A", 50), ("B", 950)):
        assert found[label]["yield"]["high"] <= most and found[label]["missed"]["high"] <= most
        assert found[label]["alarms"]["high"] <= 1000 - most


@pytest.mark.parametrize("target", ["risk=0.1", "sensitivity=0.5:A", "prevalence=A:0.1"])
def test_one_patient_with_a_class_is_named_where_the_rule_depends_on_it(a_clinic, target):
    targets = Targets.parse([target], RULE.labels)
    with pytest.raises(DataError, match=r"More patients.*two at the least.*Got: 1 patient with A; label"):
        crossfitted(RULE, a_clinic(1, 60), targets)
    assert len(crossfitted(RULE, a_clinic(2, 60), targets).answer) == 62
    refused = np.arange(62) == 0
    with pytest.raises(DataError, match="Got: 1 patient with A; label"):
        crossfitted(RULE, a_clinic(2, 60, refused=refused), Targets.parse(["sensitivity=0.5:A"], RULE.labels))
