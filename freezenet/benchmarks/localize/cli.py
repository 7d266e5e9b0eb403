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
        name, value = (part.strip() for part in one.partition(":")[::2])
        if name in found:
            raise click.BadParameter(f"One cost of each kind is required. Got: {name} twice.")
        try:
            found[name] = float(value)
        except ValueError:
            raise click.BadParameter(f"Costs such as missed:500,alarm:20,person:5 are required. Got: {one}.") from None
        if name not in COSTS or not 0 <= found[name] < float("inf"):
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
@click.option(
    "--refit-head",
    is_flag=True,
    help="Also fit the last layer to the images, near the one that is there; at least 10 patients of each class, better 40.",
)
@run_option
@threads_option
@click.option("--overwrite", is_flag=True, help="Replace the files that are there.")
@json_option
def localize(model, data, targets, out, page, costs, refit_head, run, threads, overwrite, as_json) -> None:
    """Choose thresholds for one clinic from its own labelled images, without touching a weight unless --refit-head is given.

    DATA are images that the model was not trained on, with the truth about them; 150 are enough for a first answer. Temperature, bias and thresholds
    go into the card of a new file. The figures are of rules that were chosen on other patients than those that they are shown for.
    """
    from freezenet.benchmarks.localize.localize import LocalizeOptions
    from freezenet.benchmarks.localize.localize import localize as run_localize
    from freezenet.train.tables import print_table

    options = LocalizeOptions(targets, out, page, costs, run, threads, overwrite, refit_head)
    result = run_localize(model, data, options=options)
    for sentence in filter(None, (result["elsewhere"], *result["notes"])):
        logger.warning(sentence)
    if as_json:
        click.echo(json.dumps(result))
        return
    from freezenet.benchmarks.localize.head.sentences import of_patients

    click.echo(
        f"{result['model']} on {result['images']} images{of_patients(result)}; targets {', '.join(result['targets'])}"
    )
    for line in [*promise_lines(result), *head_lines(result)]:
        click.echo(line)
    print_table(("of 1,000 images", *_columns(result).values()), _rows(result))
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


def head_lines(result: dict[str, Any]) -> list[str]:
    """Return what is to be said of a refitted last layer, none where it was left alone."""
    from freezenet.benchmarks.localize.head.sentences import head_notes, of_patients
    from freezenet.train.metrics.figure import Figure

    head = result.get("head")
    if head is None:
        return []
    old, new, difference = (Figure(**head["right"][name]) for name in ("old", "new", "difference"))
    verdict, decisions = head["acceptance"], head["acceptance"]["decisions"]
    lines = [
        f"last layer: refitted on {head['images']} images{of_patients(head)}; class that is named right {new}, with the old one {old}, "
        f"difference {difference}, each image by a layer that others fitted",
        f"the file against this layer in float: {verdict['agreement']:.1%} of {verdict['images']} images keep their class, and by the new rule {decisions['same']:.1%} "
        f"their answer or uncertain ({decisions['answered_float']} answered in float, {decisions['answered']} by the file)",
        verdict["undecided"],
        *head_notes(head),
        "the interval of the sensitivity is about right, not exact: its patients fitted the last layers of each other"
        if result["promise"]
        else "",
    ]
    return [line for line in lines if line]


def _columns(result: dict[str, Any]) -> dict[str, str]:
    """Return part of the result -> title of its column."""
    if "head" not in result:
        return {"before": "as it was", "after": "localized"}
    return {"before": "as it was", "old_head": "old layer, localized", "after": "new layer, localized"}


def _rows(result: dict[str, Any]) -> list[list[str]]:
    from freezenet.benchmarks.localize.page import count, percent

    sides = [result[name] for name in _columns(result)]
    rows = [
        [name, *(count(one[name]) for one in sides)] for name in ("answered", "right", "wrong", "uncertain", "refused")
    ]
    for label, found in result["after"]["classes"].items():
        if found["images"]:
            for name in ("yield", "alarms", "missed"):
                rows.append([f"{label}: {name}", *(count(one["classes"][label][name]) for one in sides)])
    rows.append(["wrong, of what is answered", *(percent(one["risk"]) for one in sides)])
    rows.append(["calibration error", *(f"{one['calibration_error']:.3f}" for one in sides)])
    if "costs" in result["after"]:
        rows.append(["cost", *(f"{one['costs']['total']:g}" for one in sides)])
    return rows
