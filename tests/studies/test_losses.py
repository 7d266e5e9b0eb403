from __future__ import annotations

from statistics import mean

import pytest

from freezenet.train.recipes.recipe import load_recipe
from studies.losses import FREEZING, LOSSES


def test_scaled_weights_are_the_published_ones_with_mean_1():
    published, scaled = (LOSSES[f"attention-{name}"][0]["attention_weights"] for name in ("published", "scaled"))
    assert mean(scaled.values()) == pytest.approx(1, abs=1e-4)
    for label, weight in published.items():
        assert scaled[label] == pytest.approx(weight / mean(published.values()), rel=1e-4)
    (uniform,) = set(LOSSES["uniform-.0056"][0]["attention_weights"].values())
    assert uniform == pytest.approx(0.0056, rel=0.01)


@pytest.mark.parametrize("name", [*LOSSES, *FREEZING])
def test_an_arm_changes_nothing_but_what_it_says(name):
    changes = {**LOSSES, **FREEZING}[name][0]
    base = load_recipe("mobile-freezenet")
    arm = base.with_settings({**changes, "name": name})
    different = {key for key in vars(base) if getattr(base, key) != getattr(arm, key)}
    assert different <= {"name", *changes}
