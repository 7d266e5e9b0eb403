"""What a screening takes, costs and finds: the tables of `python -m studies.screen.NAME` and of docs/screen.md."""

from __future__ import annotations

import statistics
from datetime import timedelta
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from studies.tables import markdown
from studies.tables.pages import Page, each_result


def rates_section(result: dict[str, Any]) -> str:
    """Return the result of `studies.screen.rates.measure` as Markdown."""
    bare = result["predict_rates"]
    rows = [["bare `predict`, one core", *_rates(bare), ""]]
    for workers, found in result["rates"].items():
        shares = [one / (int(workers) * other) for one, other in zip(found, bare, strict=True)]
        turns = f"{statistics.median(shares):.3f} ({min(shares):.3f} to {max(shares):.3f})"
        rows.append([f"`screen --workers {workers}`", *_rates(found), turns])
    stages = ", ".join(f"{name} {value:.2f}" for name, value in result["stages_ms"].items())
    return "\n".join(
        [
            f"`python -m studies.screen.rates`, `{result['model']}`, {markdown.machine(result)}; {result['images']:,} files of "
            f"{result['mean_bytes'] / 1e3:.0f} kB on average, {result['repeats']} turns:",
            "",
            *markdown.table(
                ["", "images/s, median", "least and most", "of as many times bare `predict`, turn by turn"], rows
            ),
            "",
            f"Milliseconds of an image: {stages}. The process that lists and writes takes {result['own_ms']:.2f}, of which listing "
            f"{result['list_ms']:.3f} and writing {result['write_ms']:.3f}. From the start to the first row on the disk: "
            f"{statistics.median(result['first_row_seconds']):.1f} s (median of {len(result['first_row_seconds'])}).",
            "",
        ]
    )


def _rates(found: list[float]) -> tuple[str, str]:
    return f"{statistics.median(found):.1f}", f"{min(found):.1f} to {max(found):.1f}"


def cost_section(result: dict[str, Any]) -> str:
    """Return the result of `studies.screen.cost` as Markdown."""
    images = list(result["table"][0]["seconds"])
    rows = [
        [f"{one['bytes_per_image'] / 1e6:.2g} MB", f"{one['bytes_per_second'] / 1e6:,.0f} MB/s", str(one["cores"]),
         *(_duration(one["seconds"][count]) for count in images), one["saturated"]]
        for one in result["table"]
    ]  # fmt: skip
    ratios = ", ".join(f"{one['ratio']:.2f}" for one in result["agreement"])
    return "\n".join(
        [
            f"`python -m studies.screen.cost`: simulated from these stages, with {result['latency_ms']:.0f} ms until a bucket's first byte; simulated by "
            f"measured time of {len(result['agreement'])} runs: {ratios}. `cores` saturate where they answer all the time, `link` where the "
            "bucket's bandwidth is used up, `fetches` where all requests wait, `writer` where the one process that lists and writes works all the time.",
            "",
            *markdown.table(["file", "bucket", "cores", *(f"{int(count):,}" for count in images), "saturated"], rows),
            "",
        ]
    )


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds))) if seconds >= 60 else f"{seconds:.0f} s"


def drift_section(result: dict[str, Any]) -> str:
    """Return the result of `studies.screen.drift` as Markdown."""
    rows = []
    for kind, found in result["draws"].items():
        names = sorted({name for one in found for name in one["drift"]})
        said = binomtest(sum(bool(one["drift"]) for one in found), len(found))
        sure = said.proportion_ci(method="wilson")
        rows.append([kind, f"{said.k} of {said.n} [{sure.low:.2f}, {sure.high:.2f}]", ", ".join(names) or "none"])
    return "\n".join(
        [
            f"`python -m studies.screen.drift`, `{result['model']}`, archives of {result['images']} images drawn from {result['own']}; replaced: half of "
            f"them by {result['other']}:",
            "",
            *markdown.table(["draw", "drift said, 95 % interval", "of"], rows),
            "",
        ]
    )


def equality_section(result: dict[str, Any]) -> str:
    """Return the result of `studies.screen.equality` as Markdown."""
    rows = [
        [one["folder"], str(one["files"]), ", ".join(f"{count} {status}" for status, count in one["statuses"].items()),
         str(one["different"])]
        for one in result["folders"]
    ]  # fmt: skip
    return "\n".join(
        [
            f"`python -m studies.screen.equality`, `{result['model']}`: rows against `predict`, every number and every sentence:",
            "",
            *markdown.table(["folder", "files", "rows", "different"], rows),
            "",
        ]
    )


def kills_section(result: dict[str, Any]) -> str:
    """Return the result of `studies.stress.screen` as Markdown."""
    killed = ", ".join(f"{count} {kind}" for kind, count in result["killed"].items())
    memory = result["memory_mb"]
    flat = f" Memory of all processes after a tenth and after nine tenths of the quiet run: {memory[1][1]:.0f} and {memory[9][1]:.0f} MB."
    return (
        f"`python -m studies.stress.screen`, `{result['model']}`: {result['files']:,} files, {result['kills']} SIGKILLs ({killed}): {result['lost']} files "
        f"lost, {result['doubled']} twice, {result['different']} rows unlike those of the quiet run.{flat if memory else ''}\n"
    )


def _part(results: Path) -> str:
    sections = (
        ("screen-rates", rates_section),
        ("screen-cost", cost_section),
        ("screen-kills", kills_section),
        ("screen-drift", drift_section),
        ("screen-equality", equality_section),
    )
    return "\n".join(filter(None, (each_result(results, name, section) for name, section in sections)))


PAGE = Page("docs/screen.md", "screen_page", _part)

if __name__ == "__main__":
    PAGE.command()()
