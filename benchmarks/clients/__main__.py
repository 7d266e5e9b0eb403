"""Ask the clients that people use for the promised numbers: `python -m benchmarks.clients MODELS`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from edge_runtime.errors import FreezenetError

ROOT = Path(__file__).resolve().parents[2]


@click.command()
@click.argument("models", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--client", "clients", default="all", show_default=True, metavar="LIST", help="Which clients to ask.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the result file.")
@click.option("--write-docs", is_flag=True, help="Write the table of docs/clients.md anew from results/.")
def main(models: Path | None, clients: str, as_json: bool, out: Path | None, write_docs: bool) -> None:
    """Print for each client and variant of MODELS: same, the largest difference of a score, or why there is none.

    Clients are installed into the cache folder once (about 1 GB for all); FREEZENET_CACHE names another.
    """
    if models is None and not write_docs:
        raise click.UsageError("A folder MODELS is required, or --write-docs.")
    try:
        if models is not None:
            _measure(models, clients, as_json, out)
        if write_docs:
            _write_docs()
    except FreezenetError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)


def _measure(models: Path, clients: str, as_json: bool, out: Path | None) -> None:
    from benchmarks.clients.matrix import known_clients, measure
    from benchmarks.clients.table import table
    from benchmarks.clients.tools import default_tools_folder
    from benchmarks.results import write_result

    result = measure(models, known_clients(clients), default_tools_folder())
    if out is not None:
        write_result(out, f"clients-{result['recipe']}", result)
    click.echo(json.dumps(result) if as_json else table(result), nl=as_json)


def _write_docs() -> None:
    from benchmarks.clients.table import page_with_tables
    from benchmarks.pages import DOCS, write_page

    path = DOCS / "clients.md"
    write_page(path, page_with_tables(path.read_text(encoding="utf-8"), ROOT / "results"))


if __name__ == "__main__":
    main()
