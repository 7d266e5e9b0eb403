"""The verb checklist."""

from __future__ import annotations

import json
from pathlib import Path

import click

from freezenet.benchmarks.checklist import STANDARDS
from freezenet.edge_runtime.options import json_option


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN|DIR")
@click.option(
    "--standard", default="claim-2024", show_default=True, type=click.Choice(STANDARDS), help="Which checklist."
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the page into this file; default: stdout."
)
@click.option("--overwrite", is_flag=True, help="Replace the file.")
@json_option
def checklist(folder, standard, out, overwrite, as_json) -> None:
    """Fill a reporting checklist with what the files of a run say; what only its author knows stays open, as a question.

    RUN is the folder of a training, DIR that of a pipeline, which says more. Each fact names the file and the key that it
    stands in. `freezenet evaluate MODEL DATA --all --json` into DIR/external-NAME.json counts as a test on external data.
    """
    from freezenet.benchmarks.checklist.fill import as_markdown, filled_checklist
    from freezenet.edge_runtime.files import write_bytes
    from freezenet.train.files import prepare_file

    made = filled_checklist(folder, standard)
    links = "" if out is None or out.resolve().parent == folder.resolve() else f"{folder.resolve().as_posix()}/"
    text = json.dumps(made, indent=2) + "\n" if as_json else as_markdown(made, links)
    if out is None:
        click.echo(text, nl=False)
        return
    prepare_file(out, overwrite, folder)
    write_bytes(out, text.encode())
    click.echo(f"{out}: {made['filled']} of {made['of']} items of {made['standard']} filled")
