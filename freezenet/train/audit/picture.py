"""The picture of an audit: how much of the score each view keeps, and what the views look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as Drawing

from freezenet.train.audit.verdict import as_part
from freezenet.train.files import write_atomically

#: View -> its name in the picture, in this order.
TITLES = {
    "whole": "whole image",
    "lungs_only": "lungs only",
    "border_out": "border out",
    "marks_out": "marks painted over",
    "centre_out": "middle out",
    "lungs_out": "lungs out",
    "thumbnail": "thumbnail 8 x 8",
    "histogram": "histogram",
    "source": "name of the source",
    "stored_size": "stored size",
    "file_format": "file format",
    "marks": "marks alone",
}
#: What shows nothing of a disease stands out.
_FOREIGN = ("source", "stored_size", "file_format", "marks")


def draw(found: dict[str, Any]) -> Drawing:
    """Draw the accuracy of each view with its interval, and the share of the score that remains. found: of `audit`."""
    names = [name for name in TITLES if name in found["views"]]
    figure = Drawing(figsize=(8, 1.4 + 0.34 * len(names)))
    axis = figure.subplots()
    for place, name in enumerate(names):
        one = found["views"][name]
        value, low, high = (one["accuracy"][key] for key in ("value", "low", "high"))
        color = "#4c72b0" if name == "whole" else "#c44e52" if name in _FOREIGN else "#dd8452"
        axis.barh(
            place, value, color=color, alpha=0.75, xerr=[[max(0, value - low)], [max(0, high - value)]], capsize=3
        )
        share = one["remaining"]
        remains = as_part(share["value"]) if share and name != "whole" else ""
        axis.text(1.14, place, remains, va="center", ha="right", fontsize=9)
    axis.axvline(found["majority"], color="black", linestyle="--", linewidth=1)
    axis.text(found["majority"], -0.75, " most frequent class", fontsize=8, va="bottom")
    axis.text(1.14, -0.75, "remains", fontsize=8, va="bottom", ha="right")
    axis.set_yticks(range(len(names)), [TITLES[name] for name in names])
    axis.set_xlim(0, 1.15)
    axis.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axis.set_ylim(len(names) - 0.4, -1.2)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_xlabel(
        f"accuracy of a probe on {found['images']} images; bars: 95 % intervals over patients; red shows nothing of a disease"
    )
    axis.xaxis.label.set_fontsize(9)
    axis.grid(axis="x", alpha=0.3)
    figure.tight_layout()
    return figure


def write_picture(found: dict[str, Any], path: Path) -> None:
    """Write the picture as PNG. found: of `audit`."""
    drawing = draw(found)
    write_atomically(path, lambda temporary: drawing.savefig(temporary, dpi=120, format="png"))
