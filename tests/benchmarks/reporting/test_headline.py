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
        "int8": {**one, "flipped": [{}], "verdict": {"verdict": verdict, "sentence": f"int8: {verdict}."}},
    }
    comparison = {
        "reference": "float32",
        "images": 16,
        "took_part": {"train": 0, "validation": 0},
        "variants": variants,
    }
    return {"comparison": comparison, "has_patients": True, "environment": {"cpu": "Chip"}, **others}


METRICS = {"labels": ["a", "b", "c"], "confidence": {"risk": 0.02, "risk_bound": 0.05, "images": 9}}


def first(found, latency=None, sources=MIXED, worst="", metrics=METRICS, groups=()):
    return headline(found, metrics, latency or LATENCY, sources, groups, worst)


def said(found):
    return " ".join((found.verdict, found.silence, found.outside, *found.yes, *found.no))


LATENCY = {"float32": {"p50_ms": 8.0, "notes": []}, "int8": {"p50_ms": 2.0, "notes": []}}


def test_size_and_time_are_ratios_with_their_figures():
    found = first(results())
    assert found.method == "int8: not worse."
    assert found.yes[-1] == (
        "int8 is 4.0 times smaller (2.00 in place of 8.00 MB) and 4.0 times faster on the computer that measured (2.00 in place of 8.00 ms an image, "
        "median; Chip)."
    )


def test_on_a_busy_machine_the_fastest_inferences_are_compared():
    slow = {
        "float32": {"p50_ms": 8.0, "min_ms": 2.0, "notes": []},
        "int8": {"p50_ms": 4.0, "min_ms": 3.0, "notes": ["busy"]},
    }
    found = first(results(), slow)
    assert (
        "1.5 times slower on the computer that measured (3.00 in place of 2.00 ms an image, the fastest, because the computer was not idle; Chip)"
        in found.yes[-1]
    )


def test_the_class_that_is_missed_most_is_one_with_images():
    found = first(results())
    assert "a is the class that it then misses most: of its 7 test images it finds 50.0 % [80.0, 95.0]" in said(found)


def test_without_any_label_no_class_is_missed_most():
    unlabelled = results()
    for one in unlabelled["comparison"]["variants"].values():
        one["per_class"] = {label: {**figures, "support": 0} for label, figures in one["per_class"].items()}
    found = first(unlabelled)
    assert (
        "int8 is right about 14 of the 16 test images of 12 patients, none of which took part in the training: 90.0 % [80.0, 95.0]."
        in said(found)
    )
    assert "misses most" not in said(found)


def test_what_is_not_known_is_not_claimed():
    unknown = results("cannot tell", has_patients=False)
    unknown["comparison"]["took_part"] = None
    text = said(first(unknown, sources=ONE_SOURCE, worst="it does worst there"))
    assert "some of which may have taken part in the training" in text
    assert "for 15 of 16 test images. Whether it is worse cannot be told from so few images" in text
    assert "a and b were each learned from one source alone" in text
    assert "the source of an image alone tells its class in 100 % of cases" in text
    assert "the data names no patients" in text and "it does worst there" in text
    known = said(first(results()))
    assert "so few images" not in known and "names no patients" not in known and "tells its class" not in known
    assert "A loss that would matter is ruled out for images like these." in known
    assert "A loss that matters was shown." in said(first(results("worse")))


def test_without_int8_the_smallest_file_is_shown_and_float32_alone_is_itself():
    found = results()
    found["comparison"]["variants"] = {"float32": {"bytes": 8}, "dynamic": {"bytes": 3}, "float16": {"bytes": 4}}
    assert headline_variant(found["comparison"]) == "dynamic"
    del found["comparison"]["variants"]["dynamic"], found["comparison"]["variants"]["float16"]
    assert headline_variant(found["comparison"]) == "float32"


def test_with_a_matrix_images_are_counted():
    counted = results()
    counted["comparison"]["variants"]["int8"] |= {
        "labels": ["a", "b", "c"],
        "confusion_matrix": [[4, 3, 0], [0, 0, 0], [1, 0, 8]],
    }
    text = said(first(counted))
    assert (
        "it finds 4 of its 7 test images, 50.0 % [80.0, 95.0]; of the 5 images that it calls a, 4 are that, 90.0 % [80.0, 95.0]."
        in text
    )
    assert "a is found in 4 of 7 images and wrongly named in 1 of 9 others:" in text


def test_silence_and_its_promise_stand_on_the_first_page():
    silent = results()
    silent["comparison"]["variants"]["int8"]["probabilities"] = {
        "coverage": {"value": 0.75, "low": 0.5, "high": 0.9},
        "accuracy_answered": {"value": 1.0, "low": 0.8, "high": 1.0},
    }
    groups = [{"column": "class", "value": one, "images": 8, "answered": 6} for one in "ac"]
    found = first(silent, groups=groups)
    assert found.silence == (
        'int8 answers 12 of the 16 test images and says "uncertain" about the other 4. Of the 12 answers none is wrong, and so few images leave up to '
        "20.0 % possible. The promise that at most 2 % of its answers are wrong is not shown: neither by the 9 validation images that it was chosen on, nor by these."
    )
    assert 'If it may say "uncertain", int8 answers 6 of 8 images of a and 6 of 8 images of c.' in found.yes
    assert first(results()).silence == ""


def test_what_was_not_asked_is_said_and_what_was_is_not():
    text = said(first(results()))
    for unknown in ("another disease, or of a picture that is no chest X-ray", "who named them", "How it compares with a physician", "children and adults",
                    "one training, with one seed", "--leave-out source"):  # fmt: skip
        assert unknown in text
    asked = results()
    asked["comparison"]["variants"]["int8"]["slices"] = {"slices": [{"column": "sex"}, {"column": "class"}]}
    text = said(
        first(asked, metrics={**METRICS, "gate": {"negatives": 5}}, sources=source_table({"a": {"": 1}, "b": {"": 1}}))
    )
    assert "children and adults" not in text and "no chest X-ray" not in text and "--leave-out" not in text


def test_a_class_of_which_all_are_found_is_not_said_to_be_missed():
    perfect = results()
    for figures in perfect["comparison"]["variants"]["int8"]["per_class"].values():
        figures["recall"] = {"value": 1.0, "low": 0.8 if figures["support"] == 9 else 0.9, "high": 1.0}
    assert "c is the class that it then finds least surely, though it misses none: of its 9 test images" in said(
        first(perfect)
    )
