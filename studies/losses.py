"""Which loss, and how much to freeze: a cross-validation of arms that differ in nothing else.

    python -m studies.losses DATA --weights FILE --work DIR --out results

The published comparison of the attention loss left open what its weights do, because several things changed together. The arms
here take them apart: weights near .0056 instead of near 1 let Adam's epsilon act 180 times larger, so they are run as published,
scaled to mean 1, and all equal; full fine-tuning is run at both learning rates. All arms meet the same folds and seeds. A killed
study goes on where it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from studies.command import StudyCommand, data_argument, hand_over, result_options, training_options
from studies.tables.losses_page import losses_section

_PUBLISHED = {"COVID": 0.00525, "Lung_Opacity": 0.00579, "Normal": 0.00566, "Viral_Pneumonia": 0.00513}
_SCALED = {label: round(weight / float(np.mean(list(_PUBLISHED.values()))), 5) for label, weight in _PUBLISHED.items()}
#: What each arm changes of the recipe, and what it is, for the table.
LOSSES: dict[str, tuple[dict[str, Any], str]] = {
    "cross-entropy": ({"loss": "cross-entropy"}, "all classes alike"),
    "attention": ({"loss": "attention"}, "weights from statistics of the training split, mean 1"),
    "attention-published": ({"attention_weights": _PUBLISHED}, "the published weights, near .0056"),
    "attention-scaled": ({"attention_weights": _SCALED}, "the published weights, scaled to mean 1"),
    "uniform-.0056": ({"attention_weights": dict.fromkeys(_PUBLISHED, 0.00559)}, "all weights .00559"),
    "focal": ({"loss": "focal"}, "gamma 2, without alpha"),
    "inverse-frequency": ({"loss": "inverse-frequency"}, "weights N / (C N_c)"),
}
_FULL: dict[str, Any] = {"loss": "cross-entropy", "freeze_fraction": 0.0, "cache": "none"}
FREEZING: dict[str, tuple[dict[str, Any], str]] = {
    "cross-entropy": LOSSES["cross-entropy"],
    "full-1e-4": ({**_FULL, "learning_rate": 1e-4}, "nothing frozen, learning rate 1e-4"),
    "full-1e-5": ({**_FULL, "learning_rate": 1e-5}, "nothing frozen, learning rate 1e-5"),
}


def study(
    data: Path, recipe: str, *, settings: tuple[str, ...], folds: int, seeds: int, weights: str, work: Path
) -> dict[str, Any]:
    """Cross-validate all losses over `seeds` seeds and the arms of freezing with one; return both tables (JSON types)."""
    from freezenet.train.crossval.plan import CrossValidation
    from freezenet.train.crossval.validation import cross_validate, in_this_process, read_data_by_arm
    from freezenet.train.options import TrainingOptions
    from freezenet.train.recipes.recipe import load_recipe

    base = load_recipe(recipe, settings)

    everything = {
        name: base.with_settings({**changes, "name": name}) for name, (changes, _) in {**LOSSES, **FREEZING}.items()
    }
    by_arm = read_data_by_arm(data, everything)
    options = TrainingOptions(weights, work / "cache")

    def compare(arms: dict[str, tuple[dict[str, Any], str]], count: int) -> dict[str, Any]:
        recipes = {name: everything[name] for name in arms}
        asked = CrossValidation(data, recipes, folds, tuple(range(count)), options)
        return cross_validate(asked, work / "folds", data=by_arm, engine=in_this_process)

    compare(LOSSES, 1)  # all arms once, before any of them again
    freezing = compare(FREEZING, 1)
    losses = compare(LOSSES, seeds)
    return {
        "data": data.name,
        "weights": Path(weights).name,
        "recipe": recipe,
        "settings": list(settings),
        "arms": {name: about for name, (_, about) in {**LOSSES, **FREEZING}.items()},
        "losses": losses,
        "freezing": freezing,
        "environment": losses["environment"],
    }


@click.command(cls=StudyCommand)
@data_argument
@training_options
@click.option("--folds", default=5, show_default=True, type=click.IntRange(2), help="Folds of each seed.")
@click.option(
    "--seeds", default=3, show_default=True, type=click.IntRange(1), help="How often the losses are cross-validated."
)
@click.option("--work", required=True, type=click.Path(path_type=Path), help="Folder for the folds.")
@result_options
def main(data, recipe, settings, folds, seeds, weights, work, as_json, out) -> None:
    """Compare losses, and freezing with full fine-tuning, by cross-validation."""
    result = study(data, recipe, settings=settings, folds=folds, seeds=seeds, weights=weights, work=work)
    hand_over(result, f"losses-{data.stem}", losses_section(result), as_json, out)


if __name__ == "__main__":
    main()
