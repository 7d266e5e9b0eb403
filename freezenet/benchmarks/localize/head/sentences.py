"""What has to be said of a clinic's images and of a last layer that they fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freezenet.edge_runtime.names import counted

#: Patients of each class below which no head is fitted, and below which it is said that they are few.
LEAST, ENOUGH = 10, 40
PATIENTS_UNKNOWN = "DATA names no patients: each image counts as one, so images of one person may lie on both sides and the figures may be too good."
#: Of images whose source predicts the class.
SOURCE_TELLS = "Where an image comes from tells its class in these images, so the layer may have learned the place instead of the finding."


def head_notes(head: Mapping[str, Any]) -> list[str]:
    """Return what has to be said beside a refitted last layer. head: see `freezenet.benchmarks.localize.head.local_head.LocalHead.facts`."""
    kept = _unfit(
        "No image of",
        head["kept"],
        "Layer and rule take for rare what these images do not show, so that the file will hardly ever name these classes and will call such X-rays "
        "something else; label images of each class that occurs.",
    )
    refused = _unfit(
        "The OOD gate refuses every image of",
        head["refused"],
        "A person has to read such X-rays; nothing is known here about how well they are recognised.",
    )
    return [one for one in (_few(head["few"]), kept, refused, head["sources"]) if one]


def place_of(places: int) -> str:
    """Return where images of so many sources, at least 1, come from; those that name none are of one place."""
    return "one place" if places == 1 else counted(places, "source")


def of_patients(one: Mapping[str, Any]) -> str:
    """Return " of N patients", "" where they are not known. one: a result, or the facts of a head."""
    return f" of {counted(one['patients'], 'patient')}" if one["patients_known"] else ""


def _few(few: Mapping[str, int]) -> str:
    if not few:
        return ""
    named = ", ".join(f"{label} {counted(count, 'patient')}" for label, count in few.items())
    return f"Few images to refit a last layer on: {named}; {ENOUGH} of each class are better."


def _unfit(how: str, labels: list[str], then: str) -> str:
    """Return what has to be said of classes of which no image fitted the layer, "" where there are none."""
    if not labels:
        return ""
    return (
        f"{how} {', '.join(labels)}: their part of the last layer stays what it was, but for the common factor. {then}"
    )
