"""What a report is about, for somebody who knows nothing of it: the classes, the images, their patients and sources, and the splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from freezenet.edge_runtime.names import counted, listed
from freezenet.train.data.dataset import SPLITS
from freezenet.train.metrics.sources import SourceTable

#: More names are only counted.
_MOST = 8


def subject_sentence(
    name: str, results: Mapping[str, Any], metrics: Mapping[str, Any], sources: SourceTable, names: Sequence[str]
) -> str:
    """Return it.

    Args:
        name: of the variant that the report is about.
        results, metrics: what stands in results.json and metrics.json.
        sources: of the data.
        names: of the sources as the report calls them, in the order of `sources.names`.
    """
    labels, comparison = metrics["labels"], results["comparison"]
    tested = comparison["variants"][name]
    which = listed(labels, "or") if len(labels) <= _MOST else f"one of {len(labels)} classes"
    does = f"answers {which} about a frontal chest X-ray"
    if metrics.get("thresholds"):
        does = f"says which of {listed(labels)} a frontal chest X-ray shows"
    came = ""
    if sources.known:
        told = f" ({', '.join(names)})" if 1 < len(names) <= _MOST else ""
        came = f" from {counted(len(names), 'source')}{told}"
    test = _part({"images": comparison["images"], "patients": tested.get("patients")}, results["has_patients"])
    begin = f"{name} is a file with a network that {does}."
    shown = f"its figures were measured on {test} (test images)"
    parts = _parts(metrics)
    if parts is None:
        return f"{begin} {shown[0].upper()}{shown[1:]}."
    whole = {"images": sum(one["images"] for one in parts.values())}
    if all(one.get("patients") is not None for one in parts.values()):
        whole["patients"] = sum(one["patients"] for one in parts.values())
    return (
        f"{begin} The data: {_part(whole, results['has_patients'])}{came}. It learned from {_part(parts['train'], results['has_patients'])}; "
        f"{_part(parts['validation'], results['has_patients'])} (validation images) chose when to stop and when to keep silent; {shown}."
    )


def _parts(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]] | None:
    """Return images and patients of each split, patients where they are known; None where the training kept no such figures."""
    if not all(split in metrics for split in ("train", "validation")):
        return None
    return {split: metrics if split == "test" else metrics[split] for split in SPLITS}


def _part(counts: Mapping[str, Any], has_patients: bool) -> str:
    images = counted(counts["images"], "image")
    return (
        f"{images} of {counted(counts['patients'], 'patient')}" if has_patients and counts.get("patients") else images
    )
