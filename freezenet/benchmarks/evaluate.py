"""Accuracy of one `.tflite` file through the edge runtime.

Which images are those of the test split is told by their content, the SHA-256 of each file: another picture may have the
name of a test image.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.quality.images import KnownImages
from freezenet.benchmarks.quality.slices import slice_columns
from freezenet.benchmarks.quality.summary import quality
from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.decision import Decision
from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.names import counted
from freezenet.train.data.dataset import SPLITS, Dataset
from freezenet.train.data.images import read_images
from freezenet.train.data.loading import load
from freezenet.train.files import sha256_file
from freezenet.train.metrics.draws import PatientDraws, patient_draws
from freezenet.train.progress import track
from freezenet.train.run_folder import RunFolder
from freezenet.train.task import MultiClass


@dataclass(frozen=True)
class JudgedImages:
    """The images that a model is judged on.

    Args:
        dataset: n of them; of a test split in the order of its rows.
        split: "test" or "all".
        took_part: how many of them, by content, are in each split of the run; None where the run is not known. An image that
            lies in two splits counts for both.
    """

    dataset: Dataset
    split: str
    took_part: dict[str, int] | None = None

    @property
    def truth(self) -> tuple[str, ...]:
        """The class (n,) of each, or the text of its label set."""
        return tuple(sample.label for sample in self.dataset.samples)

    @property
    def patients(self) -> tuple[str, ...]:
        """The patient (n,) of each."""
        return tuple(sample.patient for sample in self.dataset.samples)

    @cached_property
    def draws(self) -> PatientDraws:
        """The draws of these patients that all figures share; see `freezenet.train.metrics.draws.patient_draws`."""
        return patient_draws(self.patients)

    def pixels(self, spec: PreprocessSpec) -> NDArray[np.uint8]:
        """Read them through the device's preprocessing: (n, h, w) uint8; DataError where one cannot be read."""
        return read_images(self.dataset, spec).pixels


def judged_images(
    data: str | Path,
    run: RunFolder | None,
    *,
    task: str = MultiClass.name,
    everything: bool = False,
    columns: Collection[str] = (),
) -> JudgedImages:
    """Return the images of DATA that are the test images of a run, or all of DATA; one class is enough.

    Args:
        data: a folder or a CSV.
        run: what the model was trained in; None where that is not known.
        task: of the model, see `freezenet.train.task`.
        everything: take all images.
        columns: of DATA that are used beside those of its layout.

    Raises:
        DataError: a test image of the run is not in DATA, or there is no run to say which images are.
    """
    if run is None and not everything:
        raise DataError(
            "The RUN folder, which knows the test images, is required. Got: none beside the models; pass --run RUN, or "
            "--all to freezenet evaluate for all images of other data."
        )
    dataset = load(data, task, least_classes=1, columns=columns)
    if run is None:
        return JudgedImages(dataset, "all")
    rows = run.read_splits()
    hashes = _hashes(dataset.paths)
    if everything:
        return JudgedImages(dataset, "all", _known_part(hashes, run))
    test = [row for row in rows if row["split"] == "test"]
    if not test:
        raise DataError(
            f"A model with test images is required. Got: one trained on all images of {run.folder}, whose figures are those of its "
            "cross-validation; freezenet evaluate --all takes images of other data."
        )
    found = _matched(test, dataset, hashes)
    if len(found) != len(test):
        raise DataError(
            f"The data that the model was trained on is required. Got: {data} with {len(found)} of the {len(test)} test "
            f"images of {run.folder}, compared by content; freezenet evaluate --all takes all images of other data."
        )
    return JudgedImages(dataset.only(found), "test", _known_part([hashes[number] for number in found], run))


def other_judged_images(
    data: str | Path,
    run: RunFolder | None,
    *,
    task: str = MultiClass.name,
    everything: bool = False,
    columns: Collection[str] = (),
) -> tuple[int, JudgedImages]:
    """Return how many images DATA has, and those that a model is judged on of which no RUN folder need be known.

    With a run they are those of `judged_images`. Without, they are the test split that DATA itself names, or else all of DATA.
    """
    # What is said about DATA is said once.
    dataset = load(data, task, least_classes=1, say=run is None and not everything, columns=columns)
    if run is not None or everything:
        return len(dataset.samples), judged_images(data, run, task=task, everything=everything, columns=columns)
    test = [number for number, sample in enumerate(dataset.samples) if sample.split == "test"]
    judged = JudgedImages(dataset.only(test), "test") if test else JudgedImages(dataset, "all")
    return len(dataset.samples), judged


def part_taken(dataset: Dataset, run: RunFolder) -> dict[str, int] | None:
    """Return how many images of a data set are, by content, in each split of a run; see `JudgedImages`."""
    return _known_part(_hashes(dataset.paths), run)


def _hashes(paths: Sequence[Path]) -> list[str]:
    """Return the SHA-256 of each file, "" for one that cannot be read: it is no image of any split."""

    def digest(path: Path) -> str:
        try:
            return sha256_file(path)
        except OSError:
            return ""

    with ThreadPoolExecutor() as pool:
        return list(track(pool.map(digest, paths), "Comparing images", len(paths)))


def _matched(rows: Sequence[dict[str, str]], dataset: Dataset, hashes: Sequence[str]) -> list[int]:
    """Return the number of a sample with the content of each row, no sample twice; rows without one are left out."""
    same: dict[str, list[int]] = defaultdict(list)
    for number, digest in enumerate(hashes):
        same[digest].append(number)
    found = []
    for row in rows:
        candidates = same[row["sha256"]]
        if candidates:
            # Of equal files the one of the same name, which may have another patient than the others.
            best = next((one for one in candidates if dataset.samples[one].file == row["file"]), candidates[0])
            candidates.remove(best)
            found.append(best)
    return found


def _known_part(hashes: Sequence[str], run: RunFolder) -> dict[str, int] | None:
    """Return in which splits the images are; None where the network came from another maker, whose training nobody here saw."""
    return None if run.adopted else _took_part(hashes, run.read_splits())


def _took_part(hashes: Sequence[str], rows: Sequence[dict[str, str]]) -> dict[str, int]:
    contents = {name: {row["sha256"] for row in rows if row["split"] == name} for name in SPLITS}
    counts = Counter(name for digest in hashes for name, known in contents.items() if digest in known)
    return {name: counts[name] for name in SPLITS}


def unknown_training(names: Sequence[str]) -> str:
    """Return the sentence about models of which nobody here knows what they were trained on."""
    return (
        f"Whether any of these images took part in the training of {', '.join(names)} is not known: freezenet did not train "
        f"{'it' if len(names) == 1 else 'them'}."
    )


def took_part_sentence(images: int, took_part: dict[str, int] | None, adopted: Sequence[str] = ()) -> str:
    """Return the sentence that says how many of the judged images took part in the training.

    Args:
        images: how many were judged.
        took_part: see `JudgedImages`.
        adopted: the names of the models, where another maker trained them: then no RUN folder can know it.
    """
    if took_part is None and adopted:
        return unknown_training(adopted)
    if took_part is None:
        return (
            "Whether any of these images took part in the training is not known: no RUN folder that knows it lies beside the "
            "model; pass --run RUN."
        )
    seen = {name: took_part[name] for name in ("train", "validation") if took_part[name]}
    parts = ", ".join(f"{count} in the {name} split" for name, count in seen.items())
    if not seen:
        return f"None of the {counted(images, 'file')} judged took part in the training (compared by content)."
    return f"Of the {counted(images, 'file')} judged, {sum(seen.values())} took part in the training ({parts}): the figures are too good."


def elsewhere_sentence(card: ModelCard) -> str:
    """Return what a card says about classes that come from one source alone, "" where there is nothing to say or it is older."""
    sources = card.content.get("sources")
    return sources["elsewhere"] if sources else ""


def model_scores(classifier: Classifier, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the model's scores (n, classes) of pixels (n, h, w) uint8."""
    title = f"Running {classifier.path.name}"
    return np.concatenate([classifier.scores(image[None]) for image in track(pixels, title, len(pixels))])


def scores_of_each(classifiers: Mapping[str, Classifier], judged: JudgedImages) -> dict[str, NDArray[np.float32]]:
    """Return the scores (n, classes) of each model; images are read once for all models with the same preprocessing."""
    pixels: dict[Any, NDArray[np.uint8]] = {}
    found = {}
    for name, classifier in classifiers.items():
        spec = classifier.card.preprocess
        if spec not in pixels:
            pixels[spec] = judged.pixels(spec)
        found[name] = model_scores(classifier, pixels[spec])
    return found


def decide_all(classifier: Classifier, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], list[Decision]]:
    """Return the scores (n, classes) of pixels (n, h, w) uint8, and what the device decides about each."""
    title = f"Running {classifier.path.name}"
    found = [classifier.decide(image) for image in track(pixels, title, len(pixels))]
    return np.array([scores for scores, _ in found], np.float32), [decision for _, decision in found]


def evaluate_model(classifier: Classifier, judged: JudgedImages, slices: Sequence[str] = ()) -> dict[str, Any]:
    """Return the figures of one model's answers, abstaining left out, with split, model and runtime named.

    See `freezenet.train.task.Task.evaluate` and `freezenet.benchmarks.quality.summary.quality`. Raises DataError where DATA has other
    classes than the model. slices: columns of DATA, beside class and source.
    """
    labels, task = classifier.card.labels, judged.dataset.task
    truth = task.truth(judged.truth, labels)
    images = KnownImages(truth, labels, judged.patients, judged.draws, slice_columns(judged.dataset, slices))
    scores = model_scores(classifier, judged.pixels(classifier.card.preprocess))
    answers = classifier.rule.answers(scores)
    return {
        "model": classifier.path.name,
        "runtime": classifier.runtime,
        "side": judged.split,
        "took_part": judged.took_part,
        "elsewhere": elsewhere_sentence(classifier.card),
        **task.evaluate(truth, answers, labels, judged.patients, judged.draws),
        **quality(images, classifier.rule, scores),
    }
