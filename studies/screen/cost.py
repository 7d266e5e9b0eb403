"""What a screening of 10^5 to 10^7 images takes, on paper, from the measured rates of each stage; and whether the paper is to be believed.

    python -m studies.screen.cost results/screen-rates-int8-....json [--json]

The simulation (`studies.screen.simulation`) is first held against the runs that were measured, then asked for what nobody measured.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import click

from studies.command import StudyCommand, hand_over, result_options
from studies.screen.simulation import Machine, seconds

IMAGES, CORES, BANDWIDTHS = (10**5, 10**6, 10**7), (2, 16, 256), (100e6, 1e9)
#: Latency of a bucket until the first byte, in milliseconds: what Amazon says of S3 ("100-200 ms" for small objects).
LATENCY_MS = 150.0
#: How far the simulation may be from a run.
AGREEMENT = 0.15


def machine(rates: dict[str, Any], **more: Any) -> Machine:
    """Return the machine whose stages were measured."""
    answer = [sum(row) for row in rates["rows_ms"]]
    # What a process takes beside the stages: hashes, looking up, talking.
    beside = max(0.0, 1e3 / statistics.median(rates["rates"]["1"]) - statistics.mean(answer))
    values = {"cores": rates["environment"]["cores"], "answer_ms": [one + beside for one in answer],
              "own_ms": rates["own_ms"], "bytes_per_image": float(rates["mean_bytes"])}  # fmt: skip
    return Machine(**{**values, **more})


def agreement(rates: dict[str, Any]) -> list[dict[str, Any]]:
    """Simulate each measured run; the start is none of it."""
    found = []
    for run in rates["runs"]:
        more = {"bytes_per_image": float(run["mean_bytes"])} if run["mean_bytes"] else {}
        one = machine(rates, workers=run["workers"], bytes_per_second=run["bytes_per_second"], **more)
        simulated = seconds(one, run["images"])
        found.append(
            {**run, "simulated_seconds": round(simulated, 2), "ratio": round(simulated / run["steady_seconds"], 3)}
        )
    return found


def table(rates: dict[str, Any]) -> list[dict[str, Any]]:
    """Simulate what nobody measured."""
    start = statistics.median(rates["first_row_seconds"])
    found = []
    large = rates["large"]
    kinds: dict[str, dict[str, Any]] = {
        "small": {},
        "radiograph": {"bytes_per_image": float(large["bytes"]), "answer_ms": [float(large["answer_ms"])]},
    }
    for kind, more in kinds.items():
        for bandwidth in BANDWIDTHS:
            for cores in CORES:
                one = machine(
                    rates, cores=cores, bytes_per_second=bandwidth, latency_ms=LATENCY_MS, start_s=start,
                    **more,
                )  # fmt: skip
                found.append({
                    "file": kind, "bytes_per_image": round(one.bytes_per_image), "bytes_per_second": bandwidth, "cores": cores,
                    "seconds": {str(images): round(seconds(one, images)) for images in IMAGES},
                    "saturated": one.saturated, "limits": {name: round(rate, 1) for name, rate in one.limits.items()},
                })  # fmt: skip
    return found


def described(result: dict[str, Any]) -> str:
    """Return the result for a person."""
    lines = [
        f"{one['workers']} workers, {one['images']} images: simulated / measured {one['ratio']:.3f}"
        for one in result["agreement"]
    ]
    for one in result["table"]:
        hours = ", ".join(f"{int(images):,}: {taken / 3600:.2f} h" for images, taken in one["seconds"].items())
        lines.append(
            f"{one['file']}, {one['bytes_per_second'] / 1e6:.0f} MB/s, {one['cores']} cores: {hours}; {one['saturated']}"
        )
    return "\n".join(lines)


@click.command(cls=StudyCommand)
@click.argument("rates", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@result_options
def main(rates: Path, as_json: bool, out: Path | None) -> None:
    """Compute what large archives take; exit code 1 if the simulation is far from a measured run."""
    measured = json.loads(rates.read_text())
    compared = agreement(measured)
    agrees = all(abs(one["ratio"] - 1) <= AGREEMENT for one in compared)
    result = {"model": measured["model"], "rates": rates.name, "latency_ms": LATENCY_MS, "agreement": compared, "agrees": agrees,
              "table": table(measured), "environment": measured["environment"]}  # fmt: skip
    hand_over(result, f"screen-cost-{Path(measured['model']).stem}", described(result), as_json, out)
    if not agrees:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
