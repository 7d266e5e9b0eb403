"""The pictures of one variant in a report: ROC, precision and recall, reliability, risk and coverage, differences of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Inches.
_PANEL = 3.6


def ranking_curves(one: Mapping[str, Any]) -> Figure:
    """Draw ROC beside precision and recall, a line for each class. one: "curves" and "probabilities" of a variant."""
    figure, (roc, pr) = _panels()
    areas = one["probabilities"]
    for label, points in one["curves"]["roc"].items():
        roc.plot(points["x"], points["y"], label=_named(label, "AUROC", areas["auroc"]["per_class"][label]))
    roc.plot([0, 1], [0, 1], ":", color="gray")
    roc.set(xlabel="wrongly named (1 - specificity)", ylabel="found (recall)", title="ROC, each class against the rest")
    for label, points in one["curves"]["pr"].items():
        # Before the surest answer there is none: its precision is drawn from a recall of 0.
        x, y = [0, *points["x"]], [points["y"][0], *points["y"]]
        (line,) = pr.plot(x, y, drawstyle="steps-pre", label=_named(label, "AUPRC", areas["auprc"]["per_class"][label]))
        pr.axhline(points["share"], ls=":", lw=0.8, color=line.get_color())
    pr.set(xlabel="found (recall)", ylabel="of those named, right (precision)", title="Precision and recall")
    for axis in (roc, pr):
        _unit(axis)
        axis.legend(fontsize=7, loc="lower center")
    return figure


def confidence_curves(variants: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw how far confidence can be believed beside what abstaining brings, a line for each variant."""
    figure, (reliability, risk) = _panels()
    for number, (name, one) in enumerate(variants.items()):
        bins = one["curves"]["reliability"]
        x, y = [each["confidence"] for each in bins], [each["right"] for each in bins]
        low = [max(0.0, each["right"] - each["low"]) for each in bins]
        high = [max(0.0, each["high"] - each["right"]) for each in bins]
        reliability.errorbar(x, y, [low, high], fmt="o-", ms=4, lw=1, capsize=2, label=name, alpha=0.85)
        points = one["curves"]["risk"]
        (line,) = risk.plot(points["coverage"], points["risk"], label=name)
        rule = one["probabilities"]
        given = (rule["coverage"]["value"], 1 - rule["accuracy_answered"]["value"])
        if given[0] > 0:
            label = "what the device answers" if number == 0 else None
            risk.plot(*given, "o", color=line.get_color(), mec="black", label=label)
    reliability.plot([0, 1], [0, 1], ":", color="gray")
    _unit(reliability)
    reliability.set(xlabel="confidence", ylabel="share that is right", title="Reliability")
    risk.set(
        xlabel="share that is answered, the surest first",
        ylabel="share of these that is wrong",
        title="Risk and coverage",
    )
    risk.set(xlim=(0, 1.02), ylim=(0, None))
    risk.grid(alpha=0.3)
    for axis in (reliability, risk):
        axis.legend(fontsize=8)
    return figure


def difference_picture(verdict: Mapping[str, Any], name: str, reference: str) -> Figure:
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
    axis.set_yticks(range(len(ends)), [_plain(one["name"]) for one in ends])
    axis.invert_yaxis()
    axis.set_xlabel(f"{name} less {reference}, points")
    axis.grid(axis="x", alpha=0.3)
    axis.legend(fontsize=8)
    return figure


def _panels() -> tuple[Figure, Any]:
    figure = Figure(figsize=(2 * _PANEL + 0.6, _PANEL), layout="constrained")
    return figure, figure.subplots(1, 2)


def _unit(axis: Axes) -> None:
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axis.set_aspect("equal")
    axis.grid(alpha=0.3)


def _named(label: str, figure: str, area: Mapping[str, float]) -> str:
    return f"{_plain(label)}, {figure} {area['value']:.3f}"


def _plain(text: str) -> str:
    # A dollar sign would begin a formula.
    return text.replace("_", " ").replace("$", r"\$")
