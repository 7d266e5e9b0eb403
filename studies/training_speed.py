"""Images per second of training: full fine-tuning, half-frozen, and half-frozen from the cache, side by side.

    python -m studies.training_speed DATA [--json] [--out results]

The three arms take turns, epoch by epoch, so that a machine whose speed drifts treats them alike; the median counts.
All arms hold their images in memory, preprocessed; building the cache is reported apart. The first two arms are Keras networks as anybody
would train them; the third is what freezenet trains, BatchNorm fused (`freezenet.train.network.fuse`).
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from freezenet.train.options import recipe_option, set_option
from studies.command import StudyCommand, data_argument, hand_over, result_options

logger = logging.getLogger(__name__)


def measure(
    data: Path, recipe_name: str, *, settings: tuple[str, ...], weights: str, images: int, rounds: int
) -> dict[str, Any]:
    """Measure `rounds` epochs of about `images` images for each arm.

    Returns images per second of each arm (median, and every round), `ratio_cached_to_half`, `ratio_cached_to_full` (the
    medians of the rounds' own ratios), seconds of building the cache by either engine, and the environment.
    """
    import keras
    import numpy as np

    from freezenet.edge_runtime.system.environment import environment
    from freezenet.train.data.images import read_images
    from freezenet.train.data.loading import load
    from freezenet.train.fitting.augment import normalizer
    from freezenet.train.fitting.batches import Batches
    from freezenet.train.fitting.fit import compile_model
    from freezenet.train.frozen.cache import cached_features
    from freezenet.train.frozen.cut import required_cut, split_model
    from freezenet.train.network.devices import configure_devices
    from freezenet.train.network.fuse import fused
    from freezenet.train.network.model import build_model
    from freezenet.train.recipes.recipe import load_recipe

    recipe = load_recipe(recipe_name, settings)
    full_recipe = recipe.with_settings({"freeze_fraction": 0.0})
    keras.utils.set_random_seed(recipe.seed)
    keras.config.set_dtype_policy(recipe.precision)
    gpus = configure_devices(recipe)
    dataset = load(data, recipe.task)
    labels = dataset.labels
    chosen = np.random.default_rng(recipe.seed).permutation(len(dataset.samples))[:images]
    dataset = dataset.only(sorted(chosen))
    targets = dataset.task.truth([sample.label for sample in dataset.samples], labels).astype(np.float32)
    loaded = read_images(dataset, recipe.preprocess)

    half = build_model(recipe, labels, weights)
    full = build_model(full_recipe, labels, weights)
    cached_source = build_model(recipe, labels, weights)
    frozen, trained = split_model(cached_source, required_cut(cached_source))
    cache_seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for engine in ("keras", "xnnpack"):
            started = time.perf_counter()
            features = cached_features(
                frozen, loaded, recipe=recipe, folder=Path(folder) / engine, engine=engine
            ).values
            cache_seconds[engine] = round(time.perf_counter() - started, 2)
        # In memory, as the images of the other arms.
        features = np.array(features)

    prepare = normalizer(recipe)
    drawn = {"rows": np.arange(len(loaded.pixels)), "batch_size": recipe.batch_size, "shuffle_seed": recipe.seed}
    arms = {
        "full": (full, Batches(loaded.pixels, targets, prepare=prepare, **drawn)),
        "half": (half, Batches(loaded.pixels, targets, prepare=prepare, **drawn)),
        "cached": (fused(trained), Batches(features, targets, **drawn)),
    }
    for name, (model, batches) in arms.items():
        logger.info(f"compiling {name}")
        compile_model(model, recipe, keras.losses.CategoricalCrossentropy(), steps=len(batches), jit=gpus > 0)
        model.fit(batches, epochs=1, verbose=0)
    rates: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(rounds):
        for name, (model, batches) in arms.items():
            started = time.perf_counter()
            model.fit(batches, epochs=1, verbose=0)
            rates[name].append(len(batches) * recipe.batch_size / (time.perf_counter() - started))
        logger.info(
            f"round {number + 1}/{rounds}: " + ", ".join(f"{name} {found[-1]:.0f}/s" for name, found in rates.items())
        )
    ratios = {
        f"ratio_cached_to_{other}": round(
            statistics.median(a / b for a, b in zip(rates["cached"], rates[other], strict=True)), 3
        )
        for other in ("half", "full")
    }
    return {
        "images_per_second": {name: round(statistics.median(found), 1) for name, found in rates.items()},
        **ratios,
        "rounds": {name: [round(rate, 1) for rate in found] for name, found in rates.items()},
        "cache_build_seconds": cache_seconds,
        "images": len(loaded.pixels),
        "recipe": recipe.name,
        "batch_size": recipe.batch_size,
        "batchnorm": recipe.batchnorm,
        "precision": recipe.precision,
        "environment": environment(),
    }


@click.command(cls=StudyCommand)
@data_argument
@recipe_option
@set_option
@click.option("--weights", default="none", show_default=True, help="Weights do not change the speed.")
@click.option("--images", default=640, show_default=True, type=click.IntRange(32), help="Images of an epoch.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Timed epochs of each arm.")
@result_options
def main(data, recipe, settings, weights, images, rounds, as_json, out) -> None:
    """Measure images per second of full fine-tuning, half-frozen training and training from the cache."""
    result = measure(data, recipe, settings=settings, weights=weights, images=images, rounds=rounds)
    lines = [f"{name}\t{rate:.0f} images/s" for name, rate in result["images_per_second"].items()]
    ratios = f"cached to half-frozen {result['ratio_cached_to_half']:.2f}, to full {result['ratio_cached_to_full']:.2f}"
    hand_over(result, f"training-speed-{data.stem}", "\n".join([*lines, ratios]), as_json, out)


if __name__ == "__main__":
    main()
