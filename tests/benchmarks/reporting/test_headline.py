"""What is said first, of made-up results."""

from __future__ import annotations

from freezenet.benchmarks.reporting.headline import headline, headline_variant
from freezenet.train.metrics.sources import source_table

FIGURE = {"value": 0.9, "low": 0.8, "high": 0.95}
ONE_SOURCE = source_table({"a": {"north": 10, "south": 0}, "b": {"north": 0, "south": 10}})
MIXED = source_table({"a": {"north": 10, "south": 10}, "b": {"north": 10, "south": 10}})


def results(verdict="not worse", **others):
    per_class = {
        "a": {"support": 7, "recall": {**FIGURE, "value": 0.5}, "precision": FIGURE},
        "b": {"support": 0, "recall": {**FIGURE, "value": 0.0}, "precision": FIGURE},
        "c": {"support": 9, "recall": FIGURE, "precision": FIGURE},
    }
    one = {"bytes": 2_000_000, "patients": 12, "accuracy": FIGURE, "per_class": per_class}
    variants = {
        "float32": {**one, "bytes": 8_000_000},
        "int8": {**one, "verdict": {"verdict": verdict, "sentence": f"int8: {verdict}."}},
    }
    comparison = {
        "reference": "float32",
        "images": 16,
        "took_part": {"train": 0, "validation": 0},
        "variants": variants,
    }
    return {"comparison": comparison, "has_patients": True, "environment": {"cpu": "Chip"}, **others}


def said(found):
    return " ".join((found.verdict, found.gain, found.outside, *found.yes, *found.no))


LATENCY = {"float32": {"p50_ms": 8.0, "notes": []}, "int8": {"p50_ms": 2.0, "notes": []}}


def test_size_and_time_are_ratios_with_their_figures():
    found = headline(results(), LATENCY, MIXED)
    assert found.verdict == "int8: not worse."
    assert found.gain == (
        "int8 is 4.0 times smaller (2.00 in place of 8.00 MB) and 4.0 times faster on this device (2.00 in place of 8.00 ms an image, "
        "median; Chip)."
    )


def test_on_a_busy_machine_the_fastest_inferences_are_compared():
    slow = {
        "float32": {"p50_ms": 8.0, "min_ms": 2.0, "notes": []},
        "int8": {"p50_ms": 4.0, "min_ms": 3.0, "notes": ["busy"]},
    }
    found = headline(results(), slow, MIXED)
    assert (
        "1.5 times slower on this device (3.00 in place of 2.00 ms an image, the fastest, because the machine was not idle; Chip)"
        in found.gain
    )


def test_the_class_that_is_missed_most_is_one_with_images():
    found = headline(results(), LATENCY, MIXED)
    assert "Of the 7 images of a, the class that it misses most, it finds 50.0 % [80.0, 95.0]" in said(found)


def test_without_any_label_no_class_is_missed_most():
    unlabelled = results()
    for one in unlabelled["comparison"]["variants"].values():
        one["per_class"] = {label: {**figures, "support": 0} for label, figures in one["per_class"].items()}
    found = headline(unlabelled, LATENCY, MIXED)
    assert "int8 answers 90.0 % [80.0, 95.0] rightly" in said(found)
    assert "misses most" not in said(found)


def test_what_is_not_known_is_not_claimed():
    unknown = results("cannot tell", has_patients=False)
    unknown["comparison"]["took_part"] = None
    text = said(headline(unknown, LATENCY, ONE_SOURCE, ["it does worst there"]))
    assert "some of which may have taken part in the training" in text
    assert "That int8 is as good as float32, or that it is not: these are too few images to tell." in text
    assert "a and b were each learned from one source alone" in text
    assert "the source of an image alone tells its class in 100 % of cases" in text
    assert "the data names no patients" in text and "it does worst there" in text
    known = said(headline(results(), LATENCY, MIXED))
    assert "too few images" not in known and "names no patients" not in known and "tells its class" not in known


def test_without_int8_the_smallest_file_is_shown_and_float32_alone_is_itself():
    found = results()
    found["comparison"]["variants"] = {"float32": {"bytes": 8}, "dynamic": {"bytes": 3}, "float16": {"bytes": 4}}
    assert headline_variant(found["comparison"]) == "dynamic"
    del found["comparison"]["variants"]["dynamic"], found["comparison"]["variants"]["float16"]
    assert headline_variant(found["comparison"]) == "float32"
