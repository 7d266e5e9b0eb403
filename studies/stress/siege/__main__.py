"""The command: `python -m studies.stress.siege`; the package says what it does."""

from __future__ import annotations

import sys

import click

from studies.command import StudyCommand, hand_over, images_argument, model_argument, result_options
from studies.stress.siege.run import attacks, siege


@click.command(cls=StudyCommand)
@model_argument
@images_argument
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="Of the server.")
@click.option("--clients", default=4, show_default=True, type=click.IntRange(1), help="Good clients.")
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(1), help="For each of both attacks.")
@click.option("--sockets", default=1250, show_default=True, type=click.IntRange(0), help="That send nothing.")
@click.option("--megabytes", default=1.0, show_default=True, type=click.FloatRange(0.01), help="Of a malicious file.")
@result_options
def main(model, images, workers, clients, seconds, sockets, megabytes, as_json, out) -> None:
    """Attack a server of its own. Exit code 1 where a promise to the good clients was broken."""
    result = siege(
        model,
        list(images),
        attacks(int(megabytes * 1e6)),
        workers=workers,
        seconds=seconds,
        sockets=sockets,
        clients=clients,
    )
    text = "\n".join(f"{key}\t{value}" for key, value in result.items() if key != "environment")
    hand_over({**result, "megabytes": megabytes}, f"siege-{model.stem}", text, as_json, out)
    if result["broken"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
