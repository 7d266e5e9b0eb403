"""Whether `freezenet screen` gives exactly the answers of `freezenet predict`.

    python -m studies.screen.equality MODEL IN... [--workers 2] [--json]

Each IN, such as a folder or a pattern, is screened by processes and answered by one classifier in this process, from the same files; every number
and every sentence has to be the same.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import click

from freezenet.edge_runtime.batch import predict_all
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.screen.engines.answers import ANSWERED, REFUSED, answer_columns
from freezenet.edge_runtime.system.environment import environment
from studies.command import StudyCommand, hand_over, model_argument, result_options
from studies.screen.runs import screened


def compare(model: Path, source: str, out: Path, workers: int) -> dict[str, Any]:
    """Return how many files of a source have the same answer, and which have not."""
    import pyarrow.parquet as pq

    screened(model, source, out, workers)
    rows = pq.read_table(out / "rows").sort_by("number").to_pylist()
    paths = [row["uri"] for row in rows]
    answers = predict_all(Classifier(model), ((path, Path(path)) for path in paths), workers=1)
    different = []
    for row, (path, answer) in zip(rows, answers, strict=True):
        if isinstance(answer, FreezenetError):
            expected: dict[str, Any] = {"status": REFUSED, "error": str(answer)}
        else:
            columns = {name: value for name, value in answer_columns(answer).items() if not name.startswith("ms_")}
            expected = {"status": ANSWERED, "error": None, **columns}
        if {name: row[name] for name in expected} != expected:
            different.append(path)
    return {
        "folder": next(part for part in reversed(Path(source).parts) if "*" not in part),
        "files": len(rows),
        "statuses": dict(Counter(row["status"] for row in rows)),
        "answers": dict(Counter(row["label"] or row["reason"] or row["status"] for row in rows).most_common()),
        "different": len(different),
        "differences": different[:20],
    }


def described(result: dict[str, Any]) -> str:
    """Return the result for a person."""
    return "\n".join(
        f"{one['folder']}: {one['files'] - one['different']} of {one['files']} equal; {one['answers']}"
        for one in result["folders"]
    )


@click.command(cls=StudyCommand)
@model_argument
@click.argument("sources", nargs=-1, required=True, metavar="IN...")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="Processes that answer.")
@result_options
def main(model: Path, sources: tuple[str, ...], workers: int, as_json: bool, out: Path | None) -> None:
    """Compare the answers of a screening with those of predict; exit code 1 if one differs."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        found = [compare(model, one, Path(home, str(number)), workers) for number, one in enumerate(sources)]
    different = sum(one["different"] for one in found)
    result = {"model": model.name, "folders": found, "different": different, "environment": environment()}
    hand_over(result, f"screen-equality-{model.stem}", described(result), as_json, out)
    if different:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
