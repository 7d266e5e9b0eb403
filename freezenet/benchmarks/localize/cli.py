"""The verb localize."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import click

from freezenet.benchmarks.cli import run_option
from freezenet.edge_runtime.options import json_option, threads_option

logger = logging.getLogger(__name__)


def _costs(context: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, float]:
    from freezenet.benchmarks.localize.figures import COSTS

    found = {}
    for one in (part for text in texts for part in text.split(",")):
        name, _, value = one.partition(":")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise click.BadParameter(f"Costs such as missed:500,alarm:20,person:5 are required. Got: {one}.") from None
        if name.strip() not in COSTS or not 0 <= found[name.strip()] < float("inf"):
            raise click.BadParameter(f"Costs of {', '.join(COSTS)}, 0 or more, are required. Got: {one}.")
    return found


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--target",
    "targets",
    multiple=True,
    required=True,
    metavar="TARGET",
    help="sensitivity=0.95:CLASS, risk=0.02 (share of wrong answers) or prevalence=CLASS:0.01,...; may be repeated.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="NEW.tflite", help="The new model file."
)
@click.option(
    "--page", type=click.Path(path_type=Path, dir_okay=False), metavar="PAGE.html", help="A page to read and print."
)
@click.option(
    "--cost",
    "costs",
    multiple=True,
    callback=_costs,
    metavar="KIND:COST,...",
    help="What one costs in your money: missed, alarm (a false one), person (an image that a person has to read).",
)
@run_option
@threads_option
@click.option("--overwrite", is_flag=True, help="Replace the files that are there.")
@json_option
def localize(model, data, targets, out, page, costs, run, threads, overwrite, as_json) -> None:
    """Choose thresholds for one clinic from its own labelled images, without touching a weight.

    DATA are images that the model was not trained on, with the truth about them; 150 are enough for a first answer. Temperature, bias and thresholds
    go into the card of a new file. The figures are of rules that were chosen on other patients than those that they are shown for.
    """
    from freezenet.benchmarks.localize.localize import LocalizeOptions
    from freezenet.benchmarks.localize.localize import localize as run_localize
    from freezenet.train.tables import print_table

    options = LocalizeOptions(targets, out, page, costs, run, threads, overwrite)
    result = run_localize(model, data, options=options)
    if result["elsewhere"]:
        logger.warning(result["elsewhere"])
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(
        f"{result['model']} on {result['images']} images of {result['patients']} patients; targets {', '.join(result['targets'])}"
    )
    for line in promise_lines(result):
        click.echo(line)
    print_table(("of 1,000 images", "as it was", "localized"), _rows(result))
    for key in ("out", "page"):
        if key in result:
            click.echo(f"wrote {result[key]}")


def promise_lines(result: dict[str, Any]) -> list[str]:
    """Return what can be said of the sensitivity, none where none was asked for."""
    one = result["promise"]
    if one is None:
        return []
    more = (
        f"{one['more_patients']} more patients with {one['label']} (about {one['more_images']} images) would bring its low end to {one['target'] - one['within']:.2f}"
        if one["more_patients"]
        else "more images are not needed for this"
    )
    return [
        f"sensitivity for {one['label']}: aimed at {one['target']:.2f}, with 95 % between {one['low']:.3f} and {one['high']:.3f} ({one['found']} of "
        f"{one['patients']} patients found); {more}"
    ]


def _rows(result: dict[str, Any]) -> list[list[str]]:
    from freezenet.benchmarks.localize.page import count, percent

    before, after = result["before"], result["after"]
    rows = [
        [name, count(before[name]), count(after[name])]
        for name in ("answered", "right", "wrong", "uncertain", "refused")
    ]
    for label, one in after["classes"].items():
        if one["images"]:
            for name in ("yield", "alarms", "missed"):
                rows.append([f"{label}: {name}", count(before["classes"][label][name]), count(one[name])])
    rows.append(["wrong, of what is answered", percent(before["risk"]), percent(after["risk"])])
    rows.append(["calibration error", f"{before['calibration_error']:.3f}", f"{after['calibration_error']:.3f}"])
    if "costs" in after:
        rows.append(["cost", f"{before['costs']['total']:g}", f"{after['costs']['total']:g}"])
    return rows
