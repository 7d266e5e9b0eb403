"""Which loss, and how much to freeze: a cross-validation of arms that differ in nothing else.

    python -m studies.losses DATA --weights FILE --work DIR --out results
    python -m studies.losses --page       writes docs/losses.md and its picture from results/

The published comparison of the attention loss left open what its weights do, because several things changed together. The arms
here take them apart: weights near .0056 instead of near 1 let Adam's epsilon act 180 times larger, so they are run as published,
scaled to mean 1, and all equal; full fine-tuning is run at both learning rates. All arms meet the same folds and seeds. A killed
study goes on where it was.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from freezenet.train.files import read_json
from freezenet.train.metrics.figure import Figure
from studies.command import BenchmarkCommand
from studies.results import write_result
from studies.tables.pages import ROOT, begin_mark, rewrite_page, with_part

PAGE = "docs/losses.md"
PICTURE = "docs/losses.png"
BEGIN = begin_mark("python -m studies.losses --page")

_PUBLISHED = {"COVID": 0.00525, "Lung_Opacity": 0.00579, "Normal": 0.00566, "Viral_Pneumonia": 0.00513}
_SCALED = {label: round(weight / float(np.mean(list(_PUBLISHED.values()))), 5) for label, weight in _PUBLISHED.items()}
#: What each arm changes of the recipe, and what it is, for the table.
LOSSES: dict[str, tuple[dict[str, Any], str]] = {
    "cross-entropy": ({"loss": "cross-entropy"}, "all classes alike"),
    "attention": ({"loss": "attention"}, "weights from the training split's statistics, mean 1"),
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
    data: Path, recipe: str, settings: tuple[str, ...], folds: int, seeds: int, weights: str, work: Path
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


def page_with_tables(page: str, results: Path) -> str:
    """Return the page's text with its tables made anew from the files in `results`."""
    return with_part(page, BEGIN, "".join(_tables(read_json(path)) for path in sorted(results.glob("losses-*.json"))))


def _tables(result: dict[str, Any]) -> str:
    seeds = len(result["losses"]["seeds"])
    settings = "".join(f" --set {setting}" for setting in result["settings"])
    lines = [
        f"`python -m studies.losses {result['data']} --weights {result['weights']}{settings} --seeds {seeds} --work DIR --out "
        f"results`: {result['losses']['folds']} folds, whole patients, mean ± standard deviation over all trainings of an arm. The "
        f"smallest class is {result['losses']['smallest_class']}.",
        "",
    ]
    for part in ("losses", "freezing"):
        table = result[part]
        figures = list(table["comparisons"])
        headings = " | ".join(figure.replace("macro_f1", "macro-F1") for figure in figures)
        lines += [
            f"| arm | what | trainings | {headings} |",
            "|---|---|---|" + "---|" * len(figures),
        ]
        for arm, found in table["recipes"].items():
            shown = " | ".join(f"{found[name]['mean']:.3f} ± {found[name]['sd']:.3f}" for name in figures)
            lines.append(f"| {arm} | {result['arms'][arm]} | {found['trainings']} | {shown} |")
        lines += [
            "",
            "Against plain cross-entropy (mean difference, 95 % interval, p and p adjusted for all pairs, Nadeau-Bengio):",
            "",
            f"| arm | {headings} |",
            "|---|" + "---|" * len(figures),
        ]
        for arm in table["recipes"]:
            if arm != "cross-entropy":
                cells = [_against(table["comparisons"][figure], arm) for figure in figures]
                lines.append(f"| {arm} | {' | '.join(cells)} |")
        lines.append("")
    lines += [
        "Calibration error of all tested images together, each with the temperature of its own fold, beside what a calibrated model "
        "would show on as many (a little too low with several seeds, which test the same images); and accuracy where the least sure "
        "tenth is not answered:",
        "",
        "| arm | before scaling | after | if calibrated | accuracy | of the surest 90 % |",
        "|---|---|---|---|---|---|",
    ]
    for arm, found in {**result["freezing"]["recipes"], **result["losses"]["recipes"]}.items():
        sure = found["confidence"]
        before, after, surest = (Figure(**sure[key]) for key in ("ece_before", "ece_after", "accuracy_at_90_coverage"))
        lines.append(
            f"| {arm} | {before} | {after} | {sure['ece_if_calibrated']:.3f} | {found['accuracy']['mean']:.3f} | {surest} |"
        )
    return "\n".join([*lines, ""])


def _against(comparisons: list[dict[str, Any]], arm: str) -> str:
    one = next(one for one in comparisons if {one["recipe"], one["other"]} == {"cross-entropy", arm})
    sign = 1 if one["recipe"] == arm else -1
    value, low, high = (sign * one["difference"][key] for key in ("value", "low", "high"))
    return f"{value:+.3f} [{min(low, high):+.3f}, {max(low, high):+.3f}], p {one['p']:.3f}, {one['p_adjusted']:.2f}"


@click.command(cls=BenchmarkCommand)
@click.argument("data", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--recipe", default="mobile-freezenet", show_default=True, metavar="NAME|FILE")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one key for all arms.")
@click.option("--folds", default=5, show_default=True, type=click.IntRange(2))
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--weights", default="imagenet", show_default=True, metavar="imagenet|none|FILE")
@click.option("--work", type=click.Path(path_type=Path), help="Folder for the folds.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the result file.")
@click.option("--page", is_flag=True, help=f"Write {PAGE} from results/ instead of training.")
def main(data, recipe, settings, folds, seeds, weights, work, out, page) -> None:
    """Compare losses, and freezing with full fine-tuning, by cross-validation; write JSON to stdout and into OUT."""
    if page:
        from freezenet.train.crossval.table import write_picture

        rewrite_page(PAGE, page_with_tables)
        write_picture(read_json(next(iter((ROOT / "results").glob("losses-*.json"))))["losses"], ROOT / PICTURE)
        return
    if data is None or work is None:
        raise click.UsageError("DATA and --work are required, or --page.")
    result = study(data, recipe, settings, folds, seeds, weights, work)
    if out is not None:
        write_result(out, f"losses-{data.stem}", result)
    click.echo(json.dumps(result))


if __name__ == "__main__":
    main()
