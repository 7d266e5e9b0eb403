"""Rows that were measured on several devices, as one table and one picture."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from freezenet.benchmarks.figures import three_digits
from freezenet.edge_runtime.errors import DataError
from freezenet.train.files import read_json, write_picture

HEADINGS = (
    "device", "model", "runtime", "threads", "delegated", "load", "first", "p50", "p90", "p95", "p99", "max", "peak MB", "accuracy", "notes",
)  # fmt: skip
_TIMED = ("init_ms", "warmup_first_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms")


def read_rows(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the rows that `freezenet benchmark --json` wrote into these files, in their order; DataError for another file."""
    rows: list[dict[str, Any]] = []
    for file in files:
        content = read_json(file)
        if not isinstance(content, list) or not content:
            raise DataError(f"Rows of `freezenet benchmark --json` are required. Got: {file} without a list of them.")
        for one in content:
            if odd := _odd(one):
                raise DataError(f"Rows of `freezenet benchmark --json` are required. Got: {file} with {odd}.")
        rows += content
    return rows


def _odd(row: Any) -> str:
    """Return what of a row is not as `freezenet benchmark` writes it, "" of one that is."""
    if not isinstance(row, dict):
        return f"{json.dumps(row):.60} in place of one"
    for key, (fits, required) in _FIELDS.items():
        value = row.get(key)
        if not fits(value) if value is not None else required:
            return f"{key} {json.dumps(value):.60}" if key in row else f"no {key}"
    low, middle, high = (row["p50_ms"] if row.get(key) is None else row[key] for key in ("p5_ms", "p50_ms", "p95_ms"))
    return "" if low <= middle <= high else f"p5, p50 and p95 of {low:g}, {middle:g} and {high:g}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _are_numbers(value: Any, *keys: str) -> bool:
    return isinstance(value, dict) and all(_is_number(value.get(key)) for key in keys)


#: What is shown of a row: whether a value is one that can be, and whether there must be one.
_FIELDS: dict[str, tuple[Callable[[Any], bool], bool]] = {
    "model": (_is_text, True),
    "p50_ms": (_is_number, True),
    **dict.fromkeys(
        (*(one for one in _TIMED if one != "p50_ms"), "p5_ms", "peak_memory_bytes", "threads"), (_is_number, False)
    ),
    **dict.fromkeys(("device", "runtime"), (_is_text, False)),
    "environment": (lambda value: isinstance(value, dict), False),
    "delegates": (lambda value: _are_numbers(value, "delegated", "nodes"), False),
    "accuracy": (lambda value: _are_numbers(value, "images") and _are_numbers(value.get("accuracy"), "value"), False),
    "notes": (lambda value: isinstance(value, list) and all(map(_is_text, value)), False),
}


def table(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return the texts of the table, a row each; "-" for what a device did not tell."""
    return [_texts(row) for row in rows]


def device_name(row: dict[str, Any]) -> str:
    """Return what the device of a row is called."""
    return str(row.get("device") or (row.get("environment") or {}).get("cpu") or "unknown")


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
        str(len(row.get("notes") or [])),
    ]


def draw(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw the median of each row with the span from p5 to p95 as a bar chart, one colour a model; the suffix names the format."""
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(row["model"] for row in rows))
    figure = Figure(figsize=(8, 1.2 + 0.45 * len(rows)), layout="constrained")
    axis = figure.subplots()
    for place, row in enumerate(rows):
        low, high = (row["p50_ms"] if row.get(key) is None else row[key] for key in ("p5_ms", "p95_ms"))
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
    write_picture(figure, file)
