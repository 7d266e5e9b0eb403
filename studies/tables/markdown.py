"""Tables in Markdown, and the few phrases that stand beside every one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [_row(headings), "|---" * len(headings) + "|", *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


class Notes:
    """Reasons that do not fit into a cell: numbered there, written out below the table."""

    def __init__(self) -> None:
        """Begin without any."""
        self._reasons: list[str] = []

    def number(self, reason: str) -> str:
        """Return the mark of a reason, the same for the same reason."""
        if reason not in self._reasons:
            self._reasons.append(reason)
        return f"({self._reasons.index(reason) + 1})"

    def lines(self) -> list[str]:
        """Return an empty line and the numbered reasons, or nothing."""
        shown = [f"{number}. {_escaped(reason)}" for number, reason in enumerate(self._reasons, 1)]
        return ["", *shown] if shown else []


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<")


def spread(figure: dict[str, float], shown: str = ".3f") -> str:
    """Return "mean ± standard deviation"; the deviation has no sign, whatever the format `shown` says of the mean."""
    return f"{figure['mean']:{shown}} ± {figure['sd']:{shown.lstrip('+')}}"


def machine(result: dict[str, Any]) -> str:
    """Return the processor and its cores."""
    return f"{result['environment']['cpu']} with {result['environment']['cores']} cores"


def packages(result: dict[str, Any], *names: str) -> str:
    """Return those of the packages that were installed, with their versions."""
    found = result["environment"]["packages"]
    return ", ".join(f"{name} {found[name]}" for name in names if name in found)
