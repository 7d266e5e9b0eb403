"""Load, first and steady latency of a model file, and its peak memory, in a process of its own.

Field names are those of `litert-benchmark` where both have the figure.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from freezenet.benchmarks.conditions import busy, conditions, notes
from freezenet.benchmarks.devices.delegates import delegated
from freezenet.benchmarks.devices.machine import EnergyMeter, OthersWork, describe
from freezenet.benchmarks.devices.warmup import warm_up
from freezenet.benchmarks.shape import open_shape, shape_to_measure
from freezenet.edge_runtime.errors import DeviceError, FreezenetError, ModelError
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.edge_runtime.system.child import module_command
from freezenet.edge_runtime.system.environment import environment

#: With this code the measuring process says that the machine, not the model, is at fault.
_BUSY_CODE = 4


def benchmark(
    model: Path,
    *,
    runs: int = 200,
    threads: int = 1,
    runtime: str | None = None,
    input_size: tuple[int, int] | None = None,
    strict: bool = False,
) -> dict[str, Any]:
    """Measure one model in a fresh process, without which load, first inference and peak memory would mean nothing.

    Args:
        model: a `.tflite` file.
        runs: timed inferences, after those that warm up.
        threads: of one inference.
        runtime: name of the interpreter; None takes the first that is installed.
        input_size: height and width of the image, for a file that leaves them open.
        strict: refuse to measure on a busy machine, rather than say that it was.

    Returns:
        Milliseconds (keys in `_ms`) and bytes (keys in `_bytes`), with runtime and device named; "samples_ms" is each timed
        inference; "conditions" and "conditions_after" are those of the machine (`freezenet.benchmarks.conditions.conditions`),
        "delegates" what an accelerator took over, "warmup" the rule and what it came to, "energy_mj" an inference's
        millijoules where a meter can be read, and "notes" a sentence for each thing that makes the figures mean less. JSON types.

    Raises:
        ModelError: where the file cannot be loaded or run, or leaves its input's size open and none is given.
        DeviceError: strict, and other work needs the cores.
    """
    request = json.dumps(
        {
            "model": str(model),
            "runs": runs,
            "threads": threads,
            "runtime": runtime,
            "input_size": input_size,
            "strict": strict,
        }
    )
    done = subprocess.run(
        module_command("freezenet.benchmarks.latency", request), capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        said = (
            lines[-1].removeprefix("Error: ")
            if lines
            else f"{model.name} ended its process with code {done.returncode}."
        )
        raise (DeviceError if done.returncode == _BUSY_CODE else ModelError)(said)
    return {**json.loads(done.stdout), "environment": environment()}


def measure(
    model: Path,
    runs: int,
    threads: int,
    runtime: str | None,
    input_size: tuple[int, int] | None = None,
    strict: bool = False,
) -> dict[str, Any]:
    """Measure inference in this process, on random pixels: nothing is decoded. Arguments as for `benchmark`."""
    cores = os.cpu_count() or 1
    conditions_before = conditions()
    _refuse_if(strict, busy(threads, cores, conditions_before))
    before = _peak_bytes()
    started = time.perf_counter()
    interpreter = Interpreter(model, threads, runtime=runtime)
    init = time.perf_counter() - started
    one = interpreter.inputs[0]
    shape = shape_to_measure(one, model.name, input_size)
    if open_shape(one):
        interpreter.resize(shape)
    interpreter.zero_others()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, shape)
    raw = pixels - 128 if one["dtype"] == np.int8 else pixels
    tensor = (raw if one["dtype"] in (np.uint8, np.int8) else (pixels - 128) / 127.5).astype(one["dtype"])

    def invoke() -> float:
        began = time.perf_counter()
        interpreter.invoke(tensor)
        return (time.perf_counter() - began) * 1e3

    first = invoke()
    warm = warm_up(invoke)
    others, meter = OthersWork(), EnergyMeter()
    steady = np.array([invoke() for _ in range(runs)])
    joules, busy_cores = meter.joules(), others.cores()
    conditions_after = conditions(others=lambda: busy_cores)
    _refuse_if(strict, busy(threads, cores, conditions_before, conditions_after))
    found = notes(threads, cores, conditions_before, conditions_after, steady.tolist())
    found += [
        f"beside the image the network takes {other['name']} ({' x '.join(map(str, other['shape']))} {np.dtype(other['dtype'])}), which was given "
        "zeros"
        for other in interpreter.inputs[1:]
    ]
    if not warm.stable:
        found.append(f"after {len(warm.times)} inferences the times still changed: the model was not warm by the rule")
    return {
        "model": model.name,
        "bytes": model.stat().st_size,
        **describe(),
        "runtime": interpreter.name,
        "threads": threads,
        "runs": len(steady),
        "input_shape": list(shape),
        "init_ms": _rounded(init * 1e3),
        "warmup_first_ms": _rounded(first),
        "avg_ms": _rounded(steady.mean()),
        "median_ms": _rounded(np.median(steady)),
        "min_ms": _rounded(steady.min()),
        "max_ms": _rounded(steady.max()),
        **{f"p{share}_ms": _rounded(np.percentile(steady, share)) for share in (5, 50, 90, 95, 99)},
        "samples_ms": [_rounded(one) for one in steady],
        "warmup": warm.to_dict(),
        "peak_memory_bytes": _peak_bytes(),
        "model_memory_bytes": max(0, _peak_bytes() - before),
        "energy_mj": None if joules is None else _rounded(joules * 1e3 / len(steady)),
        "delegates": delegated(interpreter.operators()),
        "conditions": conditions_before,
        "conditions_after": conditions_after,
        "notes": found,
    }


def _refuse_if(strict: bool, signs: list[str]) -> None:
    if strict and signs:
        raise DeviceError(f"An idle machine is required by --strict. Got: {'; '.join(signs)}; measure when it is idle.")


def _rounded(milliseconds: float) -> float:
    # Digits that count, not places: a small network takes microseconds.
    return float(f"{milliseconds:.5g}")


def peak_memory(process: int | str) -> int | None:
    """Return the peak resident memory of a process (its number, or "self") in bytes; None on a system without /proc."""
    status = Path(f"/proc/{process}/status")
    if not status.is_file():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _peak_bytes() -> int:
    """Return the peak resident memory of this process in bytes."""
    known = peak_memory("self")
    if known is not None:  # getrusage counts what the parent held when it forked, on Linux
        return known
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _main() -> None:
    request = json.loads(sys.argv[1])
    try:
        print(json.dumps(measure(**{**request, "model": Path(request["model"])})))
    except FreezenetError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(_BUSY_CODE if isinstance(error, DeviceError) else error.exit_code)


if __name__ == "__main__":
    _main()
