"""Compare techniques of quantization: `python -m studies.quantization RUN...`."""

from __future__ import annotations

from pathlib import Path

import click

from studies.command import StudyCommand, hand_over, result_options


@click.command(cls=StudyCommand)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "--arms",
    default="all",
    show_default=True,
    metavar="LIST",
    help="Techniques to compare; docs/quantization.md lists them.",
)
@click.option(
    "--data", type=click.Path(path_type=Path), help="Where DATA lies now, if it was moved after the training."
)
@result_options
def main(runs, arms, data, as_json, out) -> None:
    """Measure post-training techniques on trained runs of one data set: what each costs against float32."""
    from freezenet.train.run import Run
    from studies.quantization.arms import known_arms
    from studies.quantization.measure import measure
    from studies.tables.quantization_page import quantization_table

    result = measure([Run.open(run) for run in runs], known_arms(arms), data)
    hand_over(result, f"quantization-{Path(result['data']).stem}", quantization_table(result), as_json, out)


if __name__ == "__main__":
    main()
