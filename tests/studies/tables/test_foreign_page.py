from __future__ import annotations

from studies.tables.foreign_page import foreign_table


def figure(value):
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def test_the_first_file_is_what_the_others_are_compared_with():
    first = {"bytes": 2_800_000, "accuracy": figure(0.9), "macro_f1": figure(0.8)}
    other = {
        **first,
        "verdict": {"verdict": "cannot tell", "endpoints": [{"difference": figure(-0.05)}]},
    }
    lines = foreign_table({"reference": "a.tflite", "variants": {"a.tflite": first, "b.tflite": other}}).splitlines()
    assert "macro-F1 against `a.tflite`" in lines[0]
    assert lines[2] == "| `a.tflite` | 2.80 | 0.900 [0.800, 1.000] | 0.800 [0.700, 0.900] |  |  |"
    assert lines[3].endswith("| -0.050 [-0.150, +0.050] | cannot tell |")
