"""Damaged model files against the promise: `python -m studies.stress.mutations MODEL IMAGE`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from studies.command import StudyCommand, hand_over, model_argument, result_options


@click.command(cls=StudyCommand)
@model_argument
@click.argument("image", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--files", type=click.IntRange(1), default=3000, show_default=True, help="Number of damaged files.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the damage.")
@click.option("--only", type=click.IntRange(0), metavar="N", help="Run file N alone.")
@result_options
def main(model: Path, image: Path, files: int, seed: int, only: int | None, as_json: bool, out: Path | None) -> None:
    """Give damaged copies of MODEL to the command; each must get one sentence, and none an answer beside conversion.json.

    Exit code 1 if one did not: the findings name the files by number.
    """
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.train.progress import track
    from studies.stress.mutations.run import run

    Classifier(model)  # says in one sentence what is wrong with it
    numbers = range(files) if only is None else [only]
    result = run(model, image, numbers=track(numbers, "damaged models", len(numbers)), seed=seed)
    hand_over(result, "mutations", table(result), as_json, out if only is None else None)
    if result["findings"]:
        sys.exit(1)


def table(result: dict) -> str:
    """Return the counts as lines for people."""
    names = ("files", "refused", "same_answer", "other_answer", "beside_answered")
    rows = [("damage", *(name.replace("_", " ") for name in names))]
    rows += [(kind, *(str(count[name]) for name in names)) for kind, count in result["kinds"].items()]
    lines = [
        "  ".join(f"{cell:<20}" if not number else f"{cell:>16}" for number, cell in enumerate(row)) for row in rows
    ]
    findings = [f"{one['count']} x {one['first']} (files {one['numbers']})" for one in result["findings"]]
    return "\n".join([*lines, f"findings: {len(findings)}", *findings])


if __name__ == "__main__":
    main()
