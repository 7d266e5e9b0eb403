"""The figures of a cross-validation: one row per fold, means and deviations per recipe, tests between recipes, a picture."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import false_discovery_control

from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.names import counted
from freezenet.edge_runtime.system.environment import environment
from freezenet.train.answers.calibration import measure_confidence
from freezenet.train.crossval.plan import CrossValidation, Fold
from freezenet.train.crossval.resampled_test import corrected_resampled_test
from freezenet.train.crossval.transfer import write_transfer
from freezenet.train.data.training_data import TrainingData
from freezenet.train.files import read_json, write_atomically, write_csv, write_json
from freezenet.train.metrics.sources import source_table
from freezenet.train.run import Run
from freezenet.train.run_folder import Metrics

FOLDS = "folds.csv"
SUMMARY = "crossval.json"
PICTURE = "crossval.png"
_OF_CLASS = ("recall", "precision", "f1")


def write_table(asked: CrossValidation, out: Path, data: dict[str, TrainingData]) -> dict[str, Any]:
    """Write folds.csv, crossval.json and, with the extra [report], crossval.png; return what stands in crossval.json.

    With a column to leave out by, also transfer.csv; its figures stand under "transfer". data: by arm.
    """
    rows = [_row(fold, fold.run(out).read_metrics()) for fold in asked.all_folds()]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    write_csv(out / FOLDS, columns, [[row.get(name, "") for name in columns] for row in rows])
    summary = summarize(rows)
    for arm, found in summary["recipes"].items():
        found["confidence"] = pooled_confidence(fold.run(out).folder for fold in asked.folds_of(arm))
    summary |= {
        "data": asked.data.name,
        "weights": Path(asked.options.weights).name,
        "folds": asked.folds,
        "seeds": list(asked.seeds),
        "rows": rows,
        "environment": environment(),
    }
    summary["elsewhere"] = {arm: source_table(data[arm].dataset.table("source")).elsewhere for arm in asked.recipes}
    if asked.leave_out:
        summary["transfer"] = write_transfer(asked, out, data)
    before = read_json(out / SUMMARY) if (out / SUMMARY).is_file() else {}
    if before.get("variants") and before["seeds"] == summary["seeds"]:
        summary["variants"] = before["variants"]  # of the same trainings; only --variants makes them anew
    if before.get("transfer") and not asked.leave_out and before["seeds"] == summary["seeds"]:
        summary["transfer"] = before["transfer"]  # as well; a call for something else does not forget it
    write_json(out / SUMMARY, summary)
    with contextlib.suppress(ModuleNotFoundError):  # a cluster's node needs no plots
        write_picture(summary, out / PICTURE)
    return summary


def _row(fold: Fold, metrics: Metrics) -> dict[str, Any]:
    """Return the figures of one fold, those of classes as `recall CLASS` and so on."""
    sure = metrics["confidence"]["test"]
    return {
        "recipe": fold.arm,
        "seed": fold.seed,
        "fold": fold.number,
        "train_images": metrics["train"]["images"],
        "test_images": metrics["images"],
        "accuracy": metrics["accuracy"]["value"],
        "macro_f1": metrics["macro_f1"]["value"],
        **{
            f"{name} {label}": figures[name]["value"]
            for name in _OF_CLASS
            for label, figures in metrics["per_class"].items()
        },
        "smallest_class": min(metrics["per_class"], key=lambda label: metrics["per_class"][label]["support"]),
        "ece_before": sure["ece_before"]["value"],
        "ece_after": sure["ece_after"]["value"],
        "validation_accuracy": metrics["validation"]["accuracy"]["value"],
        "validation_macro_f1": metrics["validation"]["macro_f1"]["value"],
        "epochs": metrics["epochs"],
        "fit_seconds": metrics["seconds"]["fit"],
    }


def summarize(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means and deviations of each recipe, and the tests between each two of them.

    rows: as in folds.csv. Compared are accuracy, macro_f1 and the recall of the class that is the smallest in most folds; on the
    folds that both recipes have. p_adjusted holds for all comparisons of a figure together (Benjamini & Yekutieli 2001).
    """
    arms = list(dict.fromkeys(row["recipe"] for row in rows))
    smallest = statistics.mode(row["smallest_class"] for row in rows)
    figures = ["accuracy", "macro_f1", f"recall {smallest}"]
    return {
        "smallest_class": smallest,
        "recipes": {arm: _means([row for row in rows if row["recipe"] == arm]) for arm in arms},
        "comparisons": {figure: _comparisons(rows, arms, figure) for figure in figures},
    }


def _means(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = [name for name, value in rows[0].items() if isinstance(value, float) or name == "epochs"]
    found: dict[str, Any] = {"trainings": len(rows)}
    for name in names:
        values = [row[name] for row in rows if name in row]
        found[name] = {
            "mean": round(statistics.mean(values), 6),
            "sd": round(statistics.stdev(values), 6) if len(values) > 1 else 0.0,
        }
    return found


def _comparisons(rows: list[dict[str, Any]], arms: list[str], figure: str) -> list[dict[str, Any]]:
    by_arm = {arm: {(row["seed"], row["fold"]): row for row in rows if row["recipe"] == arm} for arm in arms}
    found: list[dict[str, Any]] = []
    for one, other in combinations(arms, 2):
        pairs = [(row, by_arm[other][fold]) for fold, row in by_arm[one].items() if fold in by_arm[other]]
        if len(pairs) < 2 or any(figure not in row for pair in pairs for row in pair):
            continue
        ratio = statistics.mean(a["test_images"] / a["train_images"] for a, _ in pairs)
        result = corrected_resampled_test([a[figure] - b[figure] for a, b in pairs], ratio)
        found.append({
            "recipe": one,
            "other": other,
            "folds": len(pairs),
            "difference": {
                "value": round(result.mean, 6), "low": round(result.low, 6), "high": round(result.high, 6),
            },
            "p": round(result.p, 6),
        })  # fmt: skip
    if found:
        adjusted = np.round(false_discovery_control([one["p"] for one in found], method="by"), 6)
        for comparison, p in zip(found, adjusted.tolist(), strict=True):
            comparison["p_adjusted"] = p
    return found


def pooled_confidence(folders: Iterable[Path]) -> dict[str, Any]:
    """Return calibration and abstention of the tested images of all these RUN folders, each by its own rule.

    Every image is tested once in each seed, so all of them count: a single test split of some hundred images shows a calibrated
    model a large error, by chance alone; all folds together show less. See
    `freezenet.train.answers.calibration.measure_confidence`.
    """
    parts, patients = [], []
    for folder in folders:
        run = Run.open(folder)
        rows = run.read_predictions("test")
        scores = np.array([[float(row[label]) for label in run.labels] for row in rows])
        truth = run.task.truth([row["class"] for row in rows], run.labels)
        parts.append((DecisionRule.from_dict(run.decision, run.labels), scores, truth))
        patient_of = {row["file"]: row["patient_id"] for row in run.splits}
        patients += [patient_of[row["file"]] for row in rows]
    return measure_confidence(parts, patients)


def write_picture(summary: dict[str, Any], path: Path) -> None:
    """Draw every fold as a dot with mean and deviation beside it, as PNG.

    Args:
        summary: of `summarize`, with "rows", "folds" and "seeds".
        path: of the picture.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figures, arms = list(summary["comparisons"]), list(summary["recipes"])
    drawing = Figure(figsize=(4.2 * len(figures), 1.2 + 0.42 * len(arms)))
    axes = drawing.subplots(1, len(figures), sharey=True, squeeze=False)
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
