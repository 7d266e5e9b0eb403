"""Ask the clients that people use for the promised numbers: `python -m studies.clients MODELS`."""

from __future__ import annotations

from pathlib import Path

import click

from studies.command import StudyCommand, hand_over, result_options


@click.command(cls=StudyCommand)
@click.argument("models", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--client", "clients", default="all", show_default=True, metavar="LIST", help="Which clients to ask.")
@result_options
def main(models: Path, clients: str, as_json: bool, out: Path | None) -> None:
    """Print what each client makes of each variant of MODELS.

    A cell says "same", or the largest difference of a score, or why there is none. Clients are installed once into the cache
    folder (about 1 GB for all of them); the environment variable FREEZENET_CACHE names another folder.
    """
    from studies.clients.matrix import known_clients, measure
    from studies.tables.clients_page import clients_table
    from studies.tools import default_tools_folder

    result = measure(models, known_clients(clients), default_tools_folder())
    hand_over(result, f"clients-{result['recipe']}", clients_table(result), as_json, out)


if __name__ == "__main__":
    main()
