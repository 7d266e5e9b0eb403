"""The card that a model file carries: written here, read by `freezenet.edge_runtime.card`."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from freezenet.convert.package.golden import golden_vectors, with_answers
from freezenet.convert.package.golden_pictures import golden_images
from freezenet.convert.package.metadata import LABELS_FILE, described_by, with_files
from freezenet.convert.package.reference import reference_counts
from freezenet.convert.ptq.calibration import Calibration
from freezenet.convert.variants import Variant
from freezenet.edge_runtime.card import CARD_FILE, CARD_VERSION, Audited, CalibratedOn, CardContent, Sources, TrainedOn
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.train.files import sha256_file
from freezenet.train.metrics.sources import source_table
from freezenet.train.run import Run

#: What every model and report says of itself.
NOTICE = (
    "Research use only; not a medical device. Figures hold for the data named here; where class and source of the images "
    "go together, a high figure may mean that the source was recognized."
)

#: What the input holds, where it is no normalized number.
_MEANINGS = {"uint8": "raw gray pixels 0..255", "int8": "raw gray pixels 0..255, less 128"}

#: What a file says in addition that cannot tell a chest X-ray from other pictures.
NO_OOD_GATE = "No OOD gate in this file: it also names a class for a picture that is no chest X-ray."

#: What it says where the network came from another maker.
ADOPTED = (
    "The network was not trained by freezenet: whether its training saw the images that it was tested on is not known."
)


def make_card(
    run: Run,
    variant: Variant,
    calibration: Calibration,
    interpreter: Interpreter,
    verdict: dict[str, Any],
    test: list[tuple[Path, dict[str, str]]],
    test_scores: NDArray[np.float32],
) -> CardContent:
    """Return the card of a converted model (JSON types) without its outputs, with accuracy and golden vectors of this machine.

    Args:
        run: what the model was trained in.
        variant: what the file is.
        calibration: the images that integer ranges were measured on.
        interpreter: of the .tflite without metadata.
        verdict: of `freezenet.convert.acceptance`, as JSON types.
        test: path and row of splits.csv of the n test images.
        test_scores: (n, classes), what the model scores on them.
    """
    spec = run.recipe.preprocess
    dtype = interpreter.inputs[0]["dtype"]
    rule = DecisionRule.from_dict({**run.decision, "arithmetic": variant.arithmetic}, run.labels)
    # A model that gives NaN is refused, but its figures stand in the file that is kept for study.
    answers = rule.answers(np.nan_to_num(test_scores))
    golden = golden_vectors(interpreter, spec, run.labels)
    if run.final:
        accuracy = out_of_fold_figures(run, variant)
    else:
        accuracy = {
            "side": "test",
            "runtime": golden["runtime"],
            **run.task.evaluate(run.truth(test), answers, run.labels, [row["patient_id"] for _, row in test]),
        }
    card: dict[str, Any] = {
        "card_version": CARD_VERSION,
        "name": f"freezenet {run.recipe.name}",
        "variant": variant.name,
        "arithmetic": variant.arithmetic,
        "notice": NOTICE,
        "labels": list(run.labels),
        "preprocess": spec.to_dict(),
        "input": {
            "dtype": np.dtype(dtype).name,
            "meaning": _MEANINGS.get(np.dtype(dtype).name, "(pixel - mean) / std"),
        },
        **_output(interpreter),
        **run.decision,
        "trained_on": trained_on(run),
        "calibration": calibrated_on(variant, calibration),
        "against_keras": verdict,
        "accuracy": accuracy,
        "sources": sources_of(run),
        **({"audit": found} if (found := audited(run)) else {}),
        "golden": golden,
    }
    if card["sources"]["elsewhere"]:
        card["notice"] = f"{NOTICE} {card['sources']['elsewhere']}"
    if run.adopted:
        card["notice"] = f"{card['notice']} {ADOPTED}"
    return cast(CardContent, card)


def _output(interpreter: Interpreter) -> dict[str, Any]:
    """Return the card's `output` of a file whose outputs are integers, nothing for the others: no reader of an older version may miss it."""
    dtype = np.dtype(interpreter.outputs[0]["dtype"])
    if dtype == np.float32:
        return {}
    return {"output": {"dtype": dtype.name, "meaning": "scale * (integer - zero_point), both of the tensor"}}


def card_with_outputs(card: CardContent, outputs: Sequence[str]) -> CardContent:
    """Return the card of a file with these outputs: without features there is nothing for the OOD gate to read."""
    kept = card.copy()
    if "features" not in outputs:
        kept.pop("gate", None)
    if "gate" not in kept:
        kept["notice"] = f"{kept['notice']} {NO_OOD_GATE}"
    kept["outputs"] = list(outputs)
    return kept


def out_of_fold_figures(run: Run, variant: Variant) -> dict[str, Any]:
    """Return the figures of a final run for its card: of the networks of the cross-validation, each on images that it did not see.

    Where the folds were converted to this variant, too, they are those of its files, with what these lose to float32.
    """
    keys = ("images", "patients", "accuracy", "subset_accuracy", "hamming_loss", "macro_f1", "weighted_f1", "per_class",
            "per_label", "confusion_matrix", "confusion_matrices", "labels")  # fmt: skip
    metrics: dict[str, Any] = dict(run.read_metrics())
    own = metrics.get("variants", {}).get(variant.name)
    shown = metrics if own is None else own
    kept = {key: shown[key] for key in (*keys, "against_float32") if key in shown}
    runtime = "float networks in Keras" if own is None else f"{variant.name} files"
    return {"side": metrics["measured_on"], "runtime": f"the cross-validation's {runtime}", **kept}


def sources_of(run: Run) -> Sources:
    """Return what a card says about the sources behind its figures: numbers stand for their names, which stay with the run."""
    names = sorted({row["source"] for row in run.splits})
    number = {name: f"source {place}" if name else "unknown" for place, name in enumerate(names, 1)}

    def counted(split: str) -> dict[str, int]:
        return dict(sorted(Counter(number[row["source"]] for row in run.splits if row["split"] == split).items()))

    metrics = run.read_metrics()
    table = source_table(metrics["images_by_class_and_source"])
    return {
        "validation": counted(run.judged_split),
        "test": counted("train" if run.final else "test"),
        "one_source_only": {label: number[name] for label, name in table.one_source_only.items()},
        "elsewhere": metrics["elsewhere"],
    }


def audited(run: Run) -> Audited | None:
    """Return what a card says of the audit of the data, None where there was none; it names no source, file or size."""
    found = run.read_audit()
    if "headline" not in found:
        return None
    return {"images": found["images"], "verdict": found["headline"], "flags": found["flags"]}


def trained_on(run: Run) -> TrainedOn:
    """Return what identifies the run behind a model, and the file that another maker's network came in."""
    found: TrainedOn = {
        "recipe": run.recipe.name,
        "seed": run.recipe.seed,
        "images": sum(row["split"] == "train" for row in run.splits),
        "data_sha256": run.manifest["data_sha256"],
        "splits_sha256": sha256_file(run.splits_file),
        "model_sha256": sha256_file(run.model_file),
    }
    if run.adopted:
        found["adopted"] = run.manifest["adopted"]["sha256"]
    return found


def calibrated_on(variant: Variant, calibration: Calibration) -> CalibratedOn:
    """Return how many calibration images a variant has, and the digest of them all; float variants have none."""
    if variant.arithmetic != "integer":
        return {"images": 0}
    return {"images": len(calibration.images), "sha256": calibration.sha256}


def packed(model: bytes, card: CardContent, run: Run, validation: NDArray[np.uint8]) -> bytes:
    """Return the finished file: the model with metadata, labels, card and golden images inside.

    Args:
        model: without metadata.
        card: as `make_card` returns it, with the names of the model's "outputs"; what the file itself answers is added.
        run: what the model was trained in.
        validation: (n, h, w) uint8, the pixels of the validation images; counts of the answers to them are added.
    """
    network = described_by(card, model)
    images = golden_images(run.recipe.preprocess)
    card = {**card, "network": {"bytes": len(network), "sha256": hashlib.sha256(network).hexdigest()}}

    def file(card: CardContent) -> bytes:
        content = json.dumps(card, separators=(",", ":")).encode()
        return with_files(network, {LABELS_FILE: "\n".join(run.labels).encode(), CARD_FILE: content, **images})

    # A model that gives NaN is refused, but is kept for study: it has no answers.
    if np.isfinite([list(one["scores"].values()) for one in card["golden"]["vectors"]]).all():
        classifier = Classifier(ModelFile(Path(f"{card['variant']}.tflite"), file(card)))
        card["golden"] = with_answers(card["golden"], classifier, images)
        card["reference"] = reference_counts(classifier, validation)
    return file(card)
