"""What a machine is, and what it was doing: chip, clock, temperature, work of others, energy. All from /proc and /sys."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.system.environment import cpu_name

_CPU = "sys/devices/system/cpu"
#: Columns of a line "cpu" in /proc/stat: idle and iowait, the rest but guest (which is in user already) is work or stolen.
_IDLE, _COUNTED = (3, 4), 8


def describe(root: Path = Path("/")) -> dict[str, Any]:
    """Return what the machine is (JSON types): "device" for people, "soc", "machine", "host" is left out on purpose.

    Args:
        root: where `proc` and `sys` lie.
    """
    compatible = _read(root / "proc/device-tree/compatible")
    # "raspberrypi,4-model-b\0brcm,bcm2711\0": the board first, the chip last.
    chip = compatible.rstrip("\0\n").split("\0")[-1] if compatible else None
    named = [_read(root / f"sys/devices/soc0/{name}") for name in ("family", "soc_id", "machine")]
    soc = chip or " ".join(one.strip() for one in named if one) or cpu_name()
    return {"device": cpu_name(), "soc": soc, "machine": platform.machine()}


def clock_mhz(root: Path = Path("/")) -> dict[str, float | None]:
    """Return "now", the fastest core's clock, and "most", the highest that it may have, in MHz; None where it is not told."""
    now = [_number(path) for path in sorted(root.glob(f"{_CPU}/cpu[0-9]*/cpufreq/scaling_cur_freq"))]
    most = [_number(path) for path in sorted(root.glob(f"{_CPU}/cpu[0-9]*/cpufreq/cpuinfo_max_freq"))]
    known = [one / 1000 for one in now if one is not None]
    if not known:
        lines = (_read(root / "proc/cpuinfo") or "").splitlines()
        known = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    limits = [one / 1000 for one in most if one is not None]
    return {"now": max(known) if known else None, "most": max(limits) if limits else None}


def temperature(root: Path = Path("/")) -> float | None:
    """Return the hottest thermal zone in degrees Celsius; None on a machine without one, as virtual ones are."""
    zones = [_number(path) for path in root.glob("sys/class/thermal/thermal_zone*/temp")]
    sensors = [_number(path) for path in root.glob("sys/class/hwmon/hwmon*/temp*_input")]
    # A zone that is switched off says 0 or less.
    found = [one / 1000 for one in (*zones, *sensors) if one is not None and one > 0]
    return round(max(found), 1) if found else None


def affinity() -> list[int] | None:
    """Return the numbers of the cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


class OthersWork:
    """How many cores' worth of time other processes, and the host of a virtual machine, took since this was made."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Begin to count."""
        self._root = root
        self._busy, self._own, self._began = self._ticks(), time.process_time(), time.perf_counter()

    def cores(self) -> float | None:
        """Return it until now; None on a system without /proc/stat."""
        busy, seconds = self._ticks(), time.perf_counter() - self._began
        if busy is None or self._busy is None or seconds <= 0:
            return None
        ours = time.process_time() - self._own
        return round(max(0.0, (busy - self._busy) / os.sysconf("SC_CLK_TCK") - ours) / seconds, 2)

    def _ticks(self) -> int | None:
        line = (_read(self._root / "proc/stat") or "").partition("\n")[0].split()
        if len(line) <= _COUNTED or line[0] != "cpu":
            return None
        return sum(int(one) for number, one in enumerate(line[1 : _COUNTED + 1]) if number not in _IDLE)


def others_busy(seconds: float = 0.3) -> float | None:
    """Watch the machine while this process waits, and return how many cores others keep busy."""
    watch = OthersWork()
    time.sleep(seconds)
    return watch.cores()


class EnergyMeter:
    """The energy of the processor's package since this was made, where its counters (RAPL) may be read."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Begin to count; most systems let only root read."""
        self._packages = sorted(root.glob("sys/class/powercap/intel-rapl:[0-9]"))
        self._began = [_number(one / "energy_uj") for one in self._packages]

    def joules(self) -> float | None:
        """Return the joules until now, of all packages and all processes on them; None without a meter."""
        if not self._packages:
            return None
        total = 0.0
        for package, began in zip(self._packages, self._began, strict=True):
            now, most = _number(package / "energy_uj"), _number(package / "max_energy_range_uj")
            if now is None or began is None:
                return None
            total += (now - began if now >= began else now - began + (most or 0)) / 1e6  # it starts again at 0
        return total


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = (_read(path) or "").strip()
    return int(text) if text.lstrip("-").isdigit() else None
