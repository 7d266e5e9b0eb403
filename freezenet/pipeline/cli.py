"""The verbs pipeline and demo."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import click

from freezenet.benchmarks.figures import three_digits
from freezenet.convert.cli import calibration_option, limits_option, no_acceptance_option, variants_option
from freezenet.convert.options import AcceptanceLimits, ConvertOptions, changed
from freezenet.convert.variants import known_variants
from freezenet.edge_runtime.errors import SettingError
from freezenet.train.options import (
    TrainingOptions,
    json_option,
    out_option,
    overwrite_option,
    recipe_options,
    training_options_with_negatives,
)

logger = logging.getLogger(__name__)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@out_option("DIR", what="all results")
@recipe_options
@training_options_with_negatives
@variants_option
@calibration_option
@limits_option
@no_acceptance_option
@click.option(
    "--share",
    is_flag=True,
    help="Also write report-share.html, the report without pictures, names and paths; of a finished pipeline, that alone.",
)
@click.option(
    "--no-audit",
    "audit",
    flag_value=False,
    default=True,
    help="Do not ask what a network could cheat with on DATA (`freezenet audit`).",
)
@json_option
def pipeline(
    data, out, recipe, options, variants, calibration_images, limits, acceptance, share, audit, as_json
) -> None:
    """Run every step on DATA: train, audit, convert, compare, benchmark, report.html.

    DATA: a folder of class folders, or a CSV (file,class[,patient_id,source,split]). A killed pipeline goes on where
    it was when the same command is given again.
    """
    _run(
        data,
        out,
        as_json,
        recipe=recipe,
        training=options,
        share=share,
        audit=audit,
        conversion=ConvertOptions(
            variants=known_variants(variants),
            calibration_images=calibration_images,
            limits=changed(AcceptanceLimits(), limits),
            acceptance=acceptance,
        ),
    )


@click.command()
@out_option("DIR", default="demo", what="all results")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**31 - 1),
    help="Seed of the phantoms and the training.",
)
@overwrite_option
@json_option
def demo(out, seed, overwrite, as_json) -> None:
    """Run the pipeline on synthetic chest phantoms: offline, nothing to download, minutes on a laptop."""
    from freezenet.train.data.phantoms import write_phantoms
    from freezenet.train.files import prepare_output, read_json, write_json
    from freezenet.train.quiet import quiet
    from freezenet.train.recipes.recipe import load_recipe

    with quiet():  # before anything is written, so that a missing package leaves nothing behind
        import freezenet.pipeline.stages  # noqa: F401

    prepare_output(out, "report.html", overwrite)
    data, drawn = out / "data" / "phantoms.csv", out / "data" / "seed.json"
    if data.is_file() and read_json(drawn) != seed:
        raise SettingError(
            f"The seed that the phantoms were drawn with is required to go on in {out}. Got: {seed} in place of {read_json(drawn)}; "
            "pass --overwrite or choose another name."
        )
    if not data.is_file():
        logger.info("drawing chest phantoms")
        data.parent.mkdir(exist_ok=True)
        write_json(drawn, seed)
        write_phantoms(data.parent, seed=seed)
    training = TrainingOptions(weights="none", cache=out / "cache")
    recipe = load_recipe("phantoms", (f"seed={seed}",))
    _run(data, out, as_json, recipe=recipe, training=training)
    logger.info("Drawn phantoms and random frozen weights: these figures say nothing about X-rays.")


def _run(data: Path, out: Path, as_json: bool, **others: Any) -> None:
    """Run the pipeline and print its table; others: options of `freezenet.pipeline.stages.Options` under their own names."""
    from freezenet.train.quiet import quiet

    with quiet():
        from freezenet.pipeline.stages import Options, command_line, run_pipeline
    from freezenet.train.tables import print_table

    options = Options(data=data, command=command_line(sys.argv[1:]), **others)
    results = run_pipeline(options, out)
    if as_json:
        click.echo(json.dumps(results))
        return
    latency = {one["model"]: one for one in results["latency"]}
    rows = []
    for one in results["comparison"]["variants"].values():
        f1 = one["macro_f1"]
        flipped = one["against_float32"]["flipped"] if "against_float32" in one else 0
        interval = f"[{f1['low']:.4f}, {f1['high']:.4f}]"
        steady = three_digits(latency[one["file"]]["p50_ms"])
        rows.append([one["file"], f"{one['bytes'] / 1e6:.2f}", f"{f1['value']:.4f}", interval, str(flipped), steady])
    print_table(("model", "MB", "macro-F1", "95 % interval", "answers changed", "p50 ms"), rows)
    for sentence in filter(None, (results["elsewhere"], results.get("audit"))):
        click.echo(sentence)
    click.echo(str(out / "report.html"))
    if options.share:
        click.echo(str(out / "report-share.html"))
