"""Damaged files against the promise: `python -m studies.stress.fuzz MODEL`."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import click

from studies.command import BenchmarkCommand

logger = logging.getLogger(__name__)


@click.command(cls=BenchmarkCommand)
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--inputs", type=click.IntRange(1), default=50_000, show_default=True, help="Number of damaged files.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--only", type=click.IntRange(0), metavar="N", help="Run input N alone, and keep it in --out.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the result file and the findings."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.option("--write-docs", is_flag=True, help="Write the table of docs/robustness.md anew from results/.")
def main(
    model: Path | None, inputs: int, seed: int, only: int | None, out: Path | None, as_json: bool, write_docs: bool
) -> None:
    """Give damaged images and model files to MODEL; each must get an answer or one sentence, in time and memory.

    Exit code 1 where one did not: the findings name the inputs, and --out keeps them.
    """
    if model is None and not write_docs:
        raise click.UsageError("A MODEL is required, or --write-docs.")
    found = False
    if model is not None:
        found = _run(model, range(inputs) if only is None else [only], seed, out, as_json, only is not None)
    if write_docs:
        _write_docs()
    if found:
        sys.exit(1)


def _run(model: Path, numbers: range | list[int], seed: int, out: Path | None, as_json: bool, single: bool) -> bool:
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.train.progress import track
    from studies.results import write_result
    from studies.stress.fuzz.corpus import corpus
    from studies.stress.fuzz.mutation import mutated
    from studies.stress.fuzz.run import fuzz, write_input
    from studies.stress.fuzz.table import table

    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    Classifier(model)  # says in one sentence what is wrong with it
    files = corpus(model)
    if not any(name.startswith("dicom/") for name in files):
        logger.info("DICOM is left out: pip install 'freezenet[dicom]'")
    if single and out is not None:
        logger.info(str(write_input(out, mutated(files, seed, numbers[0]), seed, numbers[0])))
    result = fuzz(
        model,
        files,
        track(numbers, "damaged files", len(numbers)),
        seed,
        None if out is None else out / "fuzz-findings",
    )
    if out is not None and not single:
        write_result(out, "fuzz", result)
    click.echo(json.dumps(result) if as_json else table(result), nl=as_json)
    return bool(result["findings"])


def _write_docs() -> None:
    from studies.stress.fuzz.table import page_with_tables
    from studies.tables.pages import rewrite_page

    rewrite_page("docs/robustness.md", page_with_tables)


if __name__ == "__main__":
    main()
