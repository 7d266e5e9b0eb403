"""Images per second of `freezenet predict FOLDER`, on one CPU core and on two."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import ModelError
from studies.clients.answers import client_environment
from studies.peers.process import ROOT, usable_cores

#: Started with the cores as its first argument: what a person would do with `taskset`.
_ON_CORES = (
    "import os, runpy, sys; os.sched_setaffinity(0, map(int, sys.argv.pop(1).split(','))); "
    "runpy.run_module('freezenet', run_name='__main__')"
)


def folder_throughput(model: Path, files: Sequence[Path], copies: int, rounds: int = 5) -> dict[str, Any]:
    """Return images per second on one and on two cores, from the first answer to the last, and their paired ratio.

    The folder holds `copies` of each file, in turns. The start of the process is left out; the number of workers is
    what the command chooses by itself. {"skipped": why} where the system cannot bind a process to a core, or has one only.
    """
    if not hasattr(os, "sched_setaffinity"):
        return {"skipped": "A system that binds a process to CPU cores is required. Got: none."}
    cores = usable_cores()
    if len(cores) < 2:
        return {"skipped": "Two CPU cores are required. Got: one."}
    rates: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory(prefix="freezenet-folder-") as name:
        for number in range(copies):
            for file in files:
                shutil.copyfile(file, Path(name) / f"{number:06d}-{file.name}")
        for number in range(rounds):
            for count in (1, 2) if number % 2 else (2, 1):
                rates[count].append(_images_per_second(model, Path(name), cores[-count:]))
    return {
        "images": copies * len(files),
        "images_per_second": {str(count): round(statistics.median(found), 1) for count, found in rates.items()},
        "ratio": round(statistics.median(two / one for one, two in zip(rates[1], rates[2], strict=True)), 4),
        "rounds": rounds,
        "skipped": None,
    }


def _images_per_second(model: Path, folder: Path, cores: Sequence[int]) -> float:
    command = [sys.executable, "-c", _ON_CORES, ",".join(map(str, cores)), "predict", str(model), str(folder), "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=client_environment([ROOT])
    ) as process:
        assert process.stdout is not None
        moments = [time.perf_counter() for _ in process.stdout]
    if process.returncode or len(moments) < 2:
        raise ModelError(f"A folder that is answered is required. Got: exit code {process.returncode}.")
    return (len(moments) - 1) / (moments[-1] - moments[0])
