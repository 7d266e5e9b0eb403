"""Train on all images; whatever needs images that the network has not seen is taken from a cross-validation."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from freezenet.edge_runtime.errors import SettingError
from freezenet.train.crossval.plan_file import refuse_another_basis
from freezenet.train.crossval.validation import read_data_by_arm
from freezenet.train.files import check_output
from freezenet.train.final.out_of_fold import final_recipe, finished_crossval, read_out_of_fold
from freezenet.train.final.results import write_final_results
from freezenet.train.fitting.traces import forgotten_traces
from freezenet.train.losses.criterion import needs_recall
from freezenet.train.manifest import make_manifest
from freezenet.train.metrics.matrices import label_matrices
from freezenet.train.metrics.matrices import recall as recall_of
from freezenet.train.network.host_settings import own_settings
from freezenet.train.options import TrainingOptions
from freezenet.train.run_folder import Metrics, RunFolder
from freezenet.train.training import fit_network

logger = logging.getLogger(__name__)

#: Share of the soft targets that a network learns from which learns from a cross-validation; the rest is the truth.
SOFT_SHARE = 0.5
#: Keys of a recipe that change no training, only what is made of its answers.
ANSWER_KEYS = ("abstain_by", "abstain_risk", "abstain_sureness", "threshold_metric")


@own_settings()
@forgotten_traces()
def train_final(
    data: str | Path,
    out: str | Path,
    *,
    crossval: str | Path,
    options: TrainingOptions = TrainingOptions(),
    seed: int = 0,
    distill: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> Metrics:
    """Train the best recipe of a finished cross-validation on all images of DATA.

    Its epochs are those of the cross-validation. Temperature, thresholds and abstention are chosen on the out-of-fold answers, which
    also give the figures; each part of these is judged by a rule that was chosen without it.

    Args:
        data: as for `freezenet.train.training.train`; the images that the cross-validation tested.
        out: the RUN folder.
        crossval: folder of `freezenet crossval`.
        options: the rest.
        seed: of the training.
        distill: learn from the mean of the truth and the out-of-fold answers (Hinton et al., Distilling the Knowledge in a Neural
            Network, 2015).
        settings: keys of the recipe, of those in ANSWER_KEYS, to change.

    Returns:
        What stands in metrics.json.

    Raises:
        DataError: the cross-validation is not finished, or is one of other images.
        SettingError: the options or the recipe need images that a final model does not have, or data or weights are others than the
            cross-validation's.
    """
    if options.not_cxr is not None:
        raise SettingError("A final model without --not-cxr is required. Got: both; leave --not-cxr out.")
    changed = dict(settings or {})
    if foreign := sorted(set(changed) - set(ANSWER_KEYS)):
        raise SettingError(
            f"Settings of {', '.join(ANSWER_KEYS)} and seed are required by --final. Got: {', '.join(foreign)}; cross-validate a recipe with "
            "them."
        )
    run = RunFolder(Path(out))
    check_output(run.folder, run.metrics_file.name, options.overwrite)
    arm, recipe = final_recipe(Path(crossval))
    if recipe.schedule == "plateau":
        raise SettingError(
            "A schedule that asks for no validation loss is required by --final. Got: schedule=plateau; cross-validate another."
        )
    recipe = recipe.with_settings({**changed, "seed": seed})
    asked = replace(finished_crossval(Path(crossval)), options=options)
    (read,) = read_data_by_arm(
        Path(data), {arm: recipe}, skip_unreadable=options.skip_unreadable, leave_out=asked.leave_out
    ).values()
    refuse_another_basis(replace(asked, recipes={arm: asked.recipes[arm]}), {arm: read}, Path(crossval))
    everything = read.with_splits(np.full(len(read.dataset.samples), "train"))
    found = read_out_of_fold(Path(crossval), arm, recipe, everything)
    if distill:
        soft = SOFT_SHARE * found.soft + (1 - SOFT_SHARE) * everything.truth
        everything = type(everything)(everything.dataset, everything.images, soft)
    manifest = make_manifest(everything, recipe, options=options)
    manifest["final"] = {
        "crossval": str(Path(crossval).resolve()),
        "recipe": arm,
        "distill": distill,
        "seeds": found.seeds,
    }
    recall = None
    if needs_recall(recipe):
        truth = np.tile(everything.truth, (found.seeds, 1))
        answers = np.eye(len(everything.labels), dtype=bool)[found.stacked.argmax(1)]
        recall = recall_of(label_matrices(truth, answers))
    trained = fit_network(run, everything, recipe=recipe, options=options, manifest=manifest, recall=recall)
    return write_final_results(run, trained, data=everything, recipe=recipe, manifest=manifest, found=found)
