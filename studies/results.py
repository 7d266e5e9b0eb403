"""Result files: JSON with the device and the versions in the name."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from freezenet.train.files import write_json


def result_path(folder: Path, name: str, environment: dict[str, Any]) -> Path:
    """Return e.g. results/latency-int8-amd-epyc-2core-litert2.3.0.json."""
    packages = environment["packages"]
    versions = [f"{short}{packages[package]}" for short, package in
                (("tf", "tensorflow"), ("litert", "ai-edge-litert"), ("tflite", "tflite-runtime")) if package in packages]  # fmt: skip
    cpu = re.sub(r"[^a-z0-9]+", "-", environment["cpu"].lower()).strip("-")
    return folder / "-".join([name, cpu, f"{environment['cores']}core", *versions, "json"]).replace("-json", ".json")


def write_result(folder: Path, name: str, result: dict[str, Any]) -> None:
    """Write a result, which holds its "environment", into a folder that is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(result_path(folder, name, result["environment"]), result)


def mean_and_spread(values: Sequence[float]) -> dict[str, float]:
    """Return mean and standard deviation ("sd", 0 of a single value), rounded to six digits."""
    return {
        "mean": round(statistics.mean(values), 6),
        "sd": round(statistics.stdev(values), 6) if len(values) > 1 else 0.0,
    }
