"""How the learning rate changes while a phase proceeds."""

from __future__ import annotations

import keras

from freezenet.train.recipes.recipe import Recipe


def learning_rate(recipe: Recipe, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate of the recipe's schedule, for the optimizer.

    "cosine" and "step" are functions of the optimizer's own count of steps, so a resumed training goes on in them without
    further memory. "constant" and "plateau" begin with the number itself. steps: batches of an epoch.
    """
    if recipe.schedule == "cosine":
        # One epoch of linear warm-up, then half a cosine down to 2 % (Loshchilov & Hutter 2017, eq. 5).
        return keras.optimizers.schedules.CosineDecay(
            0.0, recipe.epochs * steps, alpha=0.02, warmup_target=recipe.learning_rate, warmup_steps=steps
        )
    if recipe.schedule == "step":
        return keras.optimizers.schedules.ExponentialDecay(
            recipe.learning_rate, recipe.schedule_epochs * steps, recipe.schedule_factor, staircase=True
        )
    return recipe.learning_rate


def schedule_callbacks(recipe: Recipe) -> list[keras.callbacks.Callback]:
    """Return the callbacks of the recipe's schedule; they belong behind the validation and before the checkpoint."""
    plateau = keras.callbacks.ReduceLROnPlateau(
        "val_loss", factor=recipe.schedule_factor, patience=recipe.schedule_epochs
    )
    return [*([plateau] if recipe.schedule == "plateau" else []), LearningRateRecord()]


class LearningRateRecord(keras.callbacks.Callback):
    """Put the learning rate with which an epoch began among its figures, whatever the schedule."""

    def on_epoch_begin(self, epoch, logs=None):
        """Keep the rate before the first step: afterwards it may be that of the next epoch."""
        # A float32's seven digits.
        self._rate = float(f"{float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)):.7g}")

    def on_epoch_end(self, epoch, logs=None):
        """Add "learning_rate" to the figures."""
        if logs is not None:
            logs["learning_rate"] = self._rate
