"""What comes first in a report: the verdict in sentences, and what may be concluded from it and what not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freezenet.benchmarks.figures import three_digits
from freezenet.train.metrics.figure import Figure
from freezenet.train.metrics.sources import SourceTable

#: The file that a device gets, where it was made.
_FAVOURITE = "int8"


@dataclass(frozen=True)
class Headline:
    """Sentences for somebody who reads nothing else.

    Args:
        name: of the variant that the report is about.
        verdict: that it is not worse, or is, or that this cannot be told.
        gain: how much smaller and faster it is.
        outside: where none of this is shown to hold.
        yes, no: what may be concluded, and what may not.
    """

    name: str
    verdict: str
    gain: str
    outside: str
    yes: tuple[str, ...]
    no: tuple[str, ...]


def headline_variant(comparison: Mapping[str, Any]) -> str:
    """Return the variant that a report is about: int8 where it is there, else the smallest file beside the reference."""
    variants, reference = comparison["variants"], comparison["reference"]
    if _FAVOURITE in variants:
        return _FAVOURITE
    others = [name for name in variants if name != reference]
    return min(others, key=lambda name: variants[name]["bytes"], default=reference)


def headline(
    results: Mapping[str, Any],
    latency: Mapping[str, Mapping[str, Any]],
    sources: SourceTable,
    worst: Sequence[str] = (),
) -> Headline:
    """Return what to say first.

    Args:
        results: what stands in results.json.
        latency: variant -> its row.
        sources: of the data.
        worst: sentences about where the variant does worst.
    """
    comparison = results["comparison"]
    name, reference = headline_variant(comparison), comparison["reference"]
    one = comparison["variants"][name]
    verdict = one.get("verdict")
    outside = "Nothing here shows how it answers about images of another hospital, device or population."
    if sources.elsewhere:
        outside = f"It is not shown to hold outside. {sources.elsewhere}"
    return Headline(
        name,
        verdict["sentence"] if verdict else "",
        ""
        if name == reference
        else _gain(name, reference, comparison["variants"], latency, results["environment"]["cpu"]),
        outside,
        tuple(_concluded(name, comparison, worst)),
        tuple(_not_concluded(name, results, sources, verdict)),
    )


def _gain(
    name: str, reference: str, variants: Mapping[str, Any], latency: Mapping[str, Mapping[str, Any]], cpu: str
) -> str:
    size = [variants[one]["bytes"] / 1e6 for one in (reference, name)]
    # What other work adds to a median it does not add to the fastest.
    busy = any(latency[one].get("notes") for one in (reference, name))
    key, which = ("min_ms", "the fastest, because the machine was not idle") if busy else ("p50_ms", "median")
    times = [latency[one][key] for one in (reference, name)]
    return (
        f"{name} is {_ratio(size, 'smaller', 'larger')} ({size[1]:.2f} in place of {size[0]:.2f} MB) and "
        f"{_ratio(times, 'faster', 'slower')} on this device ({three_digits(times[1])} in place of {three_digits(times[0])} ms an image, "
        f"{which}; {cpu})."
    )


def _ratio(pair: Sequence[float], better: str, worse: str) -> str:
    before, after = pair
    return f"{before / after:.1f} times {better}" if after <= before else f"{after / before:.1f} times {worse}"


def _concluded(name: str, comparison: Mapping[str, Any], worst: Sequence[str]) -> list[str]:
    one = comparison["variants"][name]
    took_part = comparison.get("took_part") or {}
    fresh = (
        "no image of which took part in the training"
        if took_part and not (took_part.get("train") or took_part.get("validation"))
        else "some of which may have taken part in the training"
    )
    found = [
        f"Of {comparison['images']} test images of {one['patients']} patients, {fresh}, {name} answers {_percent(one['accuracy'])} "
        "rightly if it must answer all."
    ]
    classes = {label: figures for label, figures in one["per_class"].items() if figures["support"]}
    if classes:  # not where no image has any label
        lowest = min(classes, key=lambda label: classes[label]["recall"]["value"])
        found.append(
            f"Of the {classes[lowest]['support']} images of {lowest}, the class that it misses most, it finds "
            f"{_percent(classes[lowest]['recall'])}; where it says {lowest}, {_percent(classes[lowest]['precision'])} are that."
        )
    if figures := one.get("probabilities"):
        found.append(
            f"It is sure enough to answer {_percent(figures['coverage'])} of them, and {_percent(figures['accuracy_answered'])} of these answers "
            "are right; about the rest the device says that it is uncertain."
        )
    return [*found, *filter(None, worst)]


def _not_concluded(
    name: str, results: Mapping[str, Any], sources: SourceTable, verdict: Mapping[str, Any] | None
) -> list[str]:
    found = []
    if verdict and verdict["verdict"] == "cannot tell":
        found.append(
            f"That {name} is as good as {results['comparison']['reference']}, or that it is not: these are too few images to tell."
        )
    found.append("That it holds for images of another hospital, device or population: none was tested.")
    if sources.predicts:
        found.append(
            f"That it recognizes disease: the source of an image alone tells its class in {100 * sources.guess:.0f} % of cases, and a "
            "network may have learned to tell sources."
        )
    if not results["has_patients"]:
        found.append(
            "That these figures are not too high: the data names no patients, so images of one person may be in two splits."
        )
    found += [
        "How often an answer is right in practice: that depends on how frequent each class is there, and here it is as the collection has it.",
        "That the given classes are true: where the data is mislabelled, a right answer counts as wrong, and a wrong one as right.",
        "How fast it is on another device: time was measured on the processor that is named.",
        "That it may be used for patients: this is no medical device, and nothing here is a clinical trial.",
    ]
    return found


def _percent(figure: Mapping[str, float]) -> str:
    return f"{Figure(**figure).times(100):.1f %}"
