"""The chest gate on real images: what it lets pass, what it refuses, also of a kind that it was never shown, and what it costs.

    python -m studies.ood DATA --not-cxr FOLDER --weights FILE [--model EDGE.tflite] [--json] [--out results]

The features come from the frozen trunk, so nothing is trained but the gates: the one-class gate, the logistic gate, and both
together. Each meets the same test images and the same half of the negatives. Then each kind of negative is left out of the
teaching in turn and all of it is shown. A negative's kind is its folder, or its name up to the last underscore.
"""

from __future__ import annotations

import json
import logging
import statistics
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freezenet.edge_runtime.errors import FreezenetError
from studies.command import BenchmarkCommand
from studies.results import mean_and_spread, write_result

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from freezenet.edge_runtime.ood import OodGate

logger = logging.getLogger(__name__)

#: Kinds with fewer images are not left out in turn.
LEAST_OF_A_KIND = 10
_FIGURES = ("chest_passed", "negatives_refused", "auroc")


def measure(
    data: Path,
    not_cxr: Path,
    recipe_name: str,
    settings: tuple[str, ...],
    weights: str,
    seeds: list[int],
    other_cxr: Path | None = None,
) -> dict[str, Any]:
    """Return the figures of each gate for each seed of the split, and their mean and spread (JSON types).

    "left_out" holds, for each kind of negative, what the gates taught by the other kinds do with it. other_cxr: folder of
    chest X-rays of another kind than DATA; "other_cxr" holds the share that passes.
    """
    import numpy as np

    from freezenet.edge_runtime.system.environment import environment
    from freezenet.train.data.dataset import SPLITS
    from freezenet.train.data.images import read_images
    from freezenet.train.data.loading import load
    from freezenet.train.data.split import split
    from freezenet.train.data.training_data import TrainingData
    from freezenet.train.frozen.backbone import backbone_features
    from freezenet.train.network.model import build_model
    from freezenet.train.ood.negatives import all_below, read_negatives, splits_of
    from freezenet.train.recipes.recipe import load_recipe

    recipe = load_recipe(recipe_name, settings)
    dataset = load(data)
    read = TrainingData.read(dataset, recipe.preprocess)
    others = read_negatives(not_cxr, recipe)
    others.refuse_known(read)
    kinds = np.array([kind_of(sample.file) for sample in others.dataset.samples])
    model = build_model(recipe, dataset.labels, weights)
    logger.info("computing the trunk's features")
    spec = recipe.preprocess
    features, negatives = (backbone_features(model, one.pixels, spec) for one in (read.images, others.images))
    strange = None
    if other_cxr is not None:
        strange = backbone_features(model, read_images(all_below(other_cxr, "chest"), spec).pixels, spec)
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        splits = split(dataset, recipe.validation_share, recipe.test_share, seed)
        train, validation, test = (features[splits == one] for one in SPLITS)
        names = read.patients[splits == "test"].tolist()
        taught = splits_of(others.images.hashes, seed) == "train"
        gates = _gates(train, validation, negatives[taught])
        row: dict[str, Any] = {
            "seed": seed,
            "test_images": len(test),
            "gates": _figures(gates, validation, test, names, negatives[~taught]),
            "left_out": {
                kind: _figures(
                    _gates(train, validation, negatives[kinds != kind]),
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
    """Return each gate, fitted on features (n, c); taught: those of negatives."""
    from freezenet.edge_runtime.ood import BothGates
    from freezenet.train.ood.gates import fit_logistic_gate, fit_one_class_gate

    one_class, logistic = fit_one_class_gate(train, validation), fit_logistic_gate(train, taught, validation)
    return {"one-class": one_class, "logistic": logistic, "both": BothGates((one_class, logistic))}


def _figures(
    gates: dict[str, OodGate], validation: NDArray, test: NDArray, patients: list[str], shown: NDArray
) -> dict[str, Any]:
    """Return the figures of each gate on test images and the negatives shown."""
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
        raise FreezenetError(f"A model with a gate in its card (profile edge) is required. Got: {model.name}.")
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


@click.command(cls=BenchmarkCommand)
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--not-cxr", required=True, type=click.Path(exists=True, path_type=Path, file_okay=False), metavar="FOLDER"
)
@click.option(
    "--other-cxr",
    type=click.Path(exists=True, path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Chest X-rays of another kind than DATA, to see how many pass.",
)
@click.option("--recipe", default="mobile-freezenet", show_default=True, metavar="NAME|FILE")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one key of the recipe.")
@click.option("--weights", default="imagenet", show_default=True, metavar="imagenet|none|FILE")
@click.option("--seeds", default="0,1,2", show_default=True, metavar="LIST")
@click.option("--model", type=click.Path(exists=True, path_type=Path), help="An edge file with a gate, to be timed.")
@click.option("--rounds", default=400, show_default=True, type=click.IntRange(10), help="Timed images of each way.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the result file.")
def main(data, not_cxr, other_cxr, recipe, settings, weights, seeds, model, rounds, as_json, out) -> None:
    """Measure the one-class gate, the logistic gate and both on images that are no chest X-rays."""
    result = measure(data, not_cxr, recipe, settings, weights, [int(seed) for seed in seeds.split(",")], other_cxr)
    if model is not None:
        from freezenet.train.data.loading import load

        result["overhead"] = overhead(model, load(data).paths[:50], rounds)
    if out is not None:
        write_result(out, f"gate-{data.stem}", result)
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo("negatives\tgate\tAUROC\tchest X-rays passed\tnegatives refused")
    for shown, summary in (("the other half", result["summary"]), *result["left_out"].items()):
        for name, one in summary.items():
            figures = (f"{one[key]['mean']:.4f} ± {one[key]['sd']:.4f}" for key in ("auroc", *_FIGURES[:2]))
            click.echo("\t".join([shown if shown == "the other half" else f"{shown}, never shown", name, *figures]))
    for name in ("one-class", "logistic", "both") if other_cxr is not None else ():
        passed = result["other_cxr"][name]
        click.echo(
            f"{result['other_cxr']['images']} other chest X-rays\t{name}\tpassed {passed['mean']:.4f} ± {passed['sd']:.4f}"
        )
    if model is not None:
        timed = result["overhead"]
        click.echo(
            f"predict with the gate {timed['with_ms']:.3f} ms, without {timed['without_ms']:.3f} ms, ratio {timed['ratio']:.4f}"
        )


if __name__ == "__main__":
    main()
