"""Time model files on an Android device with Google's `benchmark_model`, a program that the user has, over `adb`.

What it prints is read here; its fields get the names that `freezenet benchmark` uses. It keeps no single samples, and of percentiles it
tells 5, 50 and 95 alone.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import DeviceError, MissingExtraError, SettingError, one_line

#: Where any user of adb may write and run programs.
_HOME = "/data/local/tmp"
_PATIENCE = 1800
#: Key -> property of the system.
_PROPERTIES = {
    "maker": "ro.product.manufacturer",
    "device": "ro.product.model",
    "soc": "ro.soc.model",
    "board": "ro.board.platform",
    "abi": "ro.product.cpu.abi",
    "android": "ro.build.version.release",
}
_TIMES = re.compile(
    r"Inference timings in us: Init: ([\d.e+]+), First inference: ([\d.e+]+), Warmup \(avg\): ([\d.e+]+), Inference \(avg\): ([\d.e+]+)"
)
_COUNTED = re.compile(r"count=(\d+) (.*)")
_REPLACED = re.compile(r"Replacing (\d+) out of (\d+) node\(s\) with delegate \((\w+)\) node, yielding (\d+) partition")
_MEMORY = re.compile(r"Memory footprint delta from the start of the tool \(MB\): init=([\d.]+) overall=([\d.]+)")
_NO_SAMPLES = "benchmark_model keeps no single samples and tells no p90 and p99"


class Adb:
    """The one device that `adb` reaches; several are told apart by adb's own variable ANDROID_SERIAL."""

    def __init__(self) -> None:
        """Find the program and ask the device what it is."""
        program = shutil.which("adb")
        if program is None:
            raise MissingExtraError("The program adb is required. Got: none; install Android's platform tools.")
        self._program = program
        self.serial = self._run("get-serialno")
        self.about = {key: self.shell(["getprop", name]) for key, name in _PROPERTIES.items()}

    def shell(self, command: Sequence[str]) -> str:
        """Run a command on the device and return what it prints, stderr included; DeviceError where it fails."""
        return self._run("shell", f"{shlex.join(command)} 2>&1")

    def read(self, pattern: str) -> list[str]:
        """Return the lines of the files of a pattern, [] where none may be read."""
        try:
            return self._run("shell", f"cat {pattern} 2>/dev/null").split("\n")
        except DeviceError:
            return []

    def push(self, file: Path, target: str) -> None:
        """Copy a file to the device."""
        self._run("push", str(file), target)

    def _run(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                [self._program, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_PATIENCE,
            )
        except subprocess.TimeoutExpired:
            raise DeviceError(f"An answer of adb within {_PATIENCE} seconds is required. Got: none.") from None
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
            raise DeviceError(
                f"A device that adb reaches, and that can run this, is required. Got: {one_line(said, 300)}."
            )
        return done.stdout.strip()


def measure_by_adb(binary: Path, models: Sequence[Path], *, runs: int, threads: int) -> list[dict[str, Any]]:
    """Return a row for each model, with the fields of `freezenet.benchmarks.latency.benchmark` that the program tells (JSON types).

    Args:
        binary: `benchmark_model` for the device's processor.
        models: `.tflite` files.
        runs: timed inferences, at least.
        threads: of one inference.
    """
    for path in (binary, *models):
        if not path.is_file():
            raise SettingError(f"Files that exist are required. Got: {path}, which does not exist.")
    device = Adb()
    folder = f"{_HOME}/freezenet-{uuid.uuid4().hex[:12]}"
    device.shell(["mkdir", folder])
    try:
        program = f"{folder}/benchmark_model"
        device.push(binary, program)
        device.shell(["chmod", "755", program])
        return [
            _row(device, program, f"{folder}/{number}.tflite", model, runs, threads)
            for number, model in enumerate(models)
        ]
    finally:
        device.shell(["rm", "-rf", folder])


def _row(device: Adb, program: str, target: str, model: Path, runs: int, threads: int) -> dict[str, Any]:
    device.push(model, target)
    before = _conditions(device)
    said = device.shell(
        [
            program,
            f"--graph={target}",
            f"--num_runs={runs}",
            f"--num_threads={threads}",
            "--warmup_runs=10",
            "--use_xnnpack=true",
        ]
    )
    after, about = _conditions(device), device.about
    return {
        "model": model.name,
        "bytes": model.stat().st_size,
        "device": f"{about['maker']} {about['device']}".strip(),
        "soc": about["soc"] or about["board"],
        "machine": about["abi"],
        "runtime": "benchmark_model",
        "threads": threads,
        **parsed(said, model.name),
        "peak_memory_bytes": None,
        "energy_mj": None,
        "conditions": before,
        "conditions_after": after,
        "notes": [_NO_SAMPLES, *_notes(before, after)],
        "environment": {"cpu": about["soc"] or about["board"], "system": f"Android {about['android']}"},
        "reached_by": f"adb {device.serial}",
    }


def parsed(said: str, name: str) -> dict[str, Any]:
    """Read what `benchmark_model` printed: times in milliseconds, delegates, memory; DeviceError where it tells no times.

    Args:
        said: its output.
        name: of the model, for the sentence.
    """
    times, counted = _TIMES.search(said), _COUNTED.findall(said)
    if times is None or not counted:
        last = (said.strip() or "nothing").splitlines()[-1]
        raise DeviceError(f"Times of {name} by benchmark_model are required. Got: {one_line(last, 300)}.")
    # The first line counts what warmed up, the last what was measured; of one inference it leaves out min and max.
    count, figures = counted[-1]
    found = {key: float(value) / 1e3 for key, value in re.findall(r"(\w+)=([\d.e+]+)", figures)}
    only = float(times[4]) / 1e3
    delegates = _REPLACED.search(said)
    memory = _MEMORY.search(said)
    return {
        "runs": int(count),
        "init_ms": float(times[1]) / 1e3,
        "warmup_first_ms": float(times[2]) / 1e3,
        "avg_ms": only,
        "min_ms": found.get("min", only),
        "max_ms": found.get("max", only),
        "median_ms": found.get("median"),
        "p5_ms": found.get("p5"),
        "p50_ms": found.get("median", only),
        "p90_ms": None,
        "p95_ms": found.get("p95"),
        "p99_ms": None,
        "samples_ms": [],
        "warmup": {
            "inferences": int(counted[0][0]) if len(counted) > 1 else 0,
            "stable": None,
            "rule": "benchmark_model's own: at least 10 inferences and half a second",
        },
        "model_memory_bytes": round(float(memory[2]) * 2**20) if memory else None,
        "delegates": {
            "delegate": delegates[3],
            "delegated": int(delegates[1]),
            "nodes": int(delegates[2]),
            "partitions": int(delegates[4]),
        }
        if delegates
        else None,
    }


def _conditions(device: Adb) -> dict[str, Any]:
    """Return what the device tells of load, clock and heat (JSON types); None where it does not."""
    load = "".join(device.read("/proc/loadavg")).split()
    governors = sorted(set(device.read("/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")) - {""})
    clocks = _numbers(device.read("/sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq"))
    heats = [one for one in _numbers(device.read("/sys/class/thermal/thermal_zone*/temp")) if 0 < one < 200_000]
    return {
        "load_average": float(load[0]) if load else None,
        "governor": ", ".join(governors) or None,
        "clock_mhz": max(clocks) / 1000 if clocks else None,
        "temperature_c": max(heats) / 1000 if heats else None,
    }


def _numbers(lines: Sequence[str]) -> list[float]:
    return [float(line) for line in lines if re.fullmatch(r"\d+", line.strip())]


def _notes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    found = []
    if before["governor"] and before["governor"] != "performance":
        found.append(
            f"governor {before['governor']}: the clock follows the load, so the first inferences may be slower"
        )
    heats = before["temperature_c"], after["temperature_c"]
    if None not in heats and heats[1] - heats[0] >= 5:
        found.append(f"the device became hotter, from {heats[0]:.0f} to {heats[1]:.0f} degrees Celsius")
    return found
