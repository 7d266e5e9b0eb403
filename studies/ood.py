"""The OOD gate on real images: what it lets pass, what it refuses (also of a kind it never saw), and what it costs.

    python -m studies.ood DATA --not-cxr FOLDER --weights FILE [--model EDGE.tflite] [--json] [--out results]

The features come from the frozen backbone, so nothing is trained but the gates, on images and their versions as a training does: the one-class gate, the logistic gate, and both
together. Each is tested on the same test images and the same half of the negatives. Then each kind of negative is left out of the
training in turn, and all of it is tested. A negative's kind is its folder, or its name up to the last underscore.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freezenet.edge_runtime.errors import ModelError
from studies.command import (
    StudyCommand,
    data_argument,
    hand_over,
    not_cxr_option,
    numbers,
    result_options,
    seeds_option,
    training_options,
)
from studies.results import mean_and_spread
from studies.tables.markdown import spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from freezenet.edge_runtime.ood import OodGate
    from freezenet.train.ood.versions import VersionFeatures

logger = logging.getLogger(__name__)

#: Kinds with fewer images are not left out in turn.
LEAST_OF_A_KIND = 10
_FIGURES = ("chest_passed", "negatives_refused", "auroc")


def measure(
    data: Path,
    not_cxr: Path,
    *,
    recipe_name: str,
    settings: tuple[str, ...],
    weights: str,
    seeds: list[int],
    other_cxr: Path | None = None,
) -> dict[str, Any]:
    """Return the figures of each gate for each seed of the split, and their mean and spread (JSON types).

    Args:
        data: DATA, the chest X-rays.
        not_cxr: folder of images that are no chest X-rays.
        recipe_name: recipe that says which backbone gives the features.
        settings: changed keys of the recipe, KEY=VALUE.
        weights: imagenet, none, or a file.
        seeds: of the split; each gives a row.
        other_cxr: folder of chest X-rays of another kind than DATA; "other_cxr" of the result holds the share that passes.

    Returns:
        "left_out" holds, for each kind of negative, what the gates trained on the other kinds do with it.
    """
    import numpy as np

    from freezenet.edge_runtime.system.environment import environment
    from freezenet.train.data.dataset import SPLITS
    from freezenet.train.data.images import read_images
    from freezenet.train.data.loading import load
    from freezenet.train.data.split import split
    from freezenet.train.data.training_data import TrainingData
    from freezenet.train.frozen.backbone import backbone_features
    from freezenet.train.frozen.cache import default_cache_folder
    from freezenet.train.network.model import build_model
    from freezenet.train.ood.negatives import all_below, read_negatives, splits_of
    from freezenet.train.ood.versions import version_features
    from freezenet.train.recipes.recipe import load_recipe

    recipe = load_recipe(recipe_name, settings)
    dataset = load(data)
    read = TrainingData.read(dataset, recipe.preprocess)
    others = read_negatives(not_cxr, recipe)
    others.refuse_known(read)
    kinds = np.array([kind_of(sample.file) for sample in others.dataset.samples])
    model = build_model(recipe, dataset.labels, weights)
    logger.info("computing the features of the frozen backbone")
    spec = recipe.preprocess
    features, negatives = (backbone_features(model, one.pixels, spec) for one in (read.images, others.images))
    changed, changed_negatives = (
        version_features(model, one.images, recipe=recipe, cache=default_cache_folder()) for one in (read, others)
    )

    def with_versions(of_images: NDArray, of_versions: VersionFeatures, wanted: NDArray) -> NDArray:
        return np.concatenate([of_images[wanted], of_versions.of(np.flatnonzero(wanted))])

    strange = None
    if other_cxr is not None:
        strange = backbone_features(model, read_images(all_below(other_cxr, "chest"), spec).pixels, spec)
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        splits = split(dataset, recipe.validation_share, recipe.test_share, seed)
        validation, test = (features[splits == one] for one in SPLITS[1:])
        names = read.patients[splits == "test"].tolist()
        taught = splits_of(others.images.hashes, seed) == "train"
        fitted, judged = (with_versions(features, changed, splits == one) for one in SPLITS[:2])
        gates = _gates(fitted, judged, with_versions(negatives, changed_negatives, taught))
        row: dict[str, Any] = {
            "seed": seed,
            "test_images": len(test),
            "gates": _figures(gates, validation, test, names, negatives[~taught]),
            "left_out": {
                kind: _figures(
                    _gates(fitted, judged, with_versions(negatives, changed_negatives, kinds != kind)),
                    validation,
                    test,
                    names,
                    negatives[kinds == kind],
                )
                for kind, count in sorted(Counter(kinds.tolist()).items())
                if LEAST_OF_A_KIND <= count <= len(kinds) - LEAST_OF_A_KIND
            },
        }
        if strange is not None:
            row["other_cxr"] = {
                name: float(np.mean([gate.passes(one) for one in strange])) for name, gate in gates.items()
            }
        rows.append(row)
        logger.info(
            f"seed {seed}: "
            + ", ".join(f"{name} AUROC {one['auroc']['value']:.4f}" for name, one in row["gates"].items())
        )
    result = {
        "data": data.name,
        "weights": Path(weights).name,
        "recipe": recipe.name,
        "seeds": seeds,
        "negatives": dict(sorted(Counter(kinds.tolist()).items())),
        "summary": _summary([row["gates"] for row in rows]),
        "left_out": {kind: _summary([row["left_out"][kind] for row in rows]) for kind in rows[0]["left_out"]},
        "rows": rows,
        "environment": environment(),
    }
    if strange is not None:
        result["other_cxr"] = {
            "images": len(strange),
            **{name: mean_and_spread([row["other_cxr"][name] for row in rows]) for name in rows[0]["other_cxr"]},
        }
    return result


def _gates(train: NDArray, validation: NDArray, taught: NDArray) -> dict[str, OodGate]:
    """Return each gate, fitted on features (n, c) of images and their versions; taught: those of negatives."""
    from freezenet.edge_runtime.ood import BothGates
    from freezenet.train.ood.gates import fit_logistic_gate, fit_one_class_gate

    one_class, logistic = fit_one_class_gate(train, validation), fit_logistic_gate(train, taught, validation)
    return {"one-class": one_class, "logistic": logistic, "both": BothGates((one_class, logistic))}


def _figures(
    gates: dict[str, OodGate], validation: NDArray, test: NDArray, patients: list[str], shown: NDArray
) -> dict[str, Any]:
    """Return the figures of each gate on test images and these negatives."""
    from freezenet.train.ood.choice import measure_ood_gate

    found = {
        name: measure_ood_gate(gate, validation=validation, test=test, patients=patients, negatives=shown)
        for name, gate in gates.items()
    }
    return {name: {key: one[key] for key in _FIGURES} for name, one in found.items()}


def kind_of(file: str) -> str:
    """Return the kind of a negative: the folder that it lies in, or its name up to the last underscore."""
    path = Path(file)
    return path.parent.as_posix() if path.parent.name else path.stem.rpartition("_")[0] or path.stem


def overhead(model: Path, images: list[Path], rounds: int) -> dict[str, Any]:
    """Return median milliseconds of `Classifier.predict` with and without the gate of the card, in turns.

    "ratio" is the median over the turns, which a machine whose speed drifts disturbs least.
    """
    from freezenet.edge_runtime.classifier import Classifier

    classifier = Classifier(model)
    if classifier.rule.gate is None:
        raise ModelError(f"A model with an OOD gate in its card (profile edge) is required. Got: {model.name}.")
    rules = {"without_ms": replace(classifier.rule, gate=None), "with_ms": classifier.rule}
    times: dict[str, list[float]] = {name: [] for name in rules}
    for number in range(-len(images), rounds):
        path = images[number % len(images)]
        # Which comes first changes, because the second finds the file in the processor's cache.
        for name in sorted(rules, reverse=bool(number % 2)):
            classifier.rule = rules[name]
            started = time.perf_counter()
            classifier.predict(path)
            if number >= 0:  # the rounds before warm up
                times[name].append((time.perf_counter() - started) * 1e3)
    return {
        "model": model.name,
        "gate": classifier.card.content["gate"]["kind"],
        **{name: round(statistics.median(found), 4) for name, found in times.items()},
        "ratio": round(statistics.median(a / b for a, b in zip(times["with_ms"], times["without_ms"], strict=True)), 4),
        "rounds": rounds,
    }


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        name: {key: mean_and_spread([row[name][key]["value"] for row in rows]) for key in _FIGURES} for name in rows[0]
    }


@click.command(cls=StudyCommand)
@data_argument
@not_cxr_option(required=True)
@click.option(
    "--other-cxr",
    type=click.Path(exists=True, path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Chest X-rays of another kind than DATA, to see how many pass.",
)
@training_options
@seeds_option
@click.option(
    "--model", type=click.Path(exists=True, path_type=Path), help="A file of the profile edge, to time its OOD gate."
)
@click.option("--rounds", default=400, show_default=True, type=click.IntRange(10), help="Timed images of each way.")
@result_options
def main(data, not_cxr, other_cxr, recipe, settings, weights, seeds, model, rounds, as_json, out) -> None:
    """Measure the one-class gate, the logistic gate and both on images that are no chest X-rays."""
    result = measure(
        data,
        not_cxr,
        recipe_name=recipe,
        settings=settings,
        weights=weights,
        seeds=numbers(seeds),
        other_cxr=other_cxr,
    )
    if model is not None:
        from freezenet.train.data.loading import load

        result["overhead"] = overhead(model, load(data).paths[:50], rounds)
    hand_over(result, f"ood-{data.stem}", _text(result), as_json, out)


def _text(result: dict[str, Any]) -> str:
    lines = ["tested on\tgate\tAUROC\tchest X-rays passed\tother images refused"]
    for kind, summary in (("the held-out half", result["summary"]), *result["left_out"].items()):
        shown = kind if summary is result["summary"] else f"{kind}, never seen in training"
        for name, one in summary.items():
            figures = (spread(one[key], ".4f") for key in ("auroc", "chest_passed", "negatives_refused"))
            lines.append("\t".join([shown, name, *figures]))
    if "other_cxr" in result:
        other = result["other_cxr"]
        lines += [
            f"{other['images']} other chest X-rays\t{name}\tpassed {spread(other[name], '.4f')}"
            for name in result["summary"]
        ]
    if "overhead" in result:
        timed = result["overhead"]
        lines.append(
            f"predict with the gate {timed['with_ms']:.3f} ms, without {timed['without_ms']:.3f} ms, ratio {timed['ratio']:.4f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
