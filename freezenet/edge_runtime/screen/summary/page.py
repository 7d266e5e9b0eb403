"""`freezenet screen --summary`: figures as JSON, a worklist as CSV, and one page that needs no network."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from freezenet.edge_runtime.card import CardContent
from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.files import write_bytes
from freezenet.edge_runtime.screen.engines.answers import OOD, PASSING, PROBABILITY
from freezenet.edge_runtime.screen.folder import ScreenFolder
from freezenet.edge_runtime.screen.summary.drift import Drift
from freezenet.edge_runtime.screen.summary.figures import Figures, counted_rows, reference_histograms
from freezenet.edge_runtime.screen.summary.histogram import Histogram
from freezenet.edge_runtime.screen.summary.worklist import MOST, Suspicion, write_worklist

#: Sources and kinds of sentences that the page shows; summary.json has the first thousand.
_SHOWN, _KEPT = 30, 1000
#: Images of the worklist on the page.
_FIRST = 20


def summarize(out: Path, only: str | None = None) -> dict[str, Any]:
    """Write OUT/summary from the rows that are there, also of a screening that is not finished; return what was written.

    Args:
        out: The folder of a screening.
        only: The label that the worklist is for, see `Suspicion`.

    Raises:
        DataError: There is no screening, or none with rows.
        SettingError: The model has no such label.
    """
    folder = ScreenFolder(out)
    job = folder.job()
    card = _card(folder)
    reference = _reference(card)
    suspicion = Suspicion(job["labels"], card.get("task") == "multi-label", only)
    figures = counted_rows(folder, reference)
    drift = figures.drift(reference) if reference else []
    worklist = write_worklist(folder, folder.summary / "worklist.csv", suspicion, job["labels"])
    summary = {
        "rows": figures.rows,
        "finished": folder.success_file.is_file(),
        "input": job["input"],
        "model": {"name": card.get("name"), "variant": card.get("variant"), "sha256": job["model_sha256"]},
        "statuses": dict(figures.statuses.most_common()),
        "answers": dict(figures.answers.most_common()),
        "duplicates": figures.duplicates,
        "errors": dict(figures.errors.most_common(_KEPT)),
        "sources": _groups(figures.sources),
        "months": dict(sorted(_groups(figures.months).items())),
        "drift": [one.to_dict() for one in drift],
        "worklist": {"rows": worklist, "most": MOST, "suspicion": suspicion.rule},
        "notice": card.get("notice", ""),
    }
    write_bytes(folder.summary / "summary.json", json.dumps(summary, indent=1).encode())
    page = _page(summary, folder, figures, drift, reference)
    write_bytes(folder.summary / "index.html", page.encode())
    return {
        "images": figures.rows,
        "drift": ", ".join(one.name for one in drift if one.found) or ("none" if drift else "not known"),
        "worklist": str(folder.summary / "worklist.csv"),
        "page": str(folder.summary / "index.html"),
    }


def _card(folder: ScreenFolder) -> CardContent:
    try:
        content: CardContent = json.loads(folder.card_file.read_bytes())
    except (OSError, ValueError):
        raise DataError(f"The card of the model is required. Got: no {folder.card_file} that can be read.") from None
    return content


def _reference(card: CardContent) -> Mapping[str, Any] | None:
    """Return the card's `reference`; None where it has none, as those of earlier conversions, or one that is damaged."""
    reference = card.get("reference")
    try:
        if reference:
            reference_histograms(reference)
            return {**reference, "answers": dict(reference["answers"])}
    except (KeyError, TypeError, ValueError):
        pass
    return None


def _groups(groups: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    """Return the largest groups and their answers, the most frequent first."""
    largest = sorted(groups.items(), key=lambda one: (-one[1].total(), one[0]))[:_KEPT]
    return {name: dict(counts.most_common()) for name, counts in largest}


def _page(
    summary: Mapping[str, Any],
    folder: ScreenFolder,
    figures: Figures,
    drift: list[Drift],
    reference: Mapping[str, Any] | None,
) -> str:
    environment = Environment(
        loader=PackageLoader("freezenet.edge_runtime.screen.summary"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["share"] = lambda value, total: f"{value / total:.1%}" if total else ""
    environment.filters["title_of"] = _title
    expected = reference_histograms(reference) if reference else {}
    bars = {name: _bars(one, figures.histograms[name]) for name, one in expected.items() if name in figures.histograms}
    columns = list(summary["answers"])
    return environment.get_template("summary.html").render(
        summary=summary,
        drift=drift,
        bars=bars,
        reference=reference,
        columns=columns,
        sources=list(summary["sources"].items())[:_SHOWN],
        more_sources=max(0, len(figures.sources) - _SHOWN),
        months=list(summary["months"].items()),
        errors=list(summary["errors"].items())[:_SHOWN],
        passing=sum(figures.statuses[one] for one in PASSING),
        first=_first_rows(folder),
    )


def _title(quantity: str) -> str:
    """Return the name of a quantity for people."""
    if quantity.startswith(PROBABILITY):
        return f"probability of {quantity.removeprefix(PROBABILITY)}"
    return f"OOD gate {int(quantity.removeprefix(OOD)) + 1}" if quantity.startswith(OOD) else quantity


def _bars(reference: Histogram, found: Histogram) -> list[tuple[str, float, float]]:
    """Return for each bin: its range, and its share of the reference and of the archive, of the highest of all."""
    shares = [[count / max(1, one.total) for count in one.counts] for one in (reference, found)]
    highest = max(max(one) for one in shares) or 1.0
    last = max((place for place in range(len(found.counts)) if shares[0][place] or shares[1][place]), default=0)
    ranges = [f"{low:.3g} to {high:.3g}" for low, high in zip(reference.edges, reference.edges[1:], strict=False)]
    return [(ranges[place], shares[0][place] / highest, shares[1][place] / highest) for place in range(last + 1)]


def _first_rows(folder: ScreenFolder) -> list[list[str]]:
    import csv

    with (folder.summary / "worklist.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return [
            [row["rank"], row["suspicion"], row["label"] or row["reason"], row["uri"]]
            for row, _ in zip(rows, range(_FIRST), strict=False)
        ]
