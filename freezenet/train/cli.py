"""The verbs `train` and `recipes`."""

from __future__ import annotations

import json
from pathlib import Path

import click

recipe_option = click.option(
    "--recipe", default="mobile-freezenet", show_default=True, metavar="NAME|FILE", help="A recipe's name or TOML file."
)
set_option = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one key of the recipe; may be repeated."
)
weights_option = click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    metavar="imagenet|none|FILE",
    help="Start from Keras' ImageNet weights (downloaded once), random ones, or a file of Keras (.h5, .keras).",
)
cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the frozen-half cache; default: the user's.",
)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace the results in the output folder.")
skip_option = click.option(
    "--skip-unreadable", is_flag=True, help="Leave out images that cannot be read, and name them."
)
not_cxr_option = click.option(
    "--not-cxr",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Images that are no chest X-rays: half of them teach the gate, half test it.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write the results as JSON to stdout.")


@click.command()
@click.argument("data", type=click.Path())
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="RUN", help="Folder for the results.")
@recipe_option
@set_option
@weights_option
@cache_option
@overwrite_option
@skip_option
@not_cxr_option
@json_option
def train(data, out, recipe, settings, weights, cache, overwrite, skip_unreadable, not_cxr, as_json) -> None:
    """Train a recipe on DATA: a folder of class folders, or a CSV (file,class[,patient_id,source,split]).

    A killed run goes on when the same command is given again.
    """
    from freezenet.train.quiet import quiet
    from freezenet.train.recipes.recipe import load_recipe

    resolved = load_recipe(recipe, settings)  # a mistake is told before TensorFlow has started
    with quiet():
        from freezenet.train.training import train as run

    metrics = run(data, out, resolved, weights, cache, overwrite, skip_unreadable, not_cxr)
    if as_json:
        click.echo(json.dumps(metrics))
        return
    click.echo(f"test side\t{metrics['images']} images\tof {metrics['patients']} patients; [ ] is the 95 % interval")
    for name in ("accuracy", "macro_f1", "hamming_loss"):
        if name in metrics:
            figure = metrics[name]
            click.echo(f"{name}\t{figure['value']:.4f}\t[{figure['low']:.4f}, {figure['high']:.4f}]")
    chosen, sure, gate = metrics["confidence"], metrics["confidence"]["test"], metrics["gate"]
    figures = [
        ("calibration error, unscaled", sure["ece_before"]),
        (
            f"calibration error at temperature {chosen['temperature']:g} (chance alone would show {sure['ece_if_calibrated']:.3f})",
            sure["ece_after"],
        ),
        (f"share of images answered (confidence of {chosen['abstain_below']:.3f} or more)", sure["coverage"]),
        ("accuracy of these answers", sure["accuracy_answered"]),
        ("share of images that pass the chest gate", gate["chest_passed"]),
    ]
    if "negatives" in gate:
        figures.append((f"share of {gate['negatives']} non-chest images that it refuses", gate["negatives_refused"]))
    for name, figure in figures:
        click.echo(f"{name}\t{figure['value']:.4f}\t[{figure['low']:.4f}, {figure['high']:.4f}]")
    for label, figures in metrics["per_class"].items():
        shown = figures["recall"]
        click.echo(
            f"recall {label}\t{shown['value']:.4f}\t[{shown['low']:.4f}, {shown['high']:.4f}]\tof {figures['support']}"
        )
    for label, threshold in metrics.get("thresholds", {}).items():
        click.echo(f"threshold {label}\t{threshold:.4f}")


@click.command()
@click.argument("name", required=False, metavar="[NAME|FILE]")
@set_option
@json_option
def recipes(name, settings, as_json) -> None:
    """List the recipes, or write the one called NAME as TOML: every key, also those at their default.

    A recipe of one's own begins with: freezenet recipes NAME > mine.toml, and is trained with --recipe mine.toml.
    """
    from dataclasses import asdict

    from freezenet.train.recipes.recipe import load_recipe, recipe_names

    if name is not None:
        recipe = load_recipe(name, settings)
        click.echo(json.dumps(asdict(recipe)) if as_json else recipe.to_toml(), nl=as_json)
        return
    if settings:
        raise click.UsageError("--set changes one recipe: name it.")
    rows = [{key: getattr(load_recipe(one), key) for key in ("name", "summary", "source")} for one in recipe_names()]
    if as_json:
        click.echo(json.dumps(rows))
        return
    widths = {key: max(len(row[key]) for row in rows) for key in rows[0]}
    for row in rows:
        click.echo("  ".join(row[key].ljust(widths[key]) for key in row).rstrip())
