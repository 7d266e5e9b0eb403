"""Resident memory of this process, and the highest since a mark (Linux)."""

from __future__ import annotations

from pathlib import Path

#: Largest growth of the resident memory over the idle process that one file may cause, bytes.
MEMORY_BOUND = 640 << 20


def resident() -> int:
    """Return the resident memory in bytes."""
    return _status("VmRSS")


def reset_peak() -> None:
    """Forget the highest resident memory (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_above(idle: int) -> int:
    """Return by how many bytes the highest resident memory since `reset_peak` was above `idle`."""
    return max(_status("VmHWM") - idle, 0)


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) << 10
    raise AssertionError(f"/proc/self/status without {key}")
