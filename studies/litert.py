"""Our latency beside that of `litert-benchmark`, the program of Google's own package, on the same files.

    python -m studies.litert MODEL... [--program litert-benchmark] [--turns 5] [--json] [--out results]

Both measure in turns, each in a fresh process, one thread, the same number of inferences, random input; a ratio is the median of the turns' own. A
turn counts where the machine was quiet: for both, the median lies near the fastest twentieth. Field names are those that both write.
"""

from __future__ import annotations

import json
import logging
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import click

from studies.command import StudyCommand, hand_over, result_options
from studies.tools import MissingToolError, run_tool

logger = logging.getLogger(__name__)

#: Of both.
FIELDS = ("init_ms", "warmup_first_ms", "avg_ms", "min_ms", "median_ms", "p5_ms", "p95_ms")
RUNS = 100
#: A turn is quiet where p50 is at most so many times p5, for both.
QUIET = 1.25


def measure(models: list[Path], program: str, turns: int) -> dict[str, Any]:
    """Return for each model the figures of both, and how ours compare (JSON types)."""
    from freezenet.benchmarks.latency import benchmark
    from freezenet.edge_runtime.system.environment import environment

    found = shutil.which(program)
    if found is None:
        raise MissingToolError(f"The program {program} is required. Got: none; it comes with ai-edge-litert.")
    rows = []
    for model in models:
        ours: list[dict[str, Any]] = []
        theirs: list[dict[str, float]] = []
        for turn in range(turns):
            order = (ours, theirs) if turn % 2 else (theirs, ours)
            for side in order:
                side.append(benchmark(model, runs=RUNS) if side is ours else by_litert(found, model))
            logger.info(
                f"{model.name}, turn {turn + 1} of {turns}: {ours[-1]['p50_ms']} ms, {theirs[-1]['median_ms']} ms"
            )
        pairs = list(zip(ours, theirs, strict=True))
        quiet = [pair for pair in pairs if all(one["median_ms"] <= QUIET * one["p5_ms"] for one in pair)]
        counted = quiet or pairs
        ratios = [one["p50_ms"] / other["median_ms"] for one, other in counted]
        rows.append(
            {
                "model": model.name,
                "turns": turns,
                "quiet_turns": len(quiet),
                "ours": {field: statistics.median(one[field] for one, _ in counted) for field in FIELDS},
                "litert_benchmark": {
                    field: statistics.median(other[field] for _, other in counted) for field in FIELDS
                },
                "p5_ratio": round(statistics.median(one["p5_ms"] / other["p5_ms"] for one, other in pairs), 4),
                "p50_ratio": round(statistics.median(ratios), 4),
                "p50_ratios": [round(one, 4) for one in ratios],
                "runtime": ours[0]["runtime"],
                "notes": sorted({note for one in ours for note in one["notes"]}),
            }
        )
    return {"runs": RUNS, "threads": 1, "rows": rows, "environment": environment()}


def by_litert(program: str, model: Path) -> dict[str, float]:
    """Return the "latency" that the program writes."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        run_tool(
            [program, "--model", str(model), "--num_runs", str(RUNS), "--warmup_runs", "20", "--num_threads", "1", "--result_json", str(result)],
            f"{model.name} in {Path(program).name}",
        )  # fmt: skip
        return json.loads(result.read_text(encoding="utf-8"))["latency"]


@click.command(cls=StudyCommand)
@click.argument("models", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="MODEL...")
@click.option("--program", default="litert-benchmark", show_default=True, help="Name or path of the program.")
@click.option(
    "--turns", default=5, show_default=True, type=click.IntRange(1), help="How often each measures each file."
)
@result_options
def main(models, program, turns, as_json, out) -> None:
    """Measure model files in turns with freezenet benchmark and with litert-benchmark."""
    result = measure(list(models), program, turns)
    text = "\n".join(
        f"{one['model']}\tours {one['ours']['median_ms']:.3g} ms\tlitert-benchmark {one['litert_benchmark']['median_ms']:.3g} ms\t"
        f"ratio {one['p50_ratio']:.3f}"
        for one in result["rows"]
    )
    hand_over(result, "litert-benchmark", text, as_json, out)


if __name__ == "__main__":
    main()
