"""What `freezenet screen` costs beside the answers themselves: rates against bare `predict`, the time to the first row, and each stage.

    python -m studies.screen.rates MODEL IMAGE... [--files 3000] [--repeats 5] [--json]

The archive is made of the images, see `studies.screen.archive`. Bare `predict` and the engine with one and with two processes take turns, so
that a machine that is busy for a while slows all of them. The last run reads the archive from a web server that gives a few megabytes a second.
Measure on a quiet machine.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click

from freezenet.edge_runtime.batch import predict_all
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.screen.engines.answers import ANSWERED
from freezenet.edge_runtime.screen.inputs.source import named_source
from freezenet.edge_runtime.screen.rows import row_schema, rows_of, write_rows
from freezenet.edge_runtime.system.child import module_command
from freezenet.edge_runtime.system.environment import environment
from studies.command import StudyCommand, hand_over, images_argument, model_argument, result_options
from studies.peers.files import write_files
from studies.screen.archive import write_archive
from studies.screen.runs import Run, screened
from studies.screen.slow_server import SlowServer

#: Starts whose time to the first row is taken, and files in their archive.
_STARTS, _FEW = 5, 20
#: How often a large file is answered.
_LARGE_TIMES = 8
#: Megabytes a second of the server, and how many files of the archive are read from it.
_SERVED_MB, _SERVED = 1.0, 600


def predict_rate(model: Path, paths: list[Path]) -> float:
    """Return the images a second that bare `predict` answers on one core."""
    classifier = Classifier(model)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        answers = predict_all(classifier, ((str(path), path) for path in paths), workers=1)
        next(answers)
        started = time.perf_counter()
        count = sum(1 for _ in answers)
        return count / (time.perf_counter() - started)
    finally:
        os.sched_setaffinity(0, cores)


def first_row_seconds(model: Path, source: Path, out: Path) -> float:
    """Return the seconds from the start of the command to its first file of rows."""
    command = module_command("freezenet", "screen", str(model), str(source), "--out", str(out), "--shard", "1")
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (out / "rows" / "shard-00000.parquet").exists():
        if process.poll() is not None:
            raise RuntimeError(f"exit code {process.returncode}")
        time.sleep(0.005)
    found = time.perf_counter() - started
    process.kill()
    process.wait()
    return found


def measure(model: Path, images: list[Path], home: Path, *, files: int, repeats: int) -> dict[str, Any]:
    """Measure everything in a folder."""
    archive, few = home / "archive", home / "few"
    write_archive(archive, images, files)
    write_archive(few, images, _FEW)
    paths = sorted(path for path in archive.rglob("*") if path.is_file())
    bare: list[float] = []
    runs: dict[int, list[Run]] = {1: [], 2: []}
    for repeat in range(repeats):
        bare.append(predict_rate(model, paths))
        for workers, found in runs.items():
            found.append(screened(model, archive, home / f"{repeat}-{workers}", workers))
            print(f"{repeat}: {bare[-1]:.1f} bare, {found[-1].rate:.1f} with {workers}", file=sys.stderr)
    starts = [first_row_seconds(model, few, home / f"start-{number}") for number in range(_STARTS)]
    with SlowServer(archive, _SERVED_MB * 1e6) as address:
        names = [f"{address}/{path.relative_to(archive)}" for path in paths[:_SERVED]]
        (home / "served.txt").write_text("\n".join(names))
        served = screened(model, home / "served.txt", home / "served", 2)
    stages = list(zip(*(row for run in runs[1] for row in run.rows), strict=True))
    return {
        "images": len(paths),
        "repeats": repeats,
        "mean_bytes": round(statistics.mean(path.stat().st_size for path in paths)),
        "predict_rates": _rounded(bare),
        "rates": {str(workers): _rounded([run.rate for run in found]) for workers, found in runs.items()},
        # Of each turn by itself: a machine that gets slower slows both.
        "of_twice_predict": _median_ratio([run.rate for run in runs[2]], [2 * one for one in bare]),
        "overhead_of_one": round(_median_ratio(bare, [run.rate for run in runs[1]]) - 1, 4),
        "first_row_seconds": _rounded(starts),
        "stages_ms": {
            name: round(statistics.mean(values), 4)
            for name, values in zip(("fetch", "decode", "preprocess", "invoke"), stages, strict=True)
        },
        "own_ms": round(statistics.median(run.own_ms for run in runs[1]), 4),
        "large": _large(model, home / "large"),
        "list_ms": _listing_ms(archive),
        "write_ms": _writing_ms(model, home / "0-1"),
        "runs": [
            *(_described(found[0], None) for found in runs.values()),
            _described(served, _SERVED_MB * 1e6, round(sum(path.stat().st_size for path in paths[:_SERVED]) / _SERVED)),
        ],
        "rows_ms": [[round(one, 3) for one in row] for row in runs[1][0].rows[:1000]],
    }


def _described(run: Run, bandwidth: float | None, mean_bytes: int | None = None) -> dict[str, Any]:
    return {
        "workers": run.workers,
        "images": run.images,
        "seconds": round(run.seconds, 2),
        "steady_seconds": round(run.steady_seconds, 2),
        "bytes_per_second": bandwidth,
        "mean_bytes": mean_bytes,
    }


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 3) for value in values]


def _median_ratio(some: list[float], others: list[float]) -> float:
    return round(statistics.median(one / other for one, other in zip(some, others, strict=True)), 4)


def _listing_ms(archive: Path) -> float:
    started = time.perf_counter()
    count = sum(1 for _ in named_source(str(archive)).found(Counter()))
    return round(1e3 * (time.perf_counter() - started) / count, 4)


def _large(model: Path, folder: Path) -> dict[str, Any]:
    """Return the bytes of a radiograph of 2000 x 2000 pixels and 16 bits, uncompressed, and what it takes of a core."""
    path = write_files(folder)["dicom-2000.dcm"]
    classifier, data = Classifier(model), path.read_bytes()
    taken = [sum(classifier.predict(data).timings_ms.values()) for _ in range(_LARGE_TIMES)]
    return {"bytes": len(data), "answer_ms": round(statistics.median(taken[1:]), 2)}


def _writing_ms(model: Path, out: Path) -> float:
    import pyarrow.parquet as pq

    card = Classifier(model).card
    path = out / "rows" / "shard-00000.parquet"
    rows = [row for row in rows_of(pq.read_table(path)) if row["status"] == ANSWERED]
    gates = sum(name.startswith("ood_") for name in pq.read_schema(path).names)
    started = time.perf_counter()
    write_rows(out / "again.parquet", rows, row_schema(card.labels, gates))
    return round(1e3 * (time.perf_counter() - started) / len(rows), 4)


def described(result: dict[str, Any]) -> str:
    """Return the result for a person."""
    stages = ", ".join(f"{name} {value:.2f}" for name, value in result["stages_ms"].items())
    return "\n".join(
        [
            f"bare predict on one core: {statistics.median(result['predict_rates']):.1f} images/s",
            f"one process: {statistics.median(result['rates']['1']):.1f}, two: {statistics.median(result['rates']['2']):.1f}",
            f"of twice bare predict: {result['of_twice_predict']:.3f}; overhead of one process: {result['overhead_of_one']:.1%}",
            f"start to first row: {statistics.median(result['first_row_seconds']):.2f} s",
            f"milliseconds: {stages}; list {result['list_ms']:.3f}, write {result['write_ms']:.3f}, all of the writer {result['own_ms']:.3f}",
        ]
    )


@click.command(cls=StudyCommand)
@model_argument
@images_argument
@click.option("--files", default=3000, show_default=True, type=click.IntRange(_SERVED), help="Files of the archive.")
@click.option("--repeats", default=5, show_default=True, type=click.IntRange(1), help="Turns.")
@result_options
def main(model: Path, images: tuple[Path, ...], files: int, repeats: int, as_json: bool, out: Path | None) -> None:
    """Measure the rates of a screening and of bare predict in turns."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        found = measure(model, list(images), Path(home), files=files, repeats=repeats)
    result = {"model": model.name, **found, "environment": environment()}
    hand_over(result, f"screen-rates-{model.stem}", described(result), as_json, out)


if __name__ == "__main__":
    main()
