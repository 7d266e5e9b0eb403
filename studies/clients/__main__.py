"""Ask the clients that people use for the promised numbers: `python -m studies.clients MODELS`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from studies.command import BenchmarkCommand


@click.command(cls=BenchmarkCommand)
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
    if models is not None:
        _measure(models, clients, as_json, out)
    if write_docs:
        _write_docs()


def _measure(models: Path, clients: str, as_json: bool, out: Path | None) -> None:
    from studies.clients.matrix import known_clients, measure
    from studies.clients.table import table
    from studies.clients.tools import default_tools_folder
    from studies.results import write_result

    result = measure(models, known_clients(clients), default_tools_folder())
    if out is not None:
        write_result(out, f"clients-{result['recipe']}", result)
    click.echo(json.dumps(result) if as_json else table(result), nl=as_json)


def _write_docs() -> None:
    from studies.clients.table import page_with_tables
    from studies.tables.pages import rewrite_page

    rewrite_page("docs/clients.md", page_with_tables)


if __name__ == "__main__":
    main()
