"""Every variant on the same test images, and the paired difference of each to float32.

The conversion has scored these images already, so its scores are used where they hold: for the same files, images and
runtime. Else each image is decoded once and all variants score it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.evaluate import JudgedImages, elsewhere_sentence, judged_images, scores_of_each
from freezenet.benchmarks.origin import find_run
from freezenet.benchmarks.quality.answers import AnswerPair, ModelAnswers
from freezenet.benchmarks.quality.images import KnownImages
from freezenet.benchmarks.quality.slices import slice_columns
from freezenet.benchmarks.quality.summary import quality
from freezenet.convert.folder import ModelsFolder
from freezenet.convert.scores import StoredScores
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.system.environment import environment
from freezenet.train.files import sha256_file
from freezenet.train.metrics.paired import PairedAnswers
from freezenet.train.metrics.verdict import Margins, verdicts
from freezenet.train.run_folder import RunFolder
from freezenet.train.task import task_of

logger = logging.getLogger(__name__)

#: What the others are compared with.
REFERENCE = "float32"


def compare(
    models: str | Path,
    *,
    data: str | Path | None = None,
    run: str | Path | None = None,
    threads: int = 1,
    recompute: bool = False,
    margins: Margins = Margins(),
    slices: Sequence[str] = (),
) -> dict[str, Any]:
    """Compare the variants of a MODELS folder on the test images of DATA.

    Args:
        models: the MODELS folder.
        data: where DATA lies now; default: where it lay at the training.
        run: the RUN folder that they were converted from; default: the one beside the models.
        threads: CPU threads, where scores are computed.
        recompute: score the images again, also where the scores of the conversion hold.
        margins: the losses that would matter, for the verdict.
        slices: columns of DATA by whose values the images are sliced, beside class and source.

    Returns:
        JSON types: "variants" (per variant: file, bytes, the figures of `freezenet.train.task.Task.evaluate`, and against
        float32: paired differences of accuracy, macro-F1 and each recall, McNemar's test, images with a wrong and with a changed answer, and the "verdict", see
        `freezenet.train.metrics.verdict`; and what `freezenet.benchmarks.quality.summary.quality` gives), "environment".

    Raises:
        ModelError: the folder is none, or has no float32.
        DataError: DATA is not what the models were trained on, or RUN is not found.
    """
    folder = ModelsFolder(Path(models))
    conversion = folder.conversion()
    names = list(conversion["variants"])
    if REFERENCE not in names:
        raise ModelError(f"A folder with {REFERENCE}.tflite is required, to compare with. Got: {', '.join(names)}.")
    classifiers = {name: Classifier(folder.path / conversion["variants"][name]["file"], threads) for name in names}
    card = classifiers[REFERENCE].card
    task, labels = task_of(card.content), card.labels
    origin = find_run(folder.path, card, Path(run) if run else None)
    judged = judged_images(data or _data_of(origin), origin, task=task.name, columns=slices)
    truth = task.truth(judged.truth, labels)
    splits = card.content["trained_on"]["splits_sha256"]
    scores = _scores(folder, classifiers, judged, splits, recompute)
    found = {name: ModelAnswers.of(classifier.rule, scores[name]) for name, classifier in classifiers.items()}
    reference = found[REFERENCE]
    others = {name: one.answers for name, one in found.items() if name != REFERENCE}
    judgements = verdicts(
        truth, reference.answers, others, labels, judged.patients, exclusive=task.exclusive, margins=margins
    )
    images = KnownImages(truth, labels, judged.patients, judged.draws, slice_columns(judged.dataset, slices))
    variants = {}
    for name, classifier in classifiers.items():
        pair = AnswerPair(judged, labels, reference, found[name], REFERENCE)
        variants[name] = {
            "file": classifier.path.name,
            "bytes": classifier.path.stat().st_size,
            "runtime": classifier.runtime,
            **task.evaluate(truth, found[name].answers, labels, judged.patients, judged.draws),
            **quality(
                images,
                classifier.rule,
                scores[name],
                reference=None if name == REFERENCE else reference.answers,
                with_curves=True,
            ),
            **pair.wrong(truth),
        }
        if name != REFERENCE:
            paired = PairedAnswers(truth, reference.answers, found[name].answers, judged.patients, judged.draws)
            variants[name]["against_float32"] = paired.to_dict() | judgements[name].differences()
            variants[name]["flipped"] = pair.flipped()
            variants[name]["verdict"] = judgements[name].to_dict(name, REFERENCE)
    return {
        "reference": REFERENCE,
        "side": judged.split,
        "images": len(truth),
        "took_part": judged.took_part,
        "adopted": card.adopted,
        "elsewhere": elsewhere_sentence(card),
        "data_root": str(judged.dataset.root.resolve()),
        "variants": variants,
        "environment": environment(),
    }


def _scores(
    folder: ModelsFolder, classifiers: dict[str, Classifier], judged: JudgedImages, splits: str, recompute: bool
) -> dict[str, NDArray[np.float32]]:
    """Return the scores (n, classes) of each variant, in the order of the images; splits: SHA-256 of splits.csv."""
    found = {} if recompute else _stored_scores(folder, classifiers, len(judged.truth), splits)
    missing = {name: classifier for name, classifier in classifiers.items() if name not in found}
    if found:
        logger.info(f"using the scores stored at conversion (--recompute scores again): {', '.join(found)}")
    if missing:
        logger.info(f"scores computed now: {', '.join(missing)}")
    return found | scores_of_each(missing, judged)


def _stored_scores(
    folder: ModelsFolder, classifiers: dict[str, Classifier], images: int, splits: str
) -> dict[str, NDArray[np.float32]]:
    """Return the conversion's scores of those variants for which they hold, in the order of the test images."""
    stored = {name: StoredScores.read(folder.scores(name)) for name in classifiers}
    return {
        name: one.scores
        for name, one in stored.items()
        if one is not None
        and len(one.scores) == images
        and one.hold_for(sha256_file(classifiers[name].path), splits, classifiers[name].runtime)
    }


def _data_of(run: RunFolder | None) -> str:
    return run.read_manifest()["data"] if run else ""
