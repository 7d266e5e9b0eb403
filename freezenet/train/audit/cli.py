"""The verb `audit`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from freezenet.edge_runtime.options import setting_option
from freezenet.train.audit.options import AuditOptions
from freezenet.train.options import json_option, overwrite_option, weights_option

#: What the verb writes.
RESULT, PICTURE = "audit.json", "audit.png"


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder for audit.json and audit.png.")
@click.option(
    "--masks",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Lung masks, named as the images are: compares with the lungs alone and without them.",
)
@setting_option(AuditOptions, "seed")
@setting_option(AuditOptions, "folds")
@setting_option(AuditOptions, "image_size")
@setting_option(AuditOptions, "most_images")
@weights_option
@overwrite_option
@json_option
def audit(data, out, masks, seed, folds, image_size, most_images, weights, overwrite, as_json) -> None:
    """Show what a network could cheat with on DATA: what remains without the lungs, what size, source and marks give away.

    A probe on frozen features is tested on whole patients that it did not see. Findings are not failures: the exit code is 0.
    """
    from freezenet.train.files import prepare_output, write_json
    from freezenet.train.quiet import quiet
    from freezenet.train.tables import print_table

    options = AuditOptions(
        weights=weights, masks=masks, seed=seed, folds=folds, image_size=image_size, most_images=most_images
    )
    with quiet():
        from freezenet.train.audit.audit import audit as run
        from freezenet.train.audit.picture import write_picture
        from freezenet.train.audit.views import TITLES
    from freezenet.train.metrics.figure import Figure

    if out is not None:
        prepare_output(out, RESULT, overwrite)
    found = run(data, options=options)
    if out is not None:
        write_picture(found, out / PICTURE)
        write_json(out / RESULT, {"data": str(data), **found})
    if as_json:
        click.echo(json.dumps({"data": str(data), **found}))
        return
    rows = []
    for name, title in TITLES.items():
        if name in found["views"]:
            one = found["views"][name]
            right = f"{Figure(**one['accuracy']).times(100):.0f %}"
            rows.append([title, str(one["images"]), right, str(Figure(**one["macro_f1"]))])
    rows.append(["most frequent class alone", str(found["images"]), f"{100 * found['majority']:.0f} %", ""])
    print_table(("what the probe is given", "images", "right", "macro-F1"), rows)
    click.echo(f"\n{found['headline']}\n")
    for sentence in found["verdict"]:
        click.echo(f"- {sentence}")
    click.echo("\nIn detail:\n")
    for sentence in found["details"]:
        click.echo(f"- {sentence}")
