"""The ways from a file to an answer, side by side: the table of `python -m studies.peers` and of docs/results.md."""

from __future__ import annotations

from typing import Any

from studies.peers.files import SIDES
from studies.tables import markdown


def peers_table(result: dict[str, Any]) -> str:
    """Return the result of `studies.peers.measure.measure` as a Markdown table, the reasons numbered below."""
    notes = markdown.Notes()

    def cells(way: dict[str, Any]) -> list[str]:
        if way["skipped"]:
            return [notes.number(way["skipped"])] * (len(SIDES) + 2)
        first, peak = way["start"]["first_answer_ms"], way["start"]["peak_memory_bytes"]
        return [
            *(_cell(way["files"][file], notes) for file in SIDES),
            "" if first is None else f"{first:.0f}",
            "" if peak is None else f"{peak / 1e6:.0f}",
        ]

    rows = [[name, way["network"], way["pixels"], *cells(way)] for name, way in result["ways"].items()]
    headings = ["way", "network", "pixels by", *SIDES, "first answer ms", "peak memory MB"]
    return "\n".join([*markdown.table(headings, rows), *notes.lines(), "", _folder(result["folder"]), ""])


def _cell(figures: dict[str, Any], notes: markdown.Notes) -> str:
    if "cannot" in figures:
        return notes.number(figures["cannot"])
    ratio = figures["ours_to_this"]
    parts = [f"{figures['p50_ms']:.1f} / {figures['p95_ms']:.1f}"]
    parts += [] if ratio is None or ratio == 1 else [f"{ratio:.2f}"]
    parts += ["**another class**"] if figures["same_class"] is False else []
    return "; ".join(parts)


def _folder(folder: dict[str, Any]) -> str:
    if folder["skipped"]:
        return f"Folder: not measured. {folder['skipped']}"
    rates = folder["images_per_second"]
    return (
        f"`freezenet predict FOLDER`, {folder['images']} JPEG files (half 512, half 2048 px): {rates['1']:.0f} images per second on "
        f"one core, {rates['2']:.0f} on two: {folder['ratio']:.2f} times as many."
    )
