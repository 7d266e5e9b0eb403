"""Five-fold cross-validation from the cache, beside plain half-frozen training from image files, in one run.

    python -m studies.crossval_speed DATA [--json] [--out results]

The plain way is what a notebook does: `keras.utils.image_dataset_from_directory` on the fold's files, the same network, batch size
and number of epochs, `model.fit`. The other is `freezenet crossval` with all that it does besides: reading the images, the cache,
figures with intervals, the confidence and the OOD gate of each fold. Folds take turns, so that a machine whose speed drifts treats both alike.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from studies.command import StudyCommand, data_argument, hand_over, result_options, training_options

if TYPE_CHECKING:
    from freezenet.train.crossval.plan import CrossValidation, Fold
    from freezenet.train.data.training_data import TrainingData

logger = logging.getLogger(__name__)


def measure(
    data: Path, recipe: str, *, settings: tuple[str, ...], weights: str, folds: int, epochs: int
) -> dict[str, Any]:
    """Time `folds` folds of `epochs` epochs each way; return seconds, their ratio, and the test accuracy of both (JSON types)."""
    from freezenet.edge_runtime.system.environment import environment
    from freezenet.train.crossval.plan import CrossValidation
    from freezenet.train.crossval.validation import in_this_process, read_data_by_arm
    from freezenet.train.options import TrainingOptions
    from freezenet.train.recipes.recipe import load_recipe

    fixed = load_recipe(recipe, (*settings, f"epochs={epochs}", f"patience={epochs}"))
    plain_seconds, cached_seconds, plain_accuracy, cached_accuracy = [], [], [], []
    with tempfile.TemporaryDirectory() as home:
        options = TrainingOptions(weights, Path(home) / "cache")
        asked = CrossValidation(data, {recipe: fixed}, folds, (0,), options)
        started = time.perf_counter()
        by_arm = read_data_by_arm(data, asked.recipes)
        reading = time.perf_counter() - started
        for fold in asked.all_folds():
            started = time.perf_counter()
            list(in_this_process(asked, by_arm, [fold], Path(home) / "out"))
            cached_seconds.append(time.perf_counter() - started)
            found = fold.run(Path(home) / "out").read_metrics()
            cached_accuracy.append(found["accuracy"]["value"])
            started = time.perf_counter()
            plain_accuracy.append(_train_plainly(asked, by_arm[fold.arm], fold, Path(home) / f"plain-{fold.number}"))
            plain_seconds.append(time.perf_counter() - started)
            logger.info(
                f"fold {fold.number}: cached {cached_seconds[-1]:.1f} s (accuracy {cached_accuracy[-1]:.3f}), plain "
                f"{plain_seconds[-1]:.1f} s ({plain_accuracy[-1]:.3f})"
            )
    cached = reading + sum(cached_seconds)
    return {
        "data": data.name,
        "weights": Path(weights).name,
        "recipe": recipe,
        "settings": list(settings),
        "folds": folds,
        "epochs": epochs,
        "batch_size": fixed.batch_size,
        "seconds": {"cached": round(cached, 1), "plain": round(sum(plain_seconds), 1)},
        "ratio": round(sum(plain_seconds) / cached, 3),
        "reading_seconds": round(reading, 1),
        "fold_seconds": {
            "cached": [round(one, 1) for one in cached_seconds],
            "plain": [round(one, 1) for one in plain_seconds],
        },
        "accuracy": {"cached": cached_accuracy, "plain": plain_accuracy},
        "environment": environment(),
    }


def _train_plainly(asked: CrossValidation, data: TrainingData, fold: Fold, home: Path) -> float:
    """Train one fold as a notebook would, and return its test accuracy."""
    import keras

    from freezenet.train.crossval.folds import fold_splits
    from freezenet.train.crossval.validation import tested_images
    from freezenet.train.losses.criterion import choose_criterion
    from freezenet.train.network.model import build_model

    recipe = asked.recipe(fold)
    tested = tested_images(asked, data.dataset, fold)
    data = data.with_splits(fold_splits(data.dataset, tested, recipe.validation_share, fold.seed))
    for number, (path, sample) in enumerate(zip(data.dataset.paths, data.dataset.samples, strict=True)):
        folder = home / sample.split / sample.label
        folder.mkdir(parents=True, exist_ok=True)
        os.symlink(path.resolve(), folder / f"{number}{path.suffix}")

    def images(split: str):
        read = keras.utils.image_dataset_from_directory(
            home / split, label_mode="categorical", image_size=recipe.preprocess.size, batch_size=recipe.batch_size,
            shuffle=split == "train", seed=recipe.seed, verbose=False,
        )  # fmt: skip
        return read.map(lambda x, y: ((x - recipe.mean) / recipe.std, y)).prefetch(2)

    keras.utils.set_random_seed(recipe.seed)
    model = build_model(recipe, data.labels, asked.options.weights)
    model.compile(
        keras.optimizers.Adam(recipe.learning_rate), choose_criterion(recipe, data).loss, metrics=["accuracy"]
    )
    model.fit(images("train"), validation_data=images("validation"), epochs=recipe.epochs, verbose=0)
    return float(model.evaluate(images("test"), verbose=0, return_dict=True)["accuracy"])


@click.command(cls=StudyCommand)
@data_argument
@training_options
@click.option("--folds", default=5, show_default=True, type=click.IntRange(2), help="Folds to train.")
@click.option("--epochs", default=10, show_default=True, type=click.IntRange(1), help="Epochs of every training.")
@result_options
def main(data, recipe, settings, weights, folds, epochs, as_json, out) -> None:
    """Time cross-validation from the cache beside plain training from image files."""
    result = measure(data, recipe, settings=settings, weights=weights, folds=folds, epochs=epochs)
    lines = [f"{way}\t{seconds:.0f} s" for way, seconds in result["seconds"].items()]
    text = "\n".join([*lines, f"plain to cached\t{result['ratio']:.2f}"])
    hand_over(result, f"crossval-speed-{data.stem}", text, as_json, out)


if __name__ == "__main__":
    main()
