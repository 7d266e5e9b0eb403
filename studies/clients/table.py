"""The table client x variant, for a terminal and for docs/clients.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from freezenet.train.files import read_json
from studies.clients.cell import Cell
from studies.tables.pages import begin_mark, with_part

BEGIN = begin_mark("python -m studies.clients --write-docs")


def table(result: dict[str, Any]) -> str:
    """Return the result of `studies.clients.matrix.measure` as a Markdown table, the reasons numbered below."""
    variants = result["variants"]
    reasons: list[str] = []
    lines = [f"| client | {' | '.join(variants)} |", f"|---|{'---|' * len(variants)}"]
    for one in result["clients"].values():
        cells = [Cell.from_dict(one["cells"][variant]) for variant in variants]
        for cell in cells:
            if cell.reason and cell.reason not in reasons:
                reasons.append(cell.reason)
        texts = [f"{cell.text()} ({reasons.index(cell.reason) + 1})" if cell.reason else cell.text() for cell in cells]
        lines.append(f"| {one['summary']} | {' | '.join(texts)} |")
    numbered = [f"{number}. {_one_line(reason)}" for number, reason in enumerate(reasons, 1)]
    return "\n".join([*lines, *([""] if numbered else []), *numbered, ""])


def page_with_tables(page: str, results: Path) -> str:
    """Return docs/clients.md with the part between the two marks made anew from the files in `results`."""
    tables = "\n".join(_section(read_json(path)) for path in sorted(results.glob("clients-*.json")))
    return with_part(page, BEGIN, f"{tables}\n")


def _section(result: dict[str, Any]) -> str:
    packages, machine = result["environment"]["packages"], result["environment"]["cpu"]
    named = ", ".join(f"{name} {packages[name]}" for name in ("tensorflow", "ai-edge-litert") if name in packages)
    return f"Recipe `{result['recipe']}`; {machine}; {named}:\n\n{table(result)}"


def _one_line(reason: str) -> str:
    return " ".join(reason.split()).replace("|", "\\|").replace("<", "\\<")
