"""The verb `convert`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from train.cli import overwrite_option


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="MODELS", help="Folder for the models.")
@click.option(
    "--variants",
    default="all",
    show_default=True,
    metavar="LIST",
    help="Comma-separated list of float32, float16, dynamic, int8.",
)
@click.option(
    "--calibration-images",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="Training images to measure ranges on.",
)
@click.option(
    "--data", type=click.Path(path_type=Path), help="Where DATA lies now, if it was moved after the training."
)
@overwrite_option
@click.option("--json", "as_json", is_flag=True, help="Write conversion.json to stdout.")
def convert(run, out, variants, calibration_images, data, overwrite, as_json) -> None:
    """Convert a trained RUN to .tflite files, each compared with the Keras model before it gets its name.

    Exit code 3: a variant collapsed and was refused; the others are written.
    """
    from train.quiet import quiet

    with quiet():
        from convert.models import convert as write
        from convert.models import known_variants, refuse
        from train.run import Run

    names = known_variants(variants)
    result = write(Run.open(run), out, names, calibration_images, data, overwrite)
    if as_json:
        click.echo(json.dumps(result))
    else:
        for name, one in result["variants"].items():
            agreement = one["against_keras"]["agreement"]
            click.echo(f"{out / one['file']}\t{one['bytes'] / 1e6:.2f} MB\t{agreement:.1%} of answers as Keras\t{name}")
    refuse(result)
