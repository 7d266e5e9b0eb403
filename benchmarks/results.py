"""Result files: JSON with the device and the versions in the name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any


def result_path(folder: Path, name: str, environment: dict[str, Any]) -> Path:
    """Return e.g. results/latency-int8-amd-epyc-2core-litert2.3.0.json."""
    packages = environment["packages"]
    versions = [f"{short}{packages[package]}" for short, package in
                (("tf", "tensorflow"), ("litert", "ai-edge-litert"), ("tflite", "tflite-runtime")) if package in packages]  # fmt: skip
    cpu = re.sub(r"[^a-z0-9]+", "-", environment["cpu"].lower()).strip("-")
    return folder / "-".join([name, cpu, f"{environment['cores']}core", *versions, "json"]).replace("-json", ".json")
