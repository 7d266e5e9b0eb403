"""The page that a clinic's manager reads: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

from freezenet.benchmarks.localize.head.sentences import head_notes, of_patients
from freezenet.train.files import write_atomically

#: Misses that are listed; the rest is counted.
_SHOWN = 50


def write_page(path: Path, result: dict[str, Any]) -> None:
    """Write the page of what `freezenet.benchmarks.localize.localize.localize` found."""
    environment = Environment(
        loader=PackageLoader("freezenet.benchmarks"),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = count
    environment.filters["percent"] = percent
    environment.filters["of_patients"] = of_patients
    page = environment.get_template("localize.html").render(
        result=result, shown=_SHOWN, notes=_notes(result.get("head"))
    )
    write_atomically(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))


def _notes(head: Mapping[str, Any] | None) -> list[str]:
    """Return what is to be said of a refitted last layer beside its figures."""
    return [] if head is None else [one for one in (*head_notes(head), head["acceptance"]["undecided"]) if one]


def count(figure: dict[str, float]) -> str:
    """Return a figure per 1,000 with its interval: "12 (8 to 19)"."""
    return f"{_few(figure['value'])} ({_few(figure['low'])} to {_few(figure['high'])})"


def percent(figure: dict[str, float] | None) -> str:
    """Return a share as "93 % (87 to 97)", "-" of none."""
    return (
        "-"
        if figure is None
        else f"{figure['value']:.0%} ({100 * figure['low']:.0f} to {100 * figure['high']:.0f})".replace("%", " %")
    )


def _few(value: float) -> str:
    return f"{value:.1f}" if 0 < value < 10 else f"{value:.0f}"
