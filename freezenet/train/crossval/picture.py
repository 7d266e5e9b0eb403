"""A cross-validation as a picture: every fold a dot, mean and deviation beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from freezenet.edge_runtime.names import counted
from freezenet.train.files import write_atomically


def write_picture(summary: dict[str, Any], path: Path) -> None:
    """Draw the compared figures of a `freezenet.train.crossval.table.summarize`d cross-validation, with its "rows", "folds" and "seeds", as PNG."""
    figures, arms = list(summary["comparisons"]), list(summary["recipes"])
    drawing, axes = plt.subplots(
        1, len(figures), figsize=(4.2 * len(figures), 1.2 + 0.42 * len(arms)), sharey=True, squeeze=False
    )
    scatter = np.random.default_rng(0)
    for axis, figure in zip(axes[0], figures, strict=True):
        for place, arm in enumerate(arms):
            values = [row[figure] for row in summary["rows"] if row["recipe"] == arm and figure in row]
            axis.scatter(values, place + scatter.uniform(-0.18, 0.18, len(values)), s=14, alpha=0.5, color="#4c72b0")
            found = summary["recipes"][arm].get(figure)
            if found:
                axis.errorbar(found["mean"], place, xerr=found["sd"], fmt="D", color="#c44e52", capsize=4, markersize=5)
        low, high = axis.get_xlim()
        axis.set_xlim(max(low, -0.02), min(high, 1.02))  # all figures are shares; a deviation may reach beyond
        axis.set_title(figure.replace("macro_f1", "macro-F1"))
        axis.xaxis.set_major_locator(MaxNLocator(5))
        axis.grid(axis="x", alpha=0.3)
    axes[0][0].set_yticks(range(len(arms)), arms)
    axes[0][0].invert_yaxis()
    drawn = f"{summary['folds']} folds, {counted(len(summary['seeds']), 'seed')}"
    drawing.supxlabel(f"dots: trainings ({drawn}); diamond and bar: mean ± standard deviation", fontsize=9)
    drawing.tight_layout()
    write_atomically(path, lambda temporary: drawing.savefig(temporary, dpi=120, format="png"))
    plt.close(drawing)
