"""What a report is about, of made-up results."""

from __future__ import annotations

from freezenet.benchmarks.reporting.subject import subject_sentence
from freezenet.train.metrics.sources import source_table

SOURCES = source_table({"a": {"north": 10, "south": 10}, "b": {"north": 10, "south": 10}})
METRICS = {
    "labels": ["a", "b"],
    "images": 8,
    "patients": 6,
    "validation": {"images": 2, "patients": 2},
    "train": {"images": 30, "patients": 20},
}
RESULTS = {"has_patients": True, "comparison": {"images": 8, "variants": {"int8": {"patients": 6}}}}


def said(metrics=METRICS, sources=SOURCES, names=("north", "south"), **changed):
    return subject_sentence("int8", {**RESULTS, **changed}, metrics, sources, names)


def test_images_patients_sources_and_splits_are_counted():
    assert said() == (
        "int8 is a file with a network that answers a or b about a frontal chest X-ray. The data: 40 images of 28 patients from 2 sources (north, "
        "south). It learned from 30 images of 20 patients; 2 images of 2 patients (validation images) chose when to stop and when to keep silent; its "
        "figures were measured on 8 images of 6 patients (test images)."
    )


def test_without_patients_sources_or_splits_nothing_is_made_up():
    unknown = source_table({"a": {"": 20}, "b": {"": 20}})
    text = said(sources=unknown, names=("unknown",), has_patients=False)
    assert "40 images. It learned from 30 images; 2 images (" in text and "patient" not in text
    assert "source" not in text
    few = said({"labels": ["a", "b"]})
    assert few.endswith("X-ray. Its figures were measured on 8 images of 6 patients (test images).")


def test_several_labels_are_named_together_and_many_are_counted():
    assert "says which of a and b a frontal chest X-ray shows." in said({**METRICS, "thresholds": {"a": 0.5, "b": 0.5}})
    assert "answers one of 12 classes" in said({**METRICS, "labels": [str(number) for number in range(12)]})
