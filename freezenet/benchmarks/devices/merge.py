"""Rows that were measured on several devices, as one table and one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from freezenet.benchmarks.figures import three_digits
from freezenet.edge_runtime.errors import DataError
from freezenet.train.files import read_json

HEADINGS = (
    "device", "model", "runtime", "threads", "delegated", "load", "first", "p50", "p90", "p95", "p99", "max", "peak MB", "accuracy", "notes",
)  # fmt: skip
_TIMED = ("init_ms", "warmup_first_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms")


def read_rows(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the rows that `freezenet benchmark --json` wrote into these files, in their order; DataError for another file."""
    rows: list[dict[str, Any]] = []
    for file in files:
        content = read_json(file)
        if not isinstance(content, list) or not all(
            isinstance(one, dict) and {"model", "p50_ms"} <= one.keys() for one in content
        ):
            raise DataError(f"Rows of `freezenet benchmark --json` are required. Got: {file} with others.")
        rows += content
    return rows


def table(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return the texts of the table, a row each; "-" for what a device did not tell."""
    return [_texts(row) for row in rows]


def device_name(row: dict[str, Any]) -> str:
    """Return what the device of a row is called."""
    return str(row.get("device") or row.get("environment", {}).get("cpu") or "unknown")


def _texts(row: dict[str, Any]) -> list[str]:
    delegates, accuracy = row.get("delegates"), row.get("accuracy")
    peak = row.get("peak_memory_bytes")
    return [
        device_name(row),
        str(row["model"]),
        str(row.get("runtime", "-")),
        str(row.get("threads", "-")),
        f"{delegates['delegated']} of {delegates['nodes']}" if delegates else "-",
        *("-" if row.get(key) is None else three_digits(row[key]) for key in _TIMED),
        "-" if peak is None else three_digits(peak / 1e6),
        f"{accuracy['accuracy']['value']:.4f} of {accuracy['images']}" if accuracy else "-",
        str(len(row.get("notes", []))),
    ]


def draw(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw the median of each row with the span from p5 to p95 as a bar chart, one colour a model; the suffix names the format."""
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(row["model"] for row in rows))
    figure = Figure(figsize=(8, 1.2 + 0.45 * len(rows)), layout="constrained")
    axis = figure.subplots()
    for place, row in enumerate(rows):
        low, high = row.get("p5_ms") or row["p50_ms"], row.get("p95_ms") or row["p50_ms"]
        span = [[row["p50_ms"] - low], [high - row["p50_ms"]]]
        axis.barh(place, row["p50_ms"], color=f"C{models.index(row['model']) % 10}", xerr=span, capsize=3)
        axis.annotate(
            f"{three_digits(row['p50_ms'])} ms", (high, place), (5, 0), textcoords="offset points", va="center"
        )
    axis.set_yticks(
        range(len(rows)), [f"{device_name(row)}\n{row['model']}, {row.get('threads', 1)} thread(s)" for row in rows]
    )
    axis.invert_yaxis()
    axis.margins(x=0.15)
    axis.set_xlabel("median of one inference, p5 to p95, ms")
    figure.savefig(file)
