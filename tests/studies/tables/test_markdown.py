from __future__ import annotations

from studies.tables import markdown


def test_a_table_by_hand():
    assert markdown.table(["a", "b"], [["1", "2"]]) == ["| a | b |", "|---|---|", "| 1 | 2 |"]


def test_notes_are_numbered_once_and_stay_on_a_line():
    notes = markdown.Notes()
    assert notes.lines() == []
    assert [notes.number(reason) for reason in ("x | y", "z\n<a>", "x | y")] == ["(1)", "(2)", "(1)"]
    assert notes.lines() == ["", "1. x \\| y", "2. z \\<a>"]


def test_only_the_mean_has_a_sign():
    assert markdown.spread({"mean": 0.12345, "sd": 0.01}) == "0.123 ± 0.010"
    assert markdown.spread({"mean": 0.12345, "sd": 0.01}, "+.2f") == "+0.12 ± 0.01"


def test_packages_that_were_not_installed_are_left_out():
    result = {"environment": {"cpu": "A CPU", "cores": 2, "packages": {"numpy": "2.0"}}}
    assert markdown.packages(result, "tensorflow", "numpy") == "numpy 2.0"
    assert markdown.machine(result) == "A CPU with 2 cores"
