"""The picture of an audit: how often the probe is right from each view of the images, and from what is no picture at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as Drawing

from freezenet.train.audit.views import TITLES
from freezenet.train.files import write_atomically

#: What shows nothing of a disease stands out.
_FOREIGN = ("source", "stored_size", "file_format", "marks")


def draw(found: dict[str, Any]) -> Drawing:
    """Draw the accuracy of each view with its interval, in percent as the sentences name it. found: of `audit`."""
    names = [name for name in TITLES if name in found["views"]]
    figure = Drawing(figsize=(8, 1.4 + 0.34 * len(names)))
    axis = figure.subplots()
    titles = []
    for place, name in enumerate(names):
        one = found["views"][name]
        value, low, high = (100 * one["accuracy"][key] for key in ("value", "low", "high"))
        some = one.get("images", found["images"])
        titles.append(TITLES[name] if some == found["images"] else f"{TITLES[name]}, {some} images")
        color = "#4c72b0" if name == "whole" else "#c44e52" if name in _FOREIGN else "#dd8452"
        axis.barh(
            place, value, color=color, alpha=0.75, xerr=[[max(0, value - low)], [max(0, high - value)]], capsize=3
        )
        axis.text(114, place, f"{value:.0f} %", va="center", ha="right", fontsize=9)
    majority = 100 * found["majority"]
    axis.axvline(majority, color="black", linestyle="--", linewidth=1)
    axis.text(majority, -0.75, f" most frequent class alone: {majority:.0f} %", fontsize=8, va="bottom")
    axis.text(114, -0.75, "right", fontsize=8, va="bottom", ha="right")
    axis.set_yticks(range(len(names)), titles)
    axis.set_xlim(0, 115)
    axis.set_xticks([0, 20, 40, 60, 80, 100])
    axis.set_ylim(len(names) - 0.4, -1.2)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_xlabel(
        f"right in % of {found['images']} cases: the probe, a simple stand-in and not the network\n"
        "thin lines: 95 % intervals over patients; red: what shows nothing of a disease"
    )
    axis.xaxis.label.set_fontsize(9)
    axis.grid(axis="x", alpha=0.3)
    figure.tight_layout()
    return figure


def write_picture(found: dict[str, Any], path: Path) -> None:
    """Write the picture as PNG. found: of `audit`."""
    drawing = draw(found)
    write_atomically(path, lambda temporary: drawing.savefig(temporary, dpi=120, format="png"))
