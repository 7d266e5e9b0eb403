"""Whether the summary of a screening notices that half of an archive comes from another source, and says nothing of the same images in another order.

    python -m studies.screen.drift MODEL RUN DATA --other TABLE [--draws 10] [--images 150] [--json]

All images took no part in training: the archive's own are those of the RUN's test split, the others are the rows of TABLE with `part` outside.
A draw takes some of the test images; "reshuffled" in a new order and nothing else, "replaced" with half of them exchanged for others.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from freezenet.edge_runtime.screen.folder import ScreenFolder
from freezenet.edge_runtime.screen.summary.page import summarize
from freezenet.edge_runtime.system.environment import environment
from freezenet.train.run_folder import RunFolder
from studies.command import StudyCommand, data_argument, hand_over, model_argument, result_options
from studies.screen.runs import screened


def test_images(run: Path, data: Path) -> list[Path]:
    """Return the images of a RUN's test split."""
    return [data.parent / row["file"] for row in RunFolder(run).read_splits() if row["split"] == "test"]


def outside_images(table: Path) -> list[Path]:
    """Return the images of a table that nobody trains on."""
    with table.open(newline="", encoding="utf-8") as file:
        return [table.parent / row["file"] for row in csv.DictReader(file) if row["part"] == "outside"]


def measure(
    model: Path, own: list[Path], other: list[Path], home: Path, *, draws: int, images: int
) -> dict[str, list[dict[str, Any]]]:
    """Return kind of draw -> what the summary of each says."""
    rows = {name: _screened(model, paths, home / name) for name, paths in (("own", own), ("other", other))}
    rng = np.random.default_rng(0)

    def reshuffled() -> Any:
        return rows["own"].take(rng.permutation(len(own))[:images])

    def replaced() -> Any:
        import pyarrow as pa

        half = images // 2
        kept, new = rng.permutation(len(own))[: images - half], rng.permutation(len(other))[:half]
        return pa.concat_tables([rows["own"].take(kept), rows["other"].take(new)])

    kinds: dict[str, Callable[[], Any]] = {"reshuffled": reshuffled, "replaced": replaced}
    return {
        name: [_summary(draw(), home / "own", home / f"{name}-{number}") for number in range(draws)]
        for name, draw in kinds.items()
    }


def _screened(model: Path, paths: list[Path], out: Path) -> Any:
    import pyarrow.parquet as pq

    names = out.with_suffix(".txt")
    names.write_text("\n".join(map(str, paths)))
    screened(model, names, out, 1)
    return pq.read_table(out / "rows").sort_by("number").combine_chunks()


def _summary(rows: Any, like: Path, out: Path) -> dict[str, Any]:
    """Write a draw as a screening's folder and summarize it."""
    import json

    import pyarrow.parquet as pq

    folder = ScreenFolder(out)
    folder.rows.mkdir(parents=True)
    for name in ("job.json", "card.json"):
        shutil.copy(like / name, out / name)
    pq.write_table(rows, folder.shard_file(0))
    summarize(out)
    quantities = json.loads((folder.summary / "summary.json").read_text())["drift"]
    return {
        "drift": [one["name"] for one in quantities if one["drift"]],
        "indexes": {one["name"]: None if one["index"] is None else round(one["index"], 3) for one in quantities},
        "limits": {one["name"]: round(one["limit"], 3) for one in quantities},
    }


def described(result: dict[str, Any]) -> str:
    """Return the result for a person."""
    return "\n".join(
        f"{kind}: drift in {sum(bool(one['drift']) for one in found)} of {len(found)} draws of {result['images']} images"
        for kind, found in result["draws"].items()
    )


@click.command(cls=StudyCommand)
@model_argument
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@data_argument
@click.option(
    "--other",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Table of another source.",
)
@click.option("--draws", default=10, show_default=True, type=click.IntRange(1), help="Of each kind.")
@click.option("--images", default=150, show_default=True, type=click.IntRange(2), help="Of a draw.")
@result_options
def main(
    model: Path, run: Path, data: Path, other: Path, draws: int, images: int, as_json: bool, out: Path | None
) -> None:
    """Draw archives, and count in how many of them the summary says drift; exit code 1 if it is not all and none."""
    own, others = test_images(run, data), outside_images(other)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        found = measure(model, own, others, Path(home), draws=draws, images=min(images, len(own)))
    passed = all(one["drift"] for one in found["replaced"]) and not any(one["drift"] for one in found["reshuffled"])
    result = {"model": model.name, "own": f"{data.name}, test split, {len(own)} images, not trained on",
              "other": f"{other.name}, part outside, {len(others)} images, not trained on", "images": min(images, len(own)),
              "draws": found, "passed": passed, "environment": environment()}  # fmt: skip
    hand_over(result, f"screen-drift-{model.stem}", described(result), as_json, out)
    if not passed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
