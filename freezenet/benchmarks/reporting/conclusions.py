"""What may be concluded from a report and what may not, each sentence complete in itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from freezenet.benchmarks.reporting.label_counts import LabelCounts, rare_example
from freezenet.benchmarks.reporting.shares import percent
from freezenet.benchmarks.reporting.silence import answered_by_group
from freezenet.train.metrics.sources import SourceTable


def concluded(name: str, comparison: Mapping[str, Any], groups: Sequence[Mapping[str, Any]], worst: str) -> list[str]:
    """Return what may be concluded.

    Args:
        name: of the variant that the report is about.
        comparison: of results.json.
        groups: of its images, with the names that the report gives to sources.
        worst: where it does worst, in a sentence, "" where that is a class.
    """
    one, images = comparison["variants"][name], comparison["images"]
    took_part = comparison.get("took_part") or {}
    fresh = (
        "none of which took part in the training"
        if took_part and not (took_part.get("train") or took_part.get("validation"))
        else "some of which may have taken part in the training"
    )
    right = round(one["accuracy"]["value"] * images)
    found = [
        f"If it must answer all, {name} is right about {right} of the {images} test images of {one['patients']} patients, {fresh}: "
        f"{percent(one['accuracy'])}."
    ]
    classes = {label: figures for label, figures in one["per_class"].items() if figures["support"]}
    if classes:  # not where no image has any label
        lowest = min(classes, key=lambda label: (classes[label]["recall"]["value"], classes[label]["recall"]["low"]))
        found.append(_missed_most(lowest, classes[lowest], LabelCounts.of(one, lowest)))
    return [*found, *filter(None, (answered_by_group(groups, f'If it may say "uncertain", {name}'), worst))]


def _missed_most(label: str, figures: Mapping[str, Any], counts: LabelCounts | None) -> str:
    recall, precision = percent(figures["recall"]), percent(figures["precision"])
    misses = "misses most" if figures["recall"]["value"] < 1 else "finds least surely, though it misses none"
    begin = f"{label} is the class that it then {misses}:"
    if counts is None:
        return f"{begin} of its {figures['support']} test images it finds {recall}; of the images that it calls {label}, {precision} are that."
    named = (
        f"; of the {counts.answered} images that it calls {label}, {counts.found} are that, {precision}"
        if counts.answered
        else "; it calls no image so"
    )
    return f"{begin} it finds {counts.found} of its {counts.there} test images, {recall}{named}."


def not_concluded(name: str, results: Mapping[str, Any], metrics: Mapping[str, Any], sources: SourceTable) -> list[str]:
    """Return what may not be concluded, each to be read after "This report does not show ...". Arguments as for `headline`."""
    comparison, found = results["comparison"], []
    columns = {one["column"] for one in comparison["variants"][name].get("slices", {}).get("slices", ())}
    if sources.predicts:
        found.append(
            f"That it recognizes disease: the source of an image alone tells its class in {100 * sources.guess:.0f} % of cases, so it may have "
            "learned to tell sources."
        )
    if sources.known and len(sources.names) > 1:
        found.append(
            "How such a network does on a source that it did not learn from: not tested here (freezenet crossval DATA --leave-out source)."
        )
    if not results["has_patients"]:
        found.append(
            "That these figures are not too high: the data names no patients, so images of one person may be in two splits."
        )
    others = "" if metrics.get("gate", {}).get("negatives") else ", or of a picture that is no chest X-ray"
    found += [
        f"What it makes of another disease{others}: it knows {len(metrics['labels'])} classes and nothing else, and how often it names one of them "
        'rather than say "uncertain" was not measured.',
        f"How often an answer is right in practice: that depends on how frequent each class is there. {rare_example(comparison['variants'][name])}".rstrip(),
        "That the given classes are true: who named them this report does not know. Where one is wrong, a right answer counts as wrong, and a wrong "
        "one as right.",
        "How it compares with a physician: none answered about these images.",
    ]
    if columns <= {"class", "source"}:
        found.append(
            "That it does as well for children and adults, women and men, each projection: that was not looked at, and it may have learned age "
            "(freezenet compare models --run run --slices age,sex, where DATA has such columns)."
        )
    return [
        *found,
        "That another training would come out alike: this is one training, with one seed.",
        "How fast it is on a phone or another computer.",
        "That it may be used for patients: nothing here is a clinical trial.",
    ]
