"""Damaged files against the promise: `python -m studies.stress.fuzz MODEL`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from studies.command import StudyCommand, hand_over, result_options

logger = logging.getLogger(__name__)


@click.command(cls=StudyCommand)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--inputs", type=click.IntRange(1), default=50_000, show_default=True, help="Number of damaged files.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the damage.")
@click.option("--only", type=click.IntRange(0), metavar="N", help="Run input N alone, and keep it in --out.")
@result_options
def main(model: Path, inputs: int, seed: int, only: int | None, as_json: bool, out: Path | None) -> None:
    """Give damaged images and model files to MODEL; each must get an answer or one sentence, in time and memory.

    Exit code 1 if one did not: the findings name the inputs, and --out keeps them beside the result file.
    """
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.train.progress import track
    from studies.stress.fuzz.corpus import corpus
    from studies.stress.fuzz.mutation import mutated
    from studies.stress.fuzz.run import fuzz, write_input
    from studies.tables.robustness_page import fuzz_table

    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    Classifier(model)  # says in one sentence what is wrong with it
    files = corpus(model)
    if not any(name.startswith("dicom/") for name in files):
        logger.info("DICOM is left out: pip install 'freezenet[dicom]'")
    if only is not None and out is not None:
        logger.info(str(write_input(out, mutated(files, seed, only), seed, only)))
    numbers = range(inputs) if only is None else [only]
    result = fuzz(
        model,
        files,
        numbers=track(numbers, "damaged files", len(numbers)),
        seed=seed,
        keep=None if out is None else out / "fuzz-findings",
    )
    hand_over(result, "fuzz", fuzz_table(result), as_json, out if only is None else None)
    if result["findings"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
