"""One model file of any maker on DATA."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from freezenet.benchmarks.any_model.opening import chosen_sentence, origins
from freezenet.benchmarks.evaluate import (
    evaluate_model,
    judged_images,
    other_judged_images,
    took_part_sentence,
    unknown_training,
)
from freezenet.benchmarks.localize.head.history import refitted_sentence
from freezenet.benchmarks.outside import evaluate_everywhere
from freezenet.convert.foreign.classifier import ForeignClassifier
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.names import counted
from freezenet.train.run_folder import RunFolder
from freezenet.train.task import task_of

logger = logging.getLogger(__name__)


def evaluate_file(
    classifier: Classifier,
    data: Path,
    *,
    run: Path | None = None,
    everything: bool = False,
    slices: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the figures of a model on the images of DATA that are meant for it, and say which these are (JSON types).

    Of a model of ours "trained_on" is that of its card, and "refitted" says of a last layer fitted anew that the images may have fitted it.

    Args:
        classifier: The model.
        data: A folder or a CSV.
        run: RUN; default: the one beside a file of ours. Of another maker's model its test images are judged.
        everything: Take all images.
        slices: Columns of DATA, beside class and source.
    """
    task = task_of(classifier.card.content).name
    if not isinstance(classifier, ForeignClassifier):
        (origin,) = origins([classifier], run)
        judged = judged_images(data, origin, task=task, everything=everything, columns=slices)
        figures = (evaluate_everywhere if everything else evaluate_model)(classifier, judged, slices)
        adopted = [classifier.path.name] if classifier.card.adopted else []
        logger.info(took_part_sentence(len(judged.truth), judged.took_part, adopted))
        if refitted := refitted_sentence(classifier.card):
            logger.warning(refitted)
            figures = {**figures, "refitted": refitted}
        return {**figures, "trained_on": classifier.card.content["trained_on"]}
    folder = RunFolder(run) if run else None
    whole, judged = other_judged_images(data, folder, task=task, everything=everything, columns=slices)
    logger.info(chosen_sentence(len(judged.truth), whole, judged.split, folder))
    logger.warning(unknown_training([classifier.path.name]))
    # It may lack classes of DATA, so what it says about these is shown too.
    figures = {**evaluate_everywhere(classifier, judged, slices), "took_part": None}
    if figures["images"] < len(judged.truth):
        unknown = len(judged.truth) - figures["images"]
        logger.warning(
            f"{counted(unknown, 'image')} of classes that {classifier.path.name} does not have are not in its figures"
        )
    return figures
