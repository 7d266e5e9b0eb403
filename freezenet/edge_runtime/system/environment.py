"""The environment that a figure was measured in or a bug happened in."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

#: Packages whose version can change a figure.
PACKAGES = ("freezenet", "numpy", "opencv-python-headless", "ai-edge-litert", "tflite-runtime", "tensorflow", "keras",
            "tf-keras", "click", "fastapi", "uvicorn", "prometheus-client", "python-multipart", "pynetdicom", "highdicom", "tensorflow-model-optimization", "scikit-learn", "pydicom", "imagecodecs")  # fmt: skip


def environment() -> dict[str, object]:
    """Return machine, CPU name, core count, operating system, Python and package versions (JSON types)."""
    return {
        "machine": platform.machine(),
        "cpu": cpu_name(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
    }


def cpu_name() -> str:
    """Return the CPU's or the board's marketing name, e.g. "Raspberry Pi 4 Model B Rev 1.4"."""
    board = Path("/proc/device-tree/model")
    if board.is_file():
        return board.read_text(errors="replace").rstrip("\0\n")
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
