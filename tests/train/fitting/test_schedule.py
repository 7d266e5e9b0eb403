"""Schedules by hand: the rate of each step or epoch, and a plateau that a resumed training remembers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.train.fitting.checkpoint import Checkpoint
from freezenet.train.fitting.schedule import LearningRateRecord, learning_rate, schedule_callbacks
from freezenet.train.recipes.recipe import Recipe


def test_constant_is_the_number_itself():
    assert learning_rate(Recipe(learning_rate=3e-4, schedule="constant"), 7) == 3e-4
    assert learning_rate(Recipe(learning_rate=3e-4, schedule="plateau", patience=20), 7) == 3e-4


def test_step_halves_every_ten_epochs():
    """Bolhassani: 1e-3, times .5 every 10 epochs."""
    rate = learning_rate(Recipe(learning_rate=1e-3, schedule="step", schedule_epochs=10, schedule_factor=0.5), 6)
    by_epoch = {epoch: {round(float(rate(6 * epoch + step)), 9) for step in range(6)} for epoch in (0, 9, 10, 19, 20)}
    assert by_epoch == {0: {1e-3}, 9: {1e-3}, 10: {5e-4}, 19: {5e-4}, 20: {2.5e-4}}


def test_cosine_ends_at_two_percent():
    rate = learning_rate(Recipe(learning_rate=1e-2, schedule="cosine", epochs=4), 5)
    assert [float(rate(step)) for step in (0, 5, 15, 25, 100)] == pytest.approx([0, 1e-2, 5.1e-3, 2e-4, 2e-4], rel=1e-4)


def test_only_the_plateau_needs_a_callback():
    for schedule in ("constant", "cosine", "step"):
        assert [type(one) for one in schedule_callbacks(Recipe(schedule=schedule))] == [LearningRateRecord]
    plateau, _ = schedule_callbacks(Recipe(schedule="plateau", schedule_epochs=4, schedule_factor=0.3))
    assert (plateau.monitor, plateau.patience, plateau.factor) == ("val_loss", 4, 0.3)


class Losses(keras.callbacks.Callback):
    """Put given validation losses in the place of the real ones."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = LOSSES[epoch]


# Patience 2, factor .1: two epochs without a better loss end with epochs 3, 6 and 10, and the next has the smaller rate.
LOSSES = [5.0, 4.0, 4.5, 4.4, 3.0, 3.5, 3.4, 3.3, 2.0, 2.5, 2.4, 2.3]
RATES = [1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.001]


def rates(path, killed_after=None) -> list[float]:
    recipe = Recipe(learning_rate=1.0, schedule="plateau", schedule_epochs=2, schedule_factor=0.1)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(learning_rate(recipe, 1)), "mse")
    callbacks = [Losses(), *schedule_callbacks(recipe)]

    def end(epoch, logs):
        if epoch == killed_after:
            raise KeyboardInterrupt

    checkpoint = Checkpoint(path, callbacks)
    model.fit(np.zeros((2, 1)), np.zeros((2, 1)), epochs=len(LOSSES), initial_epoch=checkpoint.next_epoch, verbose=0,
              callbacks=[*callbacks, checkpoint, keras.callbacks.LambdaCallback(on_epoch_end=end)])  # fmt: skip
    return [epoch["learning_rate"] for epoch in checkpoint.history]


def test_plateau_by_hand(tmp_path):
    assert rates(tmp_path / "a.npz") == pytest.approx(RATES)


@pytest.mark.parametrize("killed_after", [2, 3, 5, 7])
def test_a_resumed_plateau_is_an_unbroken_one(tmp_path, killed_after):
    """Killed inside the patience, at a cut, and between cuts."""
    with pytest.raises(KeyboardInterrupt):
        rates(tmp_path / "a.npz", killed_after)
    assert rates(tmp_path / "a.npz") == pytest.approx(RATES)
