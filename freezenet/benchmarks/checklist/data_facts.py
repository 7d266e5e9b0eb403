"""The facts on the data: sources, partitions, sizes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from freezenet.benchmarks.checklist.evidence import Evidence, Fact, shown
from freezenet.benchmarks.checklist.external import external_facts


def _sources(found: Evidence) -> list[Fact]:
    sources = Counter(row.get("source") or "not named" for row in found.rows("splits.csv"))
    file = f"{found.run}run.json"
    return [
        *found.facts(file, data="data", SHA256_of_the_data="data_sha256", images="images"),
        *([Fact("images by source", shown(dict(sources)), f"{found.run}splits.csv", "source")] if sources else []),
    ]


def _preprocessing(found: Evidence) -> list[Fact]:
    file = f"{found.run}recipe.toml"
    return found.facts(file, side_of_the_square_input="image_size", mean_subtracted="mean", divided_by="std")


def _subset(found: Evidence) -> list[Fact]:
    rows = found.rows("splits.csv")
    used = [Fact("images used", str(len(rows)), f"{found.run}splits.csv", "rows")] if rows else []
    return [*found.facts(f"{found.run}run.json", images_found="images"), *used]


def _missing(found: Evidence) -> list[Fact]:
    rows, file = found.rows("splits.csv"), f"{found.run}splits.csv"
    return [
        Fact(f"rows without {column}", f"{sum(not row.get(column) for row in rows)} of {len(rows)}", file, column)
        for column in ("class", "patient_id", "source")
        if rows
    ]


def _labels(found: Evidence) -> list[Fact]:
    return found.facts(f"{found.run}metrics.json", classes="labels")


def _partitions(found: Evidence) -> list[Fact]:
    rows = found.rows("splits.csv")
    sizes = shown(dict(Counter(row["split"] for row in rows)))
    recipe = f"{found.run}recipe.toml"
    return [
        *found.facts(recipe, share_for_validation="validation_share", share_for_test="test_share", seed="seed"),
        *found.facts(f"{found.run}metrics.json", images_by_class_and_split="images_by_class_and_side"),
        *([Fact("images by split", sizes, f"{found.run}splits.csv", "split")] if rows else []),
    ]


def _disjoint(found: Evidence) -> list[Fact]:
    rows, file = found.rows("splits.csv"), f"{found.run}splits.csv"
    told = []
    for column, name in (
        ("patient_id", "patients in more than one split"),
        ("sha256", "equal files in more than one split"),
    ):
        splits: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            if row.get(column):
                splits[row[column]].add(row["split"])
        if splits:
            told.append(
                Fact(name, f"{sum(len(one) > 1 for one in splits.values())} of {len(splits)}", file, f"{column}, split")
            )
    return told


def _test_size(found: Evidence) -> list[Fact]:
    return [
        *found.facts(f"{found.run}recipe.toml", share_of_the_data="test_share"),
        *found.facts(
            f"{found.run}metrics.json",
            test_images="images",
            test_patients="patients",
            accuracy_with_interval="accuracy",
        ),
    ]


def _included(found: Evidence) -> list[Fact]:
    rows = found.rows("splits.csv")
    patients = len({row["patient_id"] for row in rows if row.get("patient_id")})
    told = [Fact("images and patients used", f"{len(rows)}, {patients}", f"{found.run}splits.csv", "rows, patient_id")]
    return [*found.facts(f"{found.run}run.json", images_found="images"), *(told if rows else [])]


def _characteristics(found: Evidence) -> list[Fact]:
    file = f"{found.run}metrics.json"
    return found.facts(
        file,
        images_by_class_and_split="images_by_class_and_side",
        images_by_class_and_source="images_by_class_and_source",
    )


DATA_SUBJECTS: dict[str, Callable[[Evidence], list[Fact]]] = {
    "sources": _sources,
    "preprocessing": _preprocessing,
    "subset": _subset,
    "missing": _missing,
    "labels": _labels,
    "partitions": _partitions,
    "disjoint": _disjoint,
    "test-size": _test_size,
    "included": _included,
    "characteristics": _characteristics,
    "external": external_facts,
}
