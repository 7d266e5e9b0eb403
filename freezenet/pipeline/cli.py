"""The verbs pipeline and demo."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import click

from freezenet.convert.cli import calibration_option, limits_option, no_acceptance_option, variants_option
from freezenet.convert.options import AcceptanceLimits, changed
from freezenet.convert.variants import DEFAULT_VARIANTS, known_variants
from freezenet.train.cli import (
    cache_option,
    json_option,
    not_cxr_option,
    overwrite_option,
    recipe_option,
    set_option,
    skip_option,
    weights_option,
)

logger = logging.getLogger(__name__)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder for all results.")
@recipe_option
@set_option
@weights_option
@variants_option
@cache_option
@overwrite_option
@skip_option
@not_cxr_option
@calibration_option
@limits_option
@no_acceptance_option
@json_option
def pipeline(data, out, recipe, settings, variants, limits, as_json, **others) -> None:
    """Do all of it on DATA: train, convert, compare, benchmark, report.html.

    DATA: a folder of class folders, or a CSV (file,class[,patient_id,source,split]). A killed pipeline goes on where
    it was when the same command is given again.
    """
    _run(data, out, recipe, settings, variants, limits, as_json, **others)


@click.command()
@click.option(
    "--out",
    default="demo",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for all results.",
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the phantoms and the training."
)
@overwrite_option
@json_option
def demo(out, seed, overwrite, as_json) -> None:
    """Run the pipeline on synthetic chest phantoms: offline, nothing to download, minutes on a laptop."""
    from freezenet.train.data.phantoms import write_phantoms
    from freezenet.train.files import prepare_output
    from freezenet.train.quiet import quiet

    with quiet():  # before anything is written, so that a missing package leaves nothing behind
        import freezenet.pipeline.stages  # noqa: F401

    prepare_output(out, "report.html", overwrite)
    data = out / "data" / "phantoms.csv"
    if not data.is_file():
        logger.info("drawing chest phantoms")
        write_phantoms(data.parent, seed=seed)
    _run(
        data,
        out,
        "phantoms",
        (f"seed={seed}",),
        ",".join(DEFAULT_VARIANTS),
        (),
        as_json,
        weights="none",
        cache=out / "cache",
    )


def _run(data, out, recipe, settings, variants, limits, as_json, **others) -> None:
    """Run the pipeline and print its table; others: options of `freezenet.pipeline.stages.Options` under their own names."""
    from freezenet.train.quiet import quiet
    from freezenet.train.recipes.recipe import load_recipe

    with quiet():
        from freezenet.pipeline.stages import Options, command_line, run_pipeline

    options = Options(
        data=data,
        recipe=load_recipe(recipe, settings),
        variants=known_variants(variants),
        limits=changed(AcceptanceLimits(), limits),
        command=command_line(sys.argv[1:]),
        **others,
    )
    results = run_pipeline(options, out)
    if as_json:
        click.echo(json.dumps(results))
        return
    latency = {one["model"]: one for one in results["latency"]}
    click.echo("model\tMB\tmacro-F1\t95 % interval\tflipped\tp50 ms")
    for one in results["comparison"]["variants"].values():
        f1 = one["macro_f1"]
        flipped = one["against_float32"]["flipped"] if "against_float32" in one else 0
        click.echo(
            f"{one['file']}\t{one['bytes'] / 1e6:.2f}\t{f1['value']:.4f}\t[{f1['low']:.4f}, {f1['high']:.4f}]\t{flipped}\t"
            f"{latency[one['file']]['p50_ms']:.2f}"
        )
    click.echo(str(out / "report.html"))
