"""The facts on what was measured."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from freezenet.benchmarks.checklist.evidence import CONVERSION, RESULTS, Evidence, Fact, shown
from freezenet.train.metrics.sources import source_table


def _measures(found: Evidence) -> list[Fact]:
    metrics = found.content(f"{found.run}metrics.json") or {}
    names = [
        name
        for name in ("accuracy", "macro_f1", "hamming_loss", "per_class", "confusion_matrix", "confidence", "gate")
        if name in metrics
    ]
    return [Fact("measured", ", ".join(names), f"{found.run}metrics.json", "keys")] if names else []


def _accuracy(found: Evidence) -> list[Fact]:
    file = f"{found.run}metrics.json"
    labels = found.value(file, "labels") or []
    recalls = [(f"recall of {label}", f"per_class.{label}.recall") for label in labels]
    told = found.facts(file, images="images", patients="patients", accuracy="accuracy", macro_F1="macro_f1")
    return [
        *told,
        *(Fact(name, shown(found.value(file, key)), file, key) for name, key in recalls if found.value(file, key)),
    ]


def _uncertainty(found: Evidence) -> list[Fact]:
    variants = found.value(RESULTS, "comparison.variants") or {}
    return [
        *found.facts(
            f"{found.run}metrics.json", accuracy_with_95_percent_interval="accuracy", macro_F1_with_it="macro_f1"
        ),
        *found.facts(f"{found.run}metrics.json", patients_resampled="patients"),
        *_of_variants(variants, "McNemar p against float32", "against_float32.mcnemar_p"),
    ]


def _robustness(found: Evidence) -> list[Fact]:
    variants = found.value(RESULTS, "comparison.variants") or {}
    return [
        *_of_variants(variants, "answers changed against float32", "against_float32.flipped"),
        *_of_variants(variants, "macro-F1 against float32", "against_float32.macro_f1"),
        *found.facts(f"{found.run}metrics.json", test_images_that_pass_the_OOD_gate="gate.chest_passed"),
    ]


def _of_variants(variants: dict, what: str, key: str) -> list[Fact]:
    head, last = key.split(".")
    found = ((name, one.get(head, {}).get(last)) for name, one in variants.items())
    return [
        Fact(f"{what}: {name}", shown(value), RESULTS, f"comparison.variants.{name}.{key}")
        for name, value in found
        if value is not None
    ]


def _internal(found: Evidence) -> list[Fact]:
    file = f"{found.run}metrics.json"
    return found.facts(file, training="train.accuracy", validation="validation.accuracy", test="accuracy")


def _subgroups(found: Evidence) -> list[Fact]:
    sources = {row["file"]: row.get("source") for row in found.rows("splits.csv") if row["split"] == "test"}
    right: dict[str, list[bool]] = defaultdict(list)
    for row in found.rows("predictions.csv"):
        if row["split"] == "test" and sources.get(row["file"]):
            right[sources[row["file"]] or ""].append(row["class"] == row["answer"])
    file, where = f"{found.run}predictions.csv", "answer; splits.csv: source"
    return [
        Fact(f"right of test images, source {name}", f"{sum(one)} of {len(one)}", file, where)
        for name, one in sorted(right.items())
    ]


def _failures(found: Evidence) -> list[Fact]:
    rows = [row for row in found.rows("predictions.csv") if row["split"] == "test" and row["class"] != row["answer"]]
    pairs = Counter(f"{row['class']} called {row['answer']}" for row in rows)
    wrong = [
        Fact("wrong test images", f"{len(rows)}: {shown(dict(pairs))}", f"{found.run}predictions.csv", "class, answer")
    ]
    matrix = found.facts(f"{found.run}metrics.json", confusion_matrix="confusion_matrix")
    return [*matrix, *wrong] if matrix else []


def _limits(found: Evidence) -> list[Fact]:
    file = f"{found.run}metrics.json"
    table = found.value(file, "images_by_class_and_source")
    sources = source_table(table) if table else None
    confounded = []
    if sources and sources.known:
        single = shown(list(sources.one_source_only) or "none")
        confounded = [Fact("classes from one source only", single, file, "images_by_class_and_source")]
    return [
        *found.facts(RESULTS, notice="notice", undecided="undecided"),
        *confounded,
        *(found.facts(file, answers_elsewhere="elsewhere") if found.value(file, "elsewhere") else []),
    ]


def _acceptance(found: Evidence) -> list[Fact]:
    variants = found.value(CONVERSION, "variants") or {}
    return [
        Fact(
            f"{part} of {name}", shown(one["against_keras"][part]), CONVERSION, f"variants.{name}.against_keras.{part}"
        )
        for name, one in variants.items()
        for part in ("outcome", "limits")
        if one.get("against_keras", {}).get(part) is not None
    ]


def _latency(found: Evidence) -> list[Fact]:
    rows = found.value(RESULTS, "latency") or []
    return [
        Fact(f"p50 of {one['model']}, ms", shown(one["p50_ms"]), RESULTS, f"latency: {one['model']}: p50_ms")
        for one in rows
    ]


RESULT_SUBJECTS: dict[str, Callable[[Evidence], list[Fact]]] = {
    "measures": _measures,
    "accuracy": _accuracy,
    "uncertainty": _uncertainty,
    "robustness": _robustness,
    "internal": _internal,
    "subgroups": _subgroups,
    "failures": _failures,
    "limits": _limits,
    "acceptance": _acceptance,
    "latency": _latency,
}
