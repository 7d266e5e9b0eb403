"""What int8 costs on every image of a data set: the files of a finished cross-validation, and the verdict about them.

    python -m studies.out_of_fold DIR [--arm NAME] [--json] [--out results]

DIR is a folder of `freezenet crossval DATA --variants float32,int8 --out DIR`. Each image is answered by a network that did not see it, nor
an image of the same patient. Nothing is trained or converted here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from studies.command import StudyCommand, hand_over, result_options

VARIANTS = ("float32", "int8")


def measure(folder: Path, arm: str | None) -> dict[str, Any]:
    """Return the pooled figures of an arm's files; arm: name, None for the first."""
    from freezenet.benchmarks.fold_variants import pooled_variants
    from freezenet.edge_runtime.system.environment import environment
    from freezenet.train.final.out_of_fold import finished_crossval
    from freezenet.train.run import Run

    asked = finished_crossval(folder)
    arm = arm or next(iter(asked.recipes))
    folds = asked.folds_of(arm)
    variants = pooled_variants(folds, folder, VARIANTS)
    return {
        "data": asked.data.name,
        "arm": arm,
        "folds": asked.folds,
        "seeds": list(asked.seeds),
        "took_part": took_part([Run.open(fold.run(folder).folder).splits for fold in folds]),
        "variants": variants,
        "environment": environment(),
    }


def took_part(folds: Iterable[Sequence[Mapping[str, str]]]) -> dict[str, int]:
    """Return how many test images are of a patient of whom the network that answered them had an image in "train" or "validation"."""
    found = {"train": 0, "validation": 0}
    for rows in folds:
        tested = Counter(row["patient_id"] for row in rows if row["split"] == "test")
        for split in found:
            found[split] += sum(tested[one] for one in {row["patient_id"] for row in rows if row["split"] == split})
    return found


@click.command(cls=StudyCommand)
@click.argument("folder", type=click.Path(exists=True, path_type=Path), metavar="DIR")
@click.option("--arm", metavar="NAME", help="Recipe of the cross-validation; default: its first.")
@result_options
def main(folder, arm, as_json, out) -> None:
    """Pool what the files of every fold answer and say whether int8 is not worse than float32."""
    from freezenet.train.quiet import quiet

    with quiet():
        result = measure(folder, arm)
    hand_over(
        result,
        f"out-of-fold-{result['data'].partition('.')[0]}",
        result["variants"]["int8"]["verdict"]["sentence"],
        as_json,
        out,
    )


if __name__ == "__main__":
    main()
