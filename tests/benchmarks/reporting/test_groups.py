"""Groups with sources under other names."""

from __future__ import annotations

from freezenet.benchmarks.reporting.groups import Groups

FIGURE = {"value": 0.5, "low": 0.25, "high": 0.75}


def row(column, value, **others):
    return {
        "column": column,
        "value": value,
        "images": 8,
        "patients": 6,
        "accuracy": FIGURE,
        "difference": FIGURE,
        **others,
    }


def comparison(worst):
    rows = [
        row("class", "a"),
        row("source", "St. Mary", answered=3),
        row("device", "x", same_as={"column": "source", "value": "St. Mary"}),
    ]
    worst = worst and {**worst, "over_all": {"low": 0.2, "high": 0.8}}
    found = {"slices": rows, "looked_at": 2, "least_patients": 5, "worst": worst}
    found["worst_loss"] = found["worst"]
    return {
        "reference": "float32",
        "variants": {
            "int8": {"patients": 10, "slices": found},
            "float32": {"patients": 10, "slices": found},
            "old": {},
        },
    }


def test_no_source_is_named_that_the_report_does_not_name():
    found = Groups.of(comparison(row("source", "St. Mary")), "int8", {"St. Mary": "source 1"})
    assert "Mary" not in str(found)
    assert (
        "int8 does worst on source source 1 (8 images of 6 patients), of 2 groups of images looked at: 50.0 % [25.0, 75.0]"
        in found.worst
    )
    assert found.rows[2]["same_as"] == {"column": "source", "value": "source 1"}
    assert found.counted and not found.worst_class and not found.repeated_patients


def test_the_reference_loses_nothing_against_itself_and_older_results_have_no_groups():
    found = Groups.of(comparison(row("class", "a")), "float32", {})
    assert found.worst_class and found.worst_loss == ""
    assert Groups.of(comparison(None), "old", {}) == Groups()
    assert Groups.of(comparison(None), "int8", {}).worst == ""
