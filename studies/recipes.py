"""Recipes over seeds: train, convert and compare each, and write the mean and spread of the test figures.

    python -m studies.recipes DATA --weights FILE --work DIR --out results

An arm is a recipe, or a recipe with changed keys: `mobile-freezenet+pooling=max+batch_size=8`. Arms meet the same split
for the same seed. A study that was killed goes on where it was.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import click

from freezenet.convert.cli import variants_option
from freezenet.convert.variants import known_variants
from studies.command import BenchmarkCommand
from studies.results import mean_and_spread, write_result

logger = logging.getLogger(__name__)


def study(
    data: Path, arms: list[str], seeds: list[int], weights: str, work: Path, variants: list[str]
) -> dict[str, Any]:
    """Run each arm with each seed in `work`/<arm>-<seed> and return all figures with their means (JSON types)."""
    from freezenet.benchmarks.compare import compare
    from freezenet.convert.models import FINISHED as CONVERTED
    from freezenet.convert.models import convert
    from freezenet.edge_runtime.system.environment import environment
    from freezenet.train.files import read_json
    from freezenet.train.options import TrainingOptions
    from freezenet.train.recipes.recipe import load_recipe
    from freezenet.train.run import Run
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
            if not (home / "models" / CONVERTED).is_file():
                # Refused variants count too: what is left out would flatter the means.
                convert(Run.open(run.folder), home / "models", variants, gate=False)
            metrics = run.read_metrics()
            comparison = compare(home / "models", data)
            row = {
                "arm": arm,
                "seed": seed,
                "epochs": metrics["epochs"],
                "fit_seconds": metrics["seconds"]["fit"],
                "validation_accuracy": metrics["validation"]["accuracy"]["value"],
                "validation_macro_f1": metrics["validation"]["macro_f1"]["value"],
                "refused": _refusals(read_json(home / "models" / CONVERTED)),
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
        "variants": variants,
        "summary": {arm: _summary([row for row in rows if row["arm"] == arm]) for arm in arms},
        "rows": rows,
        "environment": environment(),
    }


def _refusals(conversion: dict[str, Any]) -> dict[str, str]:
    """Return why the gate would have kept a variant back, for each of which it would."""
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


@click.command(cls=BenchmarkCommand)
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--arms", default="mobile-freezenet,mobile-freezenet-2023", show_default=True, metavar="LIST")
@click.option("--seeds", default="0,1,2", show_default=True, metavar="LIST")
@click.option("--weights", default="imagenet", show_default=True, metavar="imagenet|none|FILE")
@variants_option
@click.option("--work", required=True, type=click.Path(path_type=Path), help="Folder for runs and models.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the result file.")
@click.option("--name", default="recipes", show_default=True, help="First word of the result file's name.")
def main(data, arms, seeds, weights, variants, work, out, name) -> None:
    """Train, convert and compare recipes over seeds; write the figures as JSON to stdout and into OUT."""
    chosen = [arm.strip() for arm in arms.split(",")]
    result = study(data, chosen, [int(seed) for seed in seeds.split(",")], weights, work, known_variants(variants))
    if out is not None:
        write_result(out, f"{name}-{data.stem}", result)
    click.echo(json.dumps(result))


if __name__ == "__main__":
    main()
