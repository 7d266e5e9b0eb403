"""The figures as a table, for a terminal and for the README."""

from __future__ import annotations

from typing import Any

from studies.peers.files import SIDES


def table(result: dict[str, Any]) -> str:
    """Return the result of `studies.peers.measure.measure` as a Markdown table, the reasons numbered below."""
    reasons: list[str] = []

    def numbered(reason: str) -> str:
        if reason not in reasons:
            reasons.append(reason)
        return f"({reasons.index(reason) + 1})"

    lines = [
        f"| way | network | pixels by | {' | '.join(SIDES)} | first answer ms | peak memory MB |",
        f"|---|---|---|{'---|' * len(SIDES)}---|---|",
    ]
    for name, way in result["ways"].items():
        if way["skipped"]:
            cells = [numbered(way["skipped"])] * (len(SIDES) + 2)
        else:
            cells = [_cell(way["files"][file], numbered) for file in SIDES]
            first, peak = way["start"]["first_answer_ms"], way["start"]["peak_memory_bytes"]
            cells += ["" if first is None else f"{first:.0f}", "" if peak is None else f"{peak / 1e6:.0f}"]
        lines.append(f"| {name} | {way['network']} | {way['pixels']} | {' | '.join(cells)} |")
    notes = [f"{number}. {' '.join(reason.split()).replace('|', chr(92) + '|')}" for number, reason in enumerate(reasons, 1)]  # fmt: skip
    return "\n".join([*lines, *([""] if notes else []), *notes, "", _folder(result["folder"]), ""])


def _cell(figures: dict[str, Any], numbered: Any) -> str:
    if "cannot" in figures:
        return numbered(figures["cannot"])
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
        f"one core, {rates['2']:.0f} on two, {folder['ratio']:.2f} times."
    )
