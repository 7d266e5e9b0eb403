"""The ways from a file to an answer, side by side: the table of `python -m studies.peers` and of docs/results.md."""

from __future__ import annotations

from typing import Any

from freezenet.train.metrics.figure import Figure
from studies.peers.files import SIDES
from studies.tables import markdown


def peers_table(result: dict[str, Any]) -> str:
    """Return the result of `studies.peers.measure.measure` as a Markdown table of what was measured, the reasons numbered below."""
    notes = markdown.Notes()
    measured = [way for way in result["ways"].values() if not way["skipped"]]
    # Without a run there is no accuracy; results of earlier versions have no weight.
    with_accuracy, with_weight = (any(way.get(key) for way in measured) for key in ("accuracy", "weight"))
    headings = [
        *(["macro-F1", "other answers"] if with_accuracy else []),
        *SIDES,
        *("first answer ms", "peak memory MB"),
        *(["installed MB"] if with_weight else []),
    ]

    def cells(way: dict[str, Any]) -> list[str]:
        if way["skipped"]:
            return [notes.number(way["skipped"])] * len(headings)
        first, peak = way["start"]["first_answer_ms"], way["start"]["peak_memory_bytes"]
        return [
            *(_accuracy(way["accuracy"], notes) if with_accuracy else []),
            *(_cell(way["files"][file], notes) for file in SIDES),
            "" if first is None else f"{first:.0f}",
            "" if peak is None else f"{peak / 1e6:.0f}",
            *([_weight(way["weight"], notes)] if with_weight else []),
        ]

    rows = [[name, way["network"], way["pixels"], *cells(way)] for name, way in result["ways"].items()]
    table = markdown.table(["way", "network", "pixels by", *headings], rows)
    return "\n".join([*table, *notes.lines(), "", _folder(result["folder"]), ""])


def _cell(figures: dict[str, Any], notes: markdown.Notes) -> str:
    if "cannot" in figures:
        return notes.number(figures["cannot"])
    ratio = figures["ours_to_this"]
    parts = [f"{figures['p50_ms']:.1f} / {figures['p95_ms']:.1f}"]
    parts += [] if ratio is None or ratio == 1 else [f"{ratio:.2f}"]
    parts += ["**another class**"] if figures["same_class"] is False else []
    return "; ".join(parts)


def _accuracy(figures: dict[str, Any], notes: markdown.Notes) -> list[str]:
    """Return macro-F1 with its interval, and how many answers are not those of the float32 file."""
    if "cannot" in figures:
        return [notes.number(figures["cannot"])] * 2
    other = figures["other_answers"]
    return [str(Figure(**figures["macro_f1"])), "" if other is None else str(other)]


def _weight(figures: dict[str, Any], notes: markdown.Notes) -> str:
    return notes.number(figures["cannot"]) if "cannot" in figures else f"{figures['megabytes']:.0f}"


def _folder(folder: dict[str, Any]) -> str:
    if folder["skipped"]:
        return f"Folder: not measured. {folder['skipped']}"
    rates = folder["images_per_second"]
    return (
        f"`freezenet predict FOLDER`, {folder['images']} JPEG files (half 512, half 2048 px): {rates['1']:.0f} images per second on "
        f"one core, {rates['2']:.0f} on two: {folder['ratio']:.2f} times as many."
    )
