"""What a machine was doing while it was measured: cores, load, governor, throttling."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from freezenet.benchmarks.devices.machine import affinity, clock_mhz, others_busy, temperature

_CPUS = "sys/devices/system/cpu"
#: The busy share of a core above which other work is taken to disturb a measurement.
_BUSY = 0.5
#: How much slower the last quarter of the inferences may be than the first.
_SLOWER = 1.1
_QUARTER = 4


def conditions(root: Path = Path("/"), others: Callable[[], float | None] = others_busy) -> dict[str, Any]:
    """Return what can be known now (JSON types); None for what the system does not tell.

    Args:
        root: where `proc` and `sys` lie.
        others: tells how many cores others keep busy; the one given here waits for a moment to see it.

    Returns:
        "cores_allowed": cores that this process may use (affinity). "cpu_quota": cores' worth of time that a container
        allows. "load_average": of the last minute. "governor": how the processor chooses its clock, one or several.
        "throttle_events": how often it was slowed because of heat since the start; on a Raspberry Pi, whether it is.
        "affinity": numbers of the allowed cores. "busy_cores": cores that others keep busy now. "clock_mhz": "now" and "most".
        "temperature_c": of the hottest zone, in degrees Celsius.
    """
    allowed = affinity()
    return {
        "cores_allowed": os.cpu_count() or 1 if allowed is None else len(allowed),
        "cpu_quota": _quota(root),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "governor": ", ".join(sorted(set(_texts(root, f"{_CPUS}/cpu[0-9]*/cpufreq/scaling_governor")))) or None,
        "throttle_events": _throttle_events(root),
        "affinity": allowed,
        "busy_cores": others(),
        "clock_mhz": clock_mhz(root),
        "temperature_c": temperature(root),
    }


def notes(
    threads: int, cores: int, before: Mapping[str, Any], after: Mapping[str, Any], times: Sequence[float]
) -> list[str]:
    """Return a sentence for each thing that makes the figures mean less than they seem to.

    Args:
        threads: of one inference.
        cores: of the machine.
        before: `conditions` before the measurement.
        after: the same after it.
        times: of the timed inferences, in their order.
    """
    allowed, quota = before["cores_allowed"], before["cpu_quota"]
    usable = min(allowed, quota or allowed)
    found = []
    if threads > usable:
        found.append(f"{threads} threads on {usable:g} usable core{'s' * (usable != 1)}: they wait for each other")
    if allowed < cores:
        found.append(f"the process may use {allowed} of {cores} cores (affinity)")
    if quota is not None and quota < allowed:
        found.append(f"a quota allows {quota:g} cores' worth of time: inferences may have been interrupted")
    found += busy(threads, cores, before, after)
    governor = before["governor"]
    if governor is not None and governor != "performance":
        found.append(f"governor {governor}: the clock may have been low when an inference began")
    if after["throttle_events"] is not None and after["throttle_events"] > (before["throttle_events"] or 0):
        found.append("the processor was slowed because of heat or low voltage while it was measured")
    quarter = max(1, len(times) // _QUARTER)
    first, last = float(np.median(times[:quarter])), float(np.median(times[-quarter:]))
    if last > _SLOWER * first:
        found.append(
            f"the last quarter of the inferences took {last / first - 1:.0%} longer than the first: heat or other work"
        )
    return found


def busy(threads: int, cores: int, before: Mapping[str, Any], after: Mapping[str, Any] | None = None) -> list[str]:
    """Return a sentence for each sign that other work needs the cores which a measurement wants; arguments as for `notes`.

    In `after`, "busy_cores" is what others took on average while the inferences ran.
    """
    found, free = [], cores - threads + _BUSY
    load = before["load_average"]
    if load is not None and load > free:
        found.append(f"load average {load:.2f} on {cores} cores: other work ran at the same time")
    for state, when in ((before, "before the measurement began"), (after or {}, "while it was measured")):
        others = state.get("busy_cores")
        if others is not None and others > free:
            found.append(f"other work kept {others:.2f} of {cores} cores busy {when}")
    return found


def conditions_line(found: Mapping[str, Any]) -> str:
    """Return the conditions in words, for the head of a table."""
    load = "unknown" if found["load_average"] is None else f"{found['load_average']:.2f}"
    throttled = "unknown" if found["throttle_events"] is None else str(found["throttle_events"])
    return (
        f"{found['cores_allowed']} cores usable, load average {load}, governor {found['governor'] or 'unknown'}, "
        f"throttle events {throttled}"
    )


def _texts(root: Path, pattern: str) -> list[str]:
    found = []
    for path in sorted(root.glob(pattern)):
        try:
            found.append(path.read_text().strip())
        except OSError:
            continue
    return found


def _quota(root: Path) -> float | None:
    # Control groups of version 2, then 1; "max" and -1 mean no limit.
    for text in _texts(root, "sys/fs/cgroup/cpu.max"):
        quota, _, period = text.partition(" ")
        return round(int(quota) / int(period), 2) if quota != "max" else None
    group = "sys/fs/cgroup/cpu/cpu.cfs_"
    both = _texts(root, f"{group}quota_us") + _texts(root, f"{group}period_us")
    return round(int(both[0]) / int(both[1]), 2) if len(both) == 2 and int(both[0]) > 0 else None


def _throttle_events(root: Path) -> int | None:
    board = _texts(root, "sys/devices/platform/soc/soc:firmware/get_throttled")
    if board:
        return int(int(board[0], 16) & 0xF > 0)  # the low bits: under voltage, capped, throttled, soft limit, now
    counts = _texts(root, f"{_CPUS}/cpu[0-9]*/thermal_throttle/core_throttle_count")
    return sum(map(int, counts)) if counts else None
