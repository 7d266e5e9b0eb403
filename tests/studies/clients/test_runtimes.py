"""Each interpreter loads every variant that it can and says in one sentence why it cannot load another."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("runtime", ["ai-edge-litert", "tensorflow"])
def test_the_runtimes_of_this_environment_give_the_promised_numbers(cells, runtime, float_variants, integer_variants):
    found = cells(runtime)
    assert [name for name, cell in found.items() if cell.cannot] == []
    for name in float_variants:
        assert found[name].largest_difference <= 1e-5, (name, found[name])
    for name in integer_variants:
        assert found[name].same, (name, found[name])


def test_tflite_runtime_gives_float_scores_and_runs_int8(cells, float_variants, integer_variants):
    found = cells("tflite-runtime")
    for name in float_variants:
        assert found[name].largest_difference <= 1e-5, (name, found[name])
    for name in integer_variants:  # other kernels: only that it runs and gives scores is promised
        assert found[name].largest_difference <= 1, (name, found[name])


def test_tflite_runtime_says_what_it_cannot_load(cells):
    refused = {name: cell.cannot for name, cell in cells("tflite-runtime").items() if cell.cannot}
    assert "dynamic" in refused
    for name, reason in refused.items():
        assert reason.startswith("A model that tflite-runtime 2.14.0 can run is required. Got: "), name
        assert "\n" not in reason
