"""Two or more model files of any maker, image by image: each against the first, with the verdict of `freezenet.train.metrics.verdict`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.any_model.opening import chosen_sentence, open_models, origins
from freezenet.benchmarks.evaluate import (
    JudgedImages,
    elsewhere_sentence,
    other_judged_images,
    part_taken,
    scores_of_each,
    took_part_sentence,
    unknown_training,
)
from freezenet.benchmarks.localize.head.history import refitted_sentence
from freezenet.benchmarks.quality.answers import AnswerPair, ModelAnswers
from freezenet.benchmarks.quality.images import KnownImages
from freezenet.benchmarks.quality.slices import slice_columns
from freezenet.benchmarks.quality.summary import quality
from freezenet.convert.foreign.classifier import ForeignClassifier
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import DataError, ModelError, SettingError
from freezenet.edge_runtime.names import counted
from freezenet.edge_runtime.system.environment import environment
from freezenet.train.metrics.paired import PairedAnswers
from freezenet.train.metrics.verdict import Margins, verdicts
from freezenet.train.run_folder import RunFolder
from freezenet.train.task import task_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FilesAsked:
    """How files are compared.

    Args:
        run: RUN whose test images are judged; default: that of the first file that has one beside it.
        everything: judge all images of DATA.
        specs: `--preprocess`, see `freezenet.benchmarks.any_model.opening.open_models`.
        labels: `--labels`, see there.
        threads: CPU threads of one inference.
        margins: the losses that would matter, for the verdict.
        slices: columns of DATA by whose values the images are sliced, beside class and source.
    """

    run: Path | None = None
    everything: bool = False
    specs: Sequence[str] = ()
    labels: Sequence[str] = ()
    threads: int = 1
    margins: Margins = field(default_factory=Margins)
    slices: Sequence[str] = ()


def compare_files(paths: Sequence[Path], data: Path, asked: FilesAsked = FilesAsked()) -> dict[str, Any]:
    """Compare model files on the same images of DATA; the first is what the others are compared with.

    Images of classes that one of the models does not have are left out and counted: about them the models cannot be compared.

    Args:
        paths: of two or more .tflite files.
        data: a folder or a CSV.
        asked: how.

    Returns:
        JSON types as `freezenet.benchmarks.compare.compare` returns them, with "against_reference" in place of "against_float32", and
        "took_part" for each model; "left_out" counts images by class, "refitted" says of a model with a refitted last layer that the images may
        have fitted it.

    Raises:
        SettingError: there is only one file, or what has to be known of one is not.
        ModelError: a file cannot be answered with, or the models answer different questions.
        DataError: no class is shared by all.
    """
    names = _names(paths)
    classifiers = dict(
        zip(
            names,
            open_models(paths, data, specs=asked.specs, labels=asked.labels, threads=asked.threads),
            strict=True,
        )
    )
    tasks = {task_of(one.card.content).name for one in classifiers.values()}
    if len(tasks) > 1:
        raise ModelError("Models of one task are required, to compare them. Got: multi-class and multi-label.")
    runs = dict(zip(names, origins(list(classifiers.values()), asked.run), strict=True))
    run = RunFolder(asked.run) if asked.run else next(filter(None, runs.values()), None)
    whole, judged = other_judged_images(data, run, task=tasks.pop(), everything=asked.everything, columns=asked.slices)
    labels, judged, left_out = _shared(classifiers, judged)
    logger.info(chosen_sentence(len(judged.truth), whole, judged.split, run))
    took_part = _took_part(classifiers, runs, judged)
    refitted = {name: said for name, one in classifiers.items() if (said := refitted_sentence(one.card))}
    for name, said in refitted.items():
        logger.warning(f"{name}: {said}")
    return {
        "reference": names[0],
        "side": judged.split,
        "images": len(judged.truth),
        "left_out": left_out,
        "labels": list(labels),
        "took_part": took_part,
        "refitted": refitted,
        "elsewhere": next(filter(None, (elsewhere_sentence(one.card) for one in classifiers.values())), ""),
        "data_root": str(judged.dataset.root.resolve()),
        "variants": _variants(classifiers, judged, labels, asked),
        "environment": environment(),
    }


def _names(paths: Sequence[Path]) -> list[str]:
    if len(paths) < 2:
        raise SettingError(
            f"Two model files, or a MODELS folder, are required. Got: {', '.join(map(str, paths)) or 'none'} alone."
        )
    short = [path.name for path in paths]
    names = short if len(set(short)) == len(short) else [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise SettingError("Different model files are required. Got: one of them twice.")
    return names


def _shared(
    classifiers: dict[str, Classifier], judged: JudgedImages
) -> tuple[tuple[str, ...], JudgedImages, dict[str, int]]:
    """Return the labels that the data and all models have, the images of these, and how many of other classes are left out."""
    task, dataset = judged.dataset.task, judged.dataset
    labels = tuple(label for label in dataset.labels if all(label in one.card.labels for one in classifiers.values()))
    kept = [number for number, text in enumerate(judged.truth) if set(task.labels_of(text)) <= set(labels)]
    if not labels or not kept:
        each = "; ".join(f"{name}: {', '.join(one.card.labels[:6])}" for name, one in classifiers.items())
        raise DataError(
            f"Images of a class that all models have are required. Got: DATA with {', '.join(dataset.labels)}; {each}."
        )
    there = set(kept)
    left_out: dict[str, int] = {}
    for number, text in enumerate(judged.truth):
        if number not in there:
            left_out[text] = left_out.get(text, 0) + 1
    for text, count in left_out.items():
        lacking = [name for name, one in classifiers.items() if not set(task.labels_of(text)) <= set(one.card.labels)]
        logger.warning(
            f"{counted(count, 'image')} of {text} left out: {', '.join(lacking)} cannot name it; freezenet evaluate says what is answered"
        )
    return labels, JudgedImages(dataset.only(kept), judged.split, judged.took_part), left_out


def _took_part(
    classifiers: dict[str, Classifier], runs: dict[str, RunFolder | None], judged: JudgedImages
) -> dict[str, dict[str, int] | None]:
    """Say and return, for each model, how many of the images are in which split of its own training."""
    found: dict[str, dict[str, int] | None] = {}
    for name, own in runs.items():
        found[name] = None if own is None else part_taken(judged.dataset, own)
    others = [name for name, one in classifiers.items() if isinstance(one, ForeignClassifier) or one.card.adopted]
    for name in classifiers:
        if name not in others:
            logger.info(f"{name}: {took_part_sentence(len(judged.truth), found[name])}")
    if others:
        logger.warning(unknown_training(others))
    return found


def _variants(
    classifiers: dict[str, Classifier], judged: JudgedImages, labels: tuple[str, ...], asked: FilesAsked
) -> dict[str, Any]:
    task, columns = judged.dataset.task, slice_columns(judged.dataset, asked.slices)
    truth, scores = task.truth(judged.truth, labels), scores_of_each(classifiers, judged)
    whole = {name: ModelAnswers.of(classifier.rule, scores[name]) for name, classifier in classifiers.items()}
    # What is answered beyond these classes is wrong, and stands in no column.
    found = {
        name: replace(one, answers=_in_labels(one.answers, classifiers[name].card.labels, labels))
        for name, one in whole.items()
    }
    reference, first = next(iter(found.items()))
    judgements = verdicts(
        truth,
        first.answers,
        {name: one.answers for name, one in found.items() if name != reference},
        labels,
        judged.patients,
        exclusive=task.exclusive,
        margins=asked.margins,
    )
    variants: dict[str, Any] = {}
    for name, classifier in classifiers.items():
        own = classifier.card.labels
        before = _in_labels(whole[reference].answers, classifiers[reference].card.labels, own)
        variants[name] = {
            "file": classifier.path.name,
            "bytes": len(classifier.file.content),
            "runtime": classifier.runtime,
            **task.evaluate(truth, found[name].answers, labels, judged.patients, judged.draws),
            # Its own classes, because a probability that it gives to another one counts.
            **quality(
                KnownImages(task.truth(judged.truth, own), own, judged.patients, judged.draws, columns),
                classifier.rule,
                scores[name],
                reference=None if name == reference else before,
            ),
        }
        if name != reference:
            paired = PairedAnswers(truth, first.answers, found[name].answers, judged.patients, judged.draws)
            variants[name]["against_reference"] = paired.to_dict() | judgements[name].differences()
            variants[name]["flipped"] = AnswerPair(judged, labels, first, found[name], "reference").flipped()
            variants[name]["verdict"] = judgements[name].to_dict(name, reference)
    return variants


def _in_labels(answers: NDArray[np.bool_], labels: Sequence[str], wanted: Sequence[str]) -> NDArray[np.bool_]:
    """Return answers (n, labels) in the columns of other labels; one that is not among them stands in no column."""
    found = np.zeros((len(answers), len(wanted)), bool)
    for column, label in enumerate(wanted):
        if label in labels:
            found[:, column] = answers[:, labels.index(label)]
    return found
