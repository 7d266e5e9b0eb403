"""The simulation of a screening, against sums by hand and against queueing theory's bounds."""

from __future__ import annotations

import pytest

from freezenet.edge_runtime.screen.inputs.remote import FETCHERS
from studies.screen import simulation
from studies.screen.cost import agreement, table
from studies.screen.simulation import Machine, seconds

RATES = {
    "environment": {"cores": 2}, "rows_ms": [[0.1, 2.0, 1.0, 6.0]] * 10, "rates": {"1": [100.0], "2": [190.0]}, "own_ms": 0.2,
    "mean_bytes": 30_000, "first_row_seconds": [1.5], "large": {"bytes": 8_000_000, "answer_ms": 60.0},
    "runs": [{"workers": 1, "images": 1000, "seconds": 12.0, "steady_seconds": 10.0, "bytes_per_second": None, "mean_bytes": None},
             {"workers": 2, "images": 600, "seconds": 20.0, "steady_seconds": 18.0, "bytes_per_second": 1e6, "mean_bytes": 30_000}],
}  # fmt: skip


def test_one_process_takes_the_sum():
    assert seconds(Machine(4, [10.0, 30.0], 0.5, workers=1), 100) == pytest.approx(100 * 0.020 + 0.0005)


def test_processes_share_the_work_and_the_writer_their_cores():
    machine = Machine(2, [10.0], 0.5)
    # Two cores have 2,000 ms a second for 10.5 ms each.
    assert seconds(machine, 10_000) == pytest.approx(10_000 * 10.5 / 2000, rel=0.01)
    assert machine.saturated == "cores" and machine.limits["cores"] == pytest.approx(2000 / 10.5)
    assert seconds(Machine(4, [10.0], 0.5, workers=2), 10_000) == pytest.approx(10_000 * 10 / 2000, rel=0.01)


@pytest.mark.parametrize(
    ("machine", "saturated", "rate"),
    [
        (Machine(256, [10.0], 0.1), "writer", 10_000),
        (Machine(16, [10.0], 0.1, bytes_per_image=1e6, bytes_per_second=1e8), "link", 100),
        (Machine(2, [1.0], 0.1, bytes_per_image=1e3, bytes_per_second=1e9, latency_ms=100), "fetches", 20 * FETCHERS),
    ],
)
def test_the_narrowest_part_decides(machine, saturated, rate):
    assert machine.saturated == saturated
    assert 20_000 / seconds(machine, 20_000) == pytest.approx(rate, rel=0.03)


def test_what_is_not_simulated_is_as_long_as_the_rest(monkeypatch):
    machine = Machine(3, [5.0, 9.0, 40.0], 0.3, start_s=2.0)
    whole = seconds(machine, 30_000)
    monkeypatch.setattr(simulation, "_SIMULATED", 4000)
    assert seconds(machine, 30_000) == pytest.approx(whole, rel=0.005)


def test_the_tables_of_a_measured_machine():
    one, two = agreement(RATES)
    assert one["ratio"] == pytest.approx(1.0, abs=0.01) and two["simulated_seconds"] == pytest.approx(18, rel=0.02)
    rows = table(RATES)
    assert len(rows) == 12 and {row["cores"] for row in rows} == {2, 16, 256}
    small = next(row for row in rows if row["file"] == "small" and row["cores"] == 2)
    assert small["seconds"]["1000000"] == pytest.approx(1e6 * 10.2 / 2000, rel=0.01) and small["saturated"] == "cores"
    large = next(
        row for row in rows if row["file"] == "radiograph" and row["cores"] == 16 and row["bytes_per_second"] == 1e8
    )
    assert large["saturated"] == "link" and large["seconds"]["100000"] == pytest.approx(8000, rel=0.01)
