"""How cost grows: an inference with input size, width and threads; a verdict and all figures of a model with images.

    python -m studies.scaling [--json] [--out results]

The networks are MobileNetV2 of four classes with random weights, as float32 files: what they answer means nothing, what they cost does. Of many
inferences the fastest counts, and networks take turns, because other work only ever adds time; whether there was any is noted. Answers of images are
drawn.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from studies.command import StudyCommand, hand_over, result_options

logger = logging.getLogger(__name__)

SIZES, WIDTHS, THREADS, IMAGES = (
    (96, 160, 224, 320, 448),
    (0.35, 0.5, 0.75, 1.0, 1.4),
    (1, 2),
    (100, 1000, 10_000, 100_000),
)
#: What stays as it is while something else grows.
SIZE, WIDTH = 224, 1.0
TURNS, TOGETHER = 20, 5


def measure() -> dict[str, Any]:
    """Return rows of inference ("size", "width", "threads", "ms", "bytes"), of verdicts ("images", "seconds") and of figures (with "megabytes"), and "notes",
    a sentence for each sign of other work, as JSON types."""
    from freezenet.benchmarks.conditions import busy, conditions
    from freezenet.benchmarks.devices.machine import OthersWork
    from freezenet.edge_runtime.system.environment import environment

    before = conditions()
    asked = (
        {(size, WIDTH, 1) for size in SIZES}
        | {(SIZE, width, 1) for width in WIDTHS}
        | {(SIZE, WIDTH, one) for one in THREADS}
    )
    verdict_seconds(IMAGES[0])  # what is imported is no cost of images
    verdicts = [{"images": images, **verdict_seconds(images)} for images in IMAGES]
    with tempfile.TemporaryDirectory() as folder:
        networks = {
            (size, width): network(Path(folder), size, width) for size, width in sorted({one[:2] for one in asked})
        }
        others = OthersWork()
        times = fastest(networks, sorted(asked))
        notes = busy(max(THREADS), os.cpu_count() or 1, before, {"busy_cores": others.cores()})
        rows = [
            {"size": size, "width": width, "threads": threads, "ms": ms, "bytes": networks[size, width].stat().st_size}
            for (size, width, threads), ms in times.items()
        ]
    figures = [{"images": images, **figures_cost(images)} for images in IMAGES]
    return {"inference": rows, "verdict": verdicts, "figures": figures, "notes": notes, "environment": environment()}


def network(folder: Path, size: int, width: float) -> Path:
    """Write the file of one network."""
    from freezenet.train.quiet import quiet

    with quiet():
        import keras
        import tensorflow as tf

        model = keras.applications.MobileNetV2((size, size, 3), alpha=width, weights=None, classes=4)
        content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    path = folder / f"{size}-{width}.tflite"
    path.write_bytes(content)
    logger.info(f"{size} px, width {width}: {len(content) / 1e6:.1f} MB")
    return path


def fastest(
    networks: dict[tuple[int, float], Path], asked: list[tuple[int, float, int]]
) -> dict[tuple[int, float, int], float]:
    """Return the milliseconds of the fastest inference of each (size, width, threads), measured in turns."""
    from freezenet.edge_runtime.interpreter import Interpreter

    opened = {one: Interpreter(networks[one[:2]], one[2]) for one in asked}
    found = dict.fromkeys(asked, float("inf"))
    for one, interpreter in opened.items():
        interpreter.invoke(np.zeros((1, one[0], one[0], 3), np.float32))
    for _ in range(TURNS):
        for one, interpreter in opened.items():
            for _ in range(TOGETHER):
                began = time.perf_counter()
                interpreter.again()
                found[one] = min(found[one], (time.perf_counter() - began) * 1e3)
    return {one: round(ms, 4) for one, ms in found.items()}


def verdict_seconds(images: int) -> dict[str, float]:
    """Return the processor's seconds that the verdict about one file takes, with 10,000 draws."""
    from freezenet.train.metrics.verdict import verdicts

    rng = np.random.default_rng(0)
    every, truth, before = np.eye(4, dtype=bool), *_answers(images, rng)
    after = np.where(rng.random(images) < 0.98, before, rng.integers(0, 4, images))
    patients = _patients(images)
    began = time.process_time()
    verdicts(every[truth], every[before], {"other": every[after]}, "abcd", patients)
    return {"seconds": round(time.process_time() - began, 3)}


def figures_cost(images: int) -> dict[str, float]:
    """Return the processor's seconds that `freezenet evaluate` takes for its figures, and the MB (10^6 bytes) that they add to a process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_figures_here, images).result()


def _figures_here(images: int) -> dict[str, float]:
    from freezenet.benchmarks.latency import peak_memory

    _evaluate(10)  # what is imported is no cost of images
    before, began = peak_memory("self"), time.process_time()
    _evaluate(images)
    seconds, after = time.process_time() - began, peak_memory("self")
    return {"seconds": round(seconds, 3), "megabytes": round(((after or 0) - (before or 0)) / 1e6, 1)}


def _evaluate(images: int) -> None:
    """Make all figures of one model on drawn answers."""
    from freezenet.benchmarks.quality.images import KnownImages
    from freezenet.benchmarks.quality.summary import quality
    from freezenet.edge_runtime.decision import DecisionRule
    from freezenet.train.metrics.draws import patient_draws
    from freezenet.train.metrics.evaluation import evaluate

    rng = np.random.default_rng(0)
    labels, patients, every = tuple("abcd"), _patients(images), np.eye(4, dtype=bool)
    truth, answer = _answers(images, rng)
    scores = rng.dirichlet(np.ones(4), images) + 2 * every[answer]
    scores = (scores / scores.sum(1, keepdims=True)).astype(np.float32)
    draws = patient_draws(patients)
    evaluate(every[truth], every[answer], labels, patients, exclusive=True, draws=draws)
    known = KnownImages(every[truth], labels, patients, draws, {"class": [labels[one] for one in truth]})
    quality(known, DecisionRule(labels), scores)


def _answers(images: int, rng: np.random.Generator) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Draw classes (images,) of four kinds, and a model's answers, of which about 93 in 100 are right."""
    truth = rng.choice(4, images, p=[0.4, 0.3, 0.2, 0.1])
    return truth, np.where(rng.random(images) < 0.9, truth, rng.integers(0, 4, images))


def _patients(images: int) -> list[str]:
    """Return the patients of images, two of each."""
    return [str(number // 2) for number in range(images)]


def draw(result: dict[str, Any], file: Path) -> None:
    """Draw inference against input size, width and threads, and verdict and figures against images."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.2), layout="constrained")
    axes = figure.subplots(1, 4)
    rows = result["inference"]
    parts = (
        ("input size, pixels", "size", [row for row in rows if row["width"] == WIDTH and row["threads"] == 1]),
        ("width of the network", "width", [row for row in rows if row["size"] == SIZE and row["threads"] == 1]),
        ("threads", "threads", [row for row in rows if row["size"] == SIZE and row["width"] == WIDTH]),
    )
    for axis, (title, key, part) in zip(axes, parts, strict=False):
        axis.plot([row[key] for row in part], [row["ms"] for row in part], "o-")
        axis.set(xlabel=title, ylabel="ms of one inference", ylim=(0, None))
    axes[2].set_xticks(THREADS)
    for costs, name in (("verdict", "one verdict"), ("figures", "all figures of a model")):
        axes[3].loglog(
            [row["images"] for row in result[costs]], [row["seconds"] for row in result[costs]], "o-", label=name
        )
    axes[3].set(xlabel="images", ylabel="seconds of one core")
    axes[3].legend()
    for axis in axes:
        axis.grid(alpha=0.3)
    figure.savefig(file)


@click.command(cls=StudyCommand)
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw it into this file; that of the documentation is docs/scaling.png.",
)
@result_options
def main(picture, as_json, out) -> None:
    """Measure how the cost of an inference grows with the network, and that of a verdict with the images."""
    result = measure()
    if picture is not None:
        draw(result, picture)
    lines = [
        f"{row['size']} px\twidth {row['width']}\t{row['threads']} thread(s)\t{row['ms']:.3g} ms"
        for row in result["inference"]
    ]
    lines += [f"{row['images']} images\tverdict in {row['seconds']:.2f} s" for row in result["verdict"]]
    lines += [
        f"{row['images']} images\tfigures in {row['seconds']:.2f} s, {row['megabytes']:.0f} MB"
        for row in result["figures"]
    ]
    hand_over(result, "scaling", "\n".join(lines), as_json, out)


if __name__ == "__main__":
    main()
