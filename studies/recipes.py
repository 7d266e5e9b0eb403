"""Recipes over seeds: train, convert and compare each, and write the mean and spread of the test figures.

    python -m studies.recipes DATA --weights FILE --work DIR --out results

An arm is a recipe, or a recipe with changed keys: `mobile-freezenet+pooling=max+batch_size=8`. Arms meet the same split
for the same seed. A study that was killed goes on where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from freezenet.convert.cli import variants_option
from freezenet.convert.variants import known_variants
from freezenet.train.options import weights_option
from studies.command import (
    StudyCommand,
    data_argument,
    hand_over,
    numbers,
    result_options,
    seeds_option,
)
from studies.results import mean_and_spread
from studies.tables.markdown import spread

logger = logging.getLogger(__name__)


def study(
    data: Path, arms: list[str], *, seeds: list[int], weights: str, work: Path, variants: Sequence[str]
) -> dict[str, Any]:
    """Run each arm with each seed in `work`/<arm>-<seed> and return all figures with their means (JSON types)."""
    from freezenet.benchmarks.compare import compare
    from freezenet.convert.folder import ModelsFolder
    from freezenet.convert.models import convert
    from freezenet.convert.options import ConvertOptions
    from freezenet.edge_runtime.system.environment import environment
    from freezenet.train.options import TrainingOptions
    from freezenet.train.recipes.recipe import load_recipe
    from freezenet.train.run_folder import RunFolder
    from freezenet.train.training import train

    rows = []
    for arm in arms:
        recipe, *settings = arm.split("+")
        for seed in seeds:
            home = work / f"{arm}-{seed}"
            run = RunFolder(home / "run")
            logger.info(f"{arm}, seed {seed}")
            if not run.finished:
                of_seed = load_recipe(recipe, (*settings, f"seed={seed}"))
                train(data, run.folder, recipe=of_seed, options=TrainingOptions(weights, work / "cache"))
            models = ModelsFolder(home / "models")
            if not models.finished:
                # Refused variants count too: what is left out would flatter the means.
                convert(run.folder, models.path, options=ConvertOptions(variants=tuple(variants), acceptance=False))
            metrics = run.read_metrics()
            comparison = compare(models.path, data=data)
            row = {
                "arm": arm,
                "seed": seed,
                "epochs": metrics["epochs"],
                "fit_seconds": metrics["seconds"]["fit"],
                "validation_accuracy": metrics["validation"]["accuracy"]["value"],
                "validation_macro_f1": metrics["validation"]["macro_f1"]["value"],
                "refused": _refusals(models.conversion()),
            }
            for name, one in comparison["variants"].items():
                row |= {
                    f"{name}_accuracy": one["accuracy"]["value"],
                    f"{name}_macro_f1": one["macro_f1"]["value"],
                    f"{name}_recall": {
                        label: figures["recall"]["value"] for label, figures in one["per_class"].items()
                    },
                    f"{name}_bytes": one["bytes"],
                    f"{name}_flipped": len(one.get("flipped", [])),
                }
            row["test_images"] = comparison["images"]
            rows.append(row)
    return {
        "data": data.name,
        "weights": Path(weights).name,
        "seeds": seeds,
        "variants": list(variants),
        "summary": {arm: _summary([row for row in rows if row["arm"] == arm]) for arm in arms},
        "rows": rows,
        "environment": environment(),
    }


def _refusals(conversion: Mapping[str, Any]) -> dict[str, str]:
    """Return why acceptance would have refused a variant, for each that it would."""
    verdicts = {name: one["against_keras"]["refused"] for name, one in conversion["variants"].items()}
    return conversion["refused"] | {name: reason for name, reason in verdicts.items() if reason}


def _summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over seeds of every figure that is a number in all rows."""
    names = [
        name
        for name in rows[0]
        if name not in ("seed",) and all(isinstance(row.get(name), (int, float)) for row in rows)
    ]
    return {name: mean_and_spread([row[name] for row in rows]) for name in names}


@click.command(cls=StudyCommand)
@data_argument
@click.option(
    "--arms",
    default="mobile-freezenet,mobile-freezenet-2023",
    show_default=True,
    metavar="LIST",
    help="Recipes, with changed keys behind +.",
)
@seeds_option
@weights_option
@variants_option
@click.option("--work", required=True, type=click.Path(path_type=Path), help="Folder for runs and models.")
@result_options
@click.option("--name", default="recipes", show_default=True, help="First word of the result file's name.")
def main(data, arms, seeds, weights, variants, work, as_json, out, name) -> None:
    """Train, convert and compare recipes over several seeds."""
    chosen = [arm.strip() for arm in arms.split(",")]
    result = study(data, chosen, seeds=numbers(seeds), weights=weights, work=work, variants=known_variants(variants))
    hand_over(result, f"{name}-{data.stem}", _table(result), as_json, out)


def _table(result: dict[str, Any]) -> str:
    """Return a line for each arm and variant: accuracy and macro-F1."""
    return "\n".join(
        f"{arm}\t{name}\taccuracy {spread(one[f'{name}_accuracy'])}\tmacro-F1 {spread(one[f'{name}_macro_f1'])}"
        for arm, one in result["summary"].items()
        for name in result["variants"]
        if f"{name}_macro_f1" in one
    )


if __name__ == "__main__":
    main()
