"""The pictures of one variant in a report, each a panel of its own so that a phone can show it: ROC, precision and recall, reliability, risk and coverage, differences of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

#: Inches.
_PANEL = 3.6


def pictures(comparison: Mapping[str, Any], name: str) -> dict[str, Figure]:
    """Return the pictures of a variant that there are figures for: "differences", "roc", "pr", "reliability", "risk".

    Args:
        comparison: what `freezenet.benchmarks.compare.compare` returned.
        name: of the variant.
    """
    one, reference = comparison["variants"][name], comparison["reference"]
    found = {}
    if "verdict" in one:
        found["differences"] = _differences(one["verdict"], name, reference)
    if "curves" in one:
        both = {key: comparison["variants"][key] for key in dict.fromkeys((reference, name))}
        if one["curves"]["roc"]:  # of images of one class alone there is none
            found |= {"roc": _roc(one), "pr": _pr(one)}
        found |= {"reliability": _reliability(both, name), "risk": _risk(both)}
    return found


def _roc(one: Mapping[str, Any]) -> Figure:
    figure, axis = _panel("ROC, each class against the rest", "wrongly named (1 - specificity)", "found (recall)")
    for label, points in one["curves"]["roc"].items():
        axis.plot(points["x"], points["y"], label=_named(label, one["probabilities"]["auroc"]["per_class"][label]))
    axis.plot([0, 1], [0, 1], ":", color="gray")
    _unit(axis)
    axis.legend(title="AUROC", fontsize=8, loc="lower right")
    return figure


def _pr(one: Mapping[str, Any]) -> Figure:
    figure, axis = _panel("Precision and recall", "found (recall)", "of those named, right (precision)")
    for label, points in one["curves"]["pr"].items():
        # Before the surest answer there is none: its precision is drawn from a recall of 0.
        x, y = [0, *points["x"]], [points["y"][0], *points["y"]]
        name = _named(label, one["probabilities"]["auprc"]["per_class"][label])
        (line,) = axis.plot(x, y, drawstyle="steps-pre", label=name)
        axis.axhline(points["share"], ls=":", lw=0.8, color=line.get_color())
    _unit(axis)
    axis.legend(title="AUPRC", fontsize=8, loc="lower left")
    return figure


def _reliability(variants: Mapping[str, Mapping[str, Any]], shown: str) -> Figure:
    """Draw how often answers are right at each confidence, with the number of answers of the variant that is shown."""
    figure, axis = _panel("Reliability", "confidence", "share that is right")
    for name, one in variants.items():
        bins = one["curves"]["reliability"]
        x, y = [each["confidence"] for each in bins], [each["right"] for each in bins]
        low = [max(0.0, each["right"] - each["low"]) for each in bins]
        high = [max(0.0, each["high"] - each["right"]) for each in bins]
        axis.errorbar(x, y, [low, high], fmt="o-", ms=4, lw=1, capsize=2, label=name, alpha=0.85)
        if name == shown:
            for place, share, each in zip(x, y, bins, strict=True):
                axis.annotate(str(each["decisions"]), (place, share), (4, -9), textcoords="offset points", fontsize=7)
    axis.plot([0, 1], [0, 1], ":", color="gray")
    _unit(axis)
    axis.legend(fontsize=8)
    return figure


def _risk(variants: Mapping[str, Mapping[str, Any]]) -> Figure:
    figure, axis = _panel(
        "Risk and coverage", "share that is answered, the surest first", "share of these that is wrong"
    )
    for name, one in variants.items():
        points, rule = one["curves"]["risk"], one["probabilities"]
        (line,) = axis.plot(points["coverage"], points["risk"], label=name)
        answered = rule["coverage"]["value"] if rule["coverage"] else 0
        if answered > 0:
            wrong = 1 - rule["accuracy_answered"]["value"]
            axis.plot(answered, wrong, "o", color=line.get_color(), mec="black", label=f"{name}: what it answers")
    axis.set(xlim=(0, 1.02), ylim=(0, None))
    _in_percent(axis)
    axis.legend(fontsize=8, loc="upper left")
    return figure


def _differences(verdict: Mapping[str, Any], name: str, reference: str) -> Figure:
    """Draw each figure that a verdict rests on: the difference with its interval, and the margin."""
    ends = verdict["endpoints"]
    figure = Figure(figsize=(2 * _PANEL, 0.8 + 0.42 * len(ends)), layout="constrained")
    axis = figure.subplots()
    for place, one in enumerate(ends):
        value, low, high = (100 * one["difference"][key] for key in ("value", "low", "high"))
        axis.plot([low, high], [place, place], color="#4c72b0", lw=2)
        axis.plot(value, place, "o", color="#4c72b0")
        margin = -100 * one["margin"]
        axis.plot(
            [margin, margin], [place - 0.35, place + 0.35], color="#c44e52", lw=2, label=None if place else "the margin"
        )
    axis.axvline(0, color="gray", lw=0.8)
    axis.set_yticks(range(len(ends)), [plain(one["name"]) for one in ends])
    axis.invert_yaxis()
    axis.set_xlabel(f"{name} less {reference}, points")
    axis.grid(axis="x", alpha=0.3)
    axis.legend(fontsize=8)
    return figure


def _panel(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(1.25 * _PANEL, 1.1 * _PANEL), layout="constrained")
    axis = figure.subplots()
    axis.set(title=title, xlabel=x, ylabel=y)
    axis.grid(alpha=0.3)
    return figure, axis


def _unit(axis: Axes) -> None:
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    _in_percent(axis)


def _in_percent(axis: Axes) -> None:
    axis.xaxis.set_major_formatter(in_percent())
    axis.yaxis.set_major_formatter(in_percent())


def in_percent() -> PercentFormatter:
    """Return what writes the shares of an axis as the text writes them."""
    return PercentFormatter(1, decimals=None, symbol=" %")


def _named(label: str, area: Mapping[str, float]) -> str:
    return f"{plain(label)}, {100 * area['value']:.1f} %"


def plain(text: str) -> str:
    """Return a name as a picture shows it: without underscores, and without a dollar sign, which would begin a formula."""
    return text.replace("_", " ").replace("$", r"\$")
