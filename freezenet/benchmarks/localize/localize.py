"""Localize a model: from its file and a clinic's labelled images to a new file, figures and a page."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from freezenet.benchmarks.evaluate import elsewhere_sentence, took_part_sentence
from freezenet.benchmarks.localize.figures import crossfitted, figures, outcome, sensitivity_promise, subgroups
from freezenet.benchmarks.localize.file import confidence_of, localized_file
from freezenet.benchmarks.localize.head.history import refit_images, refits
from freezenet.benchmarks.localize.head.local_head import LocalHead, against_old_head
from freezenet.benchmarks.localize.head.sentences import PATIENTS_UNKNOWN
from freezenet.benchmarks.localize.images import LocalImages
from freezenet.benchmarks.localize.page import write_page
from freezenet.benchmarks.localize.rule import localized_rule
from freezenet.benchmarks.localize.targets import Targets
from freezenet.benchmarks.origin import find_run
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import DataError, ModelError, SettingError
from freezenet.edge_runtime.names import counted
from freezenet.train.files import require_folder, write_atomically
from freezenet.train.task import MultiClass, task_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalizeOptions:
    """How a model is localized.

    Args:
        targets: as `freezenet.benchmarks.localize.targets.Targets.parse` takes them.
        out: the new model file; None writes none.
        page: the HTML page; None writes none.
        costs: key of `freezenet.benchmarks.localize.figures.COSTS` -> cost of one.
        run: the RUN folder of the model; None looks beside the models.
        threads: of one inference.
        overwrite: replace `out` and `page`.
        refit_head: fit the last layer to the images, too.
    """

    targets: tuple[str, ...]
    out: Path | None = None
    page: Path | None = None
    costs: dict[str, float] = field(default_factory=dict)
    run: Path | None = None
    threads: int = 1
    overwrite: bool = False
    refit_head: bool = False


def localize(model: Path, data: Path, *, options: LocalizeOptions) -> dict[str, Any]:
    """Choose a rule on the images of DATA, write what the options name, and return the figures (JSON types).

    Raises:
        DataError: DATA does not serve: no labels, classes that the model lacks, images or patients of the training, too few for a target or a last layer.
        ModelError: the model has several labels for an image, or no last layer that can be refitted.
        RefusedError: the file with another last layer lost too much.
        SettingError: a target or a cost cannot be meant, or a file that is to be written is there.
    """
    for path in (options.out, options.page):
        if path and path.exists() and not options.overwrite:
            raise SettingError(
                f"A new file is required. Got: {path}, which is there; pass --overwrite, or name another."
            )
        if path:
            require_folder(path)
    classifier = Classifier(model, options.threads)
    labels = classifier.card.labels
    if task_of(classifier.card.content).name != MultiClass.name:
        raise ModelError(
            f"A model of task multi-class is required. Got: {model.name} of task multi-label; choose thresholds of labels when training."
        )
    targets = Targets.parse(options.targets, labels)
    if not targets.texts():
        raise SettingError("At least one --target is required. Got: none; for example --target risk=0.02.")
    if targets.sensitivity is None and {"missed", "alarm"} <= set(options.costs):
        raise SettingError(
            "One cost of a wrong answer is required: without a target sensitivity=0.95:CLASS, what is missed and what is a false alarm are both all "
            "wrong answers. Got: missed and alarm; leave one out, or give that target."
        )
    run = find_run(model.parent, classifier.card, options.run)
    images = LocalImages.read(classifier, data, run)
    notes = _notes(classifier, images, targets)
    every = np.arange(len(images.truth))
    head = LocalHead(classifier, images) if options.refit_head else None
    seen = images if head is None else head.images
    rule = localized_rule(classifier.rule, seen.labelled(every), targets)
    confidence = confidence_of(rule, classifier.card.content.get("confidence") or {}, len(every), targets)
    acceptance = None if head is None else head.judged(rule)
    before = outcome(classifier.rule, images)
    after = crossfitted(classifier.rule, images, targets, rescored=None if head is None else head.rescored)
    result: dict[str, Any] = {
        "model": model.name,
        "model_sha256": classifier.file.sha256,
        "runtime": classifier.runtime,
        "targets": targets.texts(),
        "images": len(images.truth),
        "patients": len(set(images.patients)),
        "patients_known": images.patients_known,
        "refused": int(images.refused.sum()),
        "training_excluded": images.run_known,
        "elsewhere": elsewhere_sentence(classifier.card),
        "notes": notes,
        "confidence": confidence,
        "promise": sensitivity_promise(images, targets),
        "before": figures(images, before, targets, options.costs),
        "after": figures(images, after, targets, options.costs),
        "subgroups": subgroups(images, after, targets),
        "missed": [
            {"file": images.files[row], "class": labels[images.truth[row]], "answer": labels[after.answer[row]]}
            for row in every
            if after.answered[row]
            and after.answer[row] != images.truth[row]
            and (targets.sensitivity is None or labels[images.truth[row]] == targets.sensitivity.label)
        ],
        "costs": options.costs,
    }
    if head is not None and acceptance is not None:
        unfitted = crossfitted(classifier.rule, images, targets)
        result["old_head"] = figures(images, unfitted, targets, options.costs)
        result["head"] = {
            **head.facts(),
            "acceptance": acceptance,
            **against_old_head(images, unfitted, after, targets),
        }
    if not images.run_known:
        adopted = [classifier.path.name] if classifier.card.adopted else []
        logger.info(took_part_sentence(len(images.files), None, adopted))
    if options.out:
        truth = images.truth[:, None] == np.arange(len(labels))
        answer = after.answer[:, None] == np.arange(len(labels))
        shown = task_of(classifier.card.content).evaluate(truth, answer, labels, images.patients, images.draws)
        network = None if head is None else head.network
        content = localized_file(classifier, rule, images, targets, shown, network, result.get("head"), notes)
        write_atomically(options.out, lambda temporary: temporary.write_bytes(content))
        result["out"] = str(options.out)
    if options.page:
        write_page(options.page, result)
        result["page"] = str(options.page)
    return result


def _notes(classifier: Classifier, images: LocalImages, targets: Targets) -> list[str]:
    """Return what has to be said of the images and the model beside all figures; refuse those of an earlier refit, of which the model knows more than of others."""
    card = classifier.card
    known = next((one for one in refits(card) if one["data_sha256"] == images.digest), None)
    if known:
        raise DataError(
            f"Images that the model's last layer was not refitted on are required. Got: the same {len(images.files)}; give others, or the file that it was "
            f"made from, with the SHA-256 {known['from_sha256'][:12]}."
        )
    overlap = (
        f"The model's last layer was refitted on {counted(refit_images(card), 'local image')} before. Whether some of these are among them is not known; of those "
        "the figures would be too good."
        if refits(card)
        else ""
    )
    ended = ", ".join(targets.given_up(card.content.get("localized", {}).get("targets", ())))
    given_up = (
        f"The file was localized for {ended} before, which is given up, as it was not asked for again." if ended else ""
    )
    return [one for one in ("" if images.patients_known else PATIENTS_UNKNOWN, overlap, given_up) if one]
