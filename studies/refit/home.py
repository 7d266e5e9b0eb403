"""What files that were fitted to another place do where the network was trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.train.run_folder import RunFolder
    from studies.refit.ways import Way


def at_home(classifier: Classifier, run: RunFolder, data: Path, ways: Mapping[str, Way]) -> dict[str, Any]:
    """Return what each way does with the test images of the training (JSON types).

    "recall" of each class is as of `freezenet evaluate`: of the class that is named, sure or not. "answered" is of all images, "wrong" of what is answered.

    Args:
        classifier: of the file as it came.
        run: its training.
        data: the images of the training.
        ways: see `studies.refit.ways.ways_of`.
    """
    from freezenet.benchmarks.evaluate import decide_all, judged_images
    from freezenet.edge_runtime.decision import NOT_CHEST
    from freezenet.train.metrics.figure import share
    from freezenet.train.task import task_of

    card = classifier.card
    judged = judged_images(data, run, task=task_of(card.content).name)
    pixels = judged.pixels(card.preprocess)
    as_it_came, decisions = decide_all(classifier, pixels)
    refused = np.array([one.reason == NOT_CHEST for one in decisions])
    truth = judged.dataset.task.truth(judged.truth, card.labels)
    found = {}
    for name, way in ways.items():
        probabilities = way.rule.probabilities(way.scores(card.preprocess, pixels, as_it_came))
        chosen = way.rule.chosen(probabilities)
        answered = way.rule.sure(probabilities, chosen) & ~refused
        of = judged.dataset.task.evaluate(truth, chosen, card.labels, judged.patients, judged.draws)
        everything, wrong = np.ones(len(truth), bool), (chosen != truth).any(1)
        found[name] = {
            "recall": {label: one["recall"] for label, one in of["per_class"].items() if one["support"]},
            "answered": share(answered, everything, judged.patients, judged.draws).to_dict(),
            "wrong": share(wrong, answered, judged.patients, judged.draws).to_dict(),
        }
    return {
        "images": len(truth),
        "classes": dict(zip(card.labels, truth.sum(0).tolist(), strict=True)),
        "ways": found,
    }
