"""The verbs `train` and `recipes`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from freezenet.edge_runtime.names import counted
from freezenet.train.options import (
    json_option,
    out_option,
    recipe_options,
    set_option,
    training_options_with_negatives,
)


@click.command()
@click.argument("data", type=click.Path())
@out_option("RUN")
@recipe_options
@training_options_with_negatives
@click.option(
    "--final",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="CROSSVAL",
    help="Train the best recipe of this finished cross-validation on all images; its answers choose and judge.",
)
@click.option("--distill", is_flag=True, help="With --final: also learn from the answers of the cross-validation.")
@json_option
@click.pass_context
def train(context, data, out, recipe, options, final, distill, as_json) -> None:
    """Train a recipe on DATA: a folder of class folders, or a CSV (file,class[,patient_id,source,split]).

    A killed run goes on when the same command is given again.
    """
    from freezenet.train.quiet import quiet

    if distill and final is None:
        raise click.UsageError("--distill needs --final CROSSVAL.")
    if final is not None and context.get_parameter_source("recipe") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--final takes the recipe of the cross-validation: leave --recipe out.")
    with quiet():
        from freezenet.train.crossval.plan_file import weights_of
        from freezenet.train.final.training import train_final
        from freezenet.train.recipes.recipe import parsed_setting
        from freezenet.train.training import train as run

    if final is None:
        metrics = run(data, out, recipe=recipe, options=options)
    else:
        if context.get_parameter_source("weights") is ParameterSource.DEFAULT:
            options = replace(options, weights=weights_of(final))
        settings = dict(map(parsed_setting, context.params["settings"]))
        settings.pop("seed", None)
        metrics = train_final(
            data, out, crossval=final, options=options, seed=recipe.seed, distill=distill, settings=settings
        )
    if as_json:
        click.echo(json.dumps(metrics))
        return
    measured = "test split" if final is None else "out-of-fold answers of the cross-validation"
    click.echo(
        f"{measured}\t{counted(metrics['images'], 'image')}\tof {counted(metrics['patients'], 'patient')}; [ ] is the 95 % interval"
    )
    chosen, sure, gate = metrics["confidence"], metrics["confidence"]["test"], metrics["gate"]
    figures: list[tuple[str, dict[str, float]]] = [
        (name, metrics[name]) for name in ("accuracy", "macro_f1", "hamming_loss") if name in metrics
    ]
    figures += [
        ("calibration error, unscaled", sure["ece_before"]),
        (
            f"calibration error at temperature {chosen['temperature']:g} (chance alone would show {sure['ece_if_calibrated']:.3f})",
            sure["ece_after"],
        ),
        (f"share of images answered (confidence of {_least(chosen)} or more)", sure["coverage"]),
        ("accuracy of these answers", sure["accuracy_answered"]),
        ("share of images that pass the OOD gate", gate["chest_passed"]),
    ]
    if "negatives" in gate:
        figures.append((f"share of {gate['negatives']} non-chest images that it refuses", gate["negatives_refused"]))
    for name, figure in figures:
        click.echo(f"{name}\t{_shown(figure)}")
    for source, one in chosen.get("left_out", {}).items():
        click.echo(f"answered of {counted(one['images'], 'image')} of {source}, left out\t{_shown(one['answered'])}")
        click.echo(f"accuracy of these answers\t{_shown(one['accuracy_answered'])}")
    for label, one in metrics["per_class"].items():
        click.echo(f"recall {label}\t{_shown(one['recall'])}\tof {one['support']}")
    for label, threshold in metrics.get("thresholds", {}).items():
        click.echo(f"threshold {label}\t{threshold:.4f}")
    if metrics["elsewhere"]:
        click.echo(metrics["elsewhere"])


def _least(chosen: dict[str, Any]) -> str:
    """Return the least confidence of an answer, of each class where each has its own."""
    own = chosen.get("abstain_below_class")
    if not own:
        return f"{chosen['abstain_below']:.3f}"
    return ", ".join(f"{least:.3f} for {label}" for label, least in own.items())


def _shown(figure: dict[str, float]) -> str:
    return f"{figure['value']:.4f}\t[{figure['low']:.4f}, {figure['high']:.4f}]"


@click.command()
@click.argument("name", required=False, metavar="[NAME|FILE]")
@set_option
@json_option
def recipes(name, settings, as_json) -> None:
    """List the recipes, or write the one called NAME as TOML: every key, defaults included.

    Start your own recipe with: freezenet recipes NAME > mine.toml, and train it with --recipe mine.toml.
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
