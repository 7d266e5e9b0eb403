"""Shares with their intervals, as a report prints them."""

from __future__ import annotations

from collections.abc import Mapping

from freezenet.train.metrics.figure import Figure


def percent(figure: Mapping[str, float]) -> str:
    """Return a share with its interval, e.g. "92.3 % [88.1, 95.6]"."""
    return f"{Figure(**figure).times(100):.1f %}"


def hundredths(figure: Mapping[str, float]) -> str:
    """Return the same without the sign, for a table that says so, e.g. "92.3 [88.1, 95.6]"."""
    return f"{Figure(**figure).times(100):.1f}"
