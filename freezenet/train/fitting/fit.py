"""Fit a recipe's model: from cached features of the frozen backbone, or plainly from the images."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import SettingError
from freezenet.train.data.training_data import TrainingData
from freezenet.train.fitting.augment import augmenter, normalizer
from freezenet.train.fitting.batches import Batches, EpochCounter
from freezenet.train.fitting.checkpoint import Checkpoint
from freezenet.train.fitting.group_weights import GroupWeights
from freezenet.train.fitting.schedule import learning_rate, schedule_callbacks
from freezenet.train.frozen.cut import required_cut, split_model
from freezenet.train.frozen.versions import StackedRows
from freezenet.train.network.devices import compiles, replicas_of
from freezenet.train.network.fuse import fused
from freezenet.train.recipes.recipe import Recipe
from freezenet.train.run_folder import RunFolder
from freezenet.train.task import TASKS

_EVALUATION_BATCH = 64


def compile_model(model: keras.Model, recipe: Recipe, loss: keras.losses.Loss, *, steps: int, jit: bool) -> None:
    """Give the model its optimizer and loss.

    Args:
        model: what is trained.
        recipe: its keys of the optimizer are read.
        loss: see `freezenet.train.losses.criterion.choose_criterion`.
        steps: batches of an epoch.
        jit: whether a GPU is there to compile for.
    """
    model.compile(
        keras.optimizers.Adam(
            learning_rate(recipe, steps),
            epsilon=recipe.adam_epsilon,
            # An exponential moving average of the weights (Polyak & Juditsky 1992) is what is validated and kept.
            use_ema=recipe.weight_average > 0,
            ema_momentum=recipe.weight_average or 0.99,
        ),
        loss,
        metrics=[TASKS[recipe.task].accuracy()],
        jit_compile=compiles(jit),
    )


def fit(
    model: keras.Model,
    data: TrainingData,
    *,
    recipe: Recipe,
    loss: keras.losses.Loss,
    folder: Path,
    features: NDArray | StackedRows | None = None,
    jit: bool = False,
    checkpoint_name: str = "checkpoint",
    first_epoch: int = 0,
) -> list[dict[str, float]]:
    """Train the model in place, restore its best weights unless the epochs are fixed, and return one dictionary of figures per epoch.

    Args:
        model: the whole network, see `freezenet.train.network.model.build_model`.
        data: images and targets of all splits.
        recipe: of the training.
        loss: see `freezenet.train.losses.criterion.choose_criterion`.
        folder: where the checkpoint and the TensorBoard events lie; a run killed before goes on from there.
        features: (n, ...) the frozen backbone's output of all images (`freezenet.train.frozen.cache`), and behind it that of their
            augmented versions where there are any (`freezenet.train.frozen.versions`); None to train plainly from pixels.
        jit: whether a GPU is there to compile for.
        checkpoint_name: of its file, without suffix.
        first_epoch: number of the first epoch (`freezenet.train.fitting.phases`).

    Raises:
        SettingError: the devices cannot share a batch evenly, or the loss is not finite any more.
    """
    targets = data.targets
    replicas = replicas_of(model)
    if recipe.batch_size % replicas:
        raise SettingError(
            f"A batch_size that {replicas} devices can share evenly is required. Got: {recipe.batch_size}."
        )
    inputs: NDArray | StackedRows
    if features is None:
        trained, inputs, prepare, plain = model, data.images.pixels, augmenter(recipe), normalizer(recipe)
    else:
        trained, inputs, prepare, plain = split_model(model, required_cut(model))[1], features, None, None
    training = Batches(
        inputs, targets, rows=data.rows("train"), batch_size=recipe.batch_size, shuffle_seed=recipe.seed,
        prepare=prepare, replicas=replicas, sampling=recipe.sampling, groups=data.groups,
    )  # fmt: skip
    validation = Batches(
        inputs, targets, rows=data.rows("validation"), batch_size=_EVALUATION_BATCH // replicas * replicas,
        prepare=plain, replicas=replicas,
    )  # fmt: skip
    trained = fused(trained)
    compile_model(trained, recipe, loss, steps=len(training), jit=jit)
    # Made in the first step, Adam's variables would have TensorFlow trace that step twice.
    trained.optimizer.build(trained.trainable_variables)
    stopping = []
    if recipe.stopping == "early":
        stopping = [keras.callbacks.EarlyStopping("val_loss", patience=recipe.patience, restore_best_weights=True)]
    averaging = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if recipe.weight_average else []
    weighing = []
    if recipe.group_tilt:
        judged = Batches(inputs, targets, rows=data.rows("train"), batch_size=_EVALUATION_BATCH, prepare=plain)
        weighing = [
            GroupWeights(
                training, judged, rows=data.rows("train"), groups=data.groups, tilt=recipe.group_tilt, loss=loss
            )
        ]
    callbacks = [EpochCounter(training), keras.callbacks.TerminateOnNaN(), *averaging, *weighing, *stopping]
    callbacks += schedule_callbacks(recipe)
    checkpoint = Checkpoint(folder / f"{checkpoint_name}.npz", callbacks, first_epoch)
    callbacks += [checkpoint, keras.callbacks.TensorBoard(RunFolder(folder).events, write_graph=False)]
    with contextlib.redirect_stdout(sys.stderr):  # Keras draws its progress on stdout, which is for data
        trained.fit(
            training,
            validation_data=validation if len(validation) else None,
            # A finished run that was killed before its model was saved only restores its weights.
            epochs=checkpoint.next_epoch if checkpoint.finished else first_epoch + recipe.epochs,
            initial_epoch=checkpoint.next_epoch,
            shuffle=False,  # Keras would shuffle the batches once more, and a resumed run otherwise than an unbroken one
            verbose=1 if sys.stderr.isatty() else 2,
            callbacks=callbacks,
        )
    if not all(np.isfinite(epoch["loss"]) for epoch in checkpoint.history):
        raise SettingError(
            f"A finite loss is required. Got: NaN or infinity in epoch {checkpoint.next_epoch}; lower learning_rate "
            f"({recipe.learning_rate:g}) or choose precision float32."
        )
    return checkpoint.history
