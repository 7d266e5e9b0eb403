from __future__ import annotations

import pytest

from freezenet.benchmarks.devices.machine import EnergyMeter, OthersWork, clock_mhz, describe, temperature

PI = {
    "proc/device-tree/compatible": "raspberrypi,4-model-b\0brcm,bcm2711\0",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "600000\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "1500000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "1800000\n",
    "sys/class/thermal/thermal_zone0/temp": "51608\n",
    "sys/class/thermal/thermal_zone1/temp": "-274000\n",
}


def lay(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_raspberry_pi(tmp_path):
    lay(tmp_path, PI)
    assert describe(tmp_path)["soc"] == "brcm,bcm2711"
    assert clock_mhz(tmp_path) == {"now": 1500, "most": 1800}
    assert temperature(tmp_path) == 51.6


def test_a_phone_and_a_server_say_it_elsewhere(tmp_path):
    lay(tmp_path, {"sys/devices/soc0/family": "Snapdragon\n", "sys/devices/soc0/soc_id": "SM8550\n"})
    assert describe(tmp_path)["soc"] == "Snapdragon SM8550"
    lay(
        tmp_path,
        {"proc/cpuinfo": "processor : 0\ncpu MHz\t\t: 2445.4\n", "sys/class/hwmon/hwmon0/temp1_input": "40000"},
    )
    assert (clock_mhz(tmp_path)["now"], temperature(tmp_path)) == (2445.4, 40)


def test_what_is_not_told_is_unknown(tmp_path):
    assert clock_mhz(tmp_path) == {"now": None, "most": None}
    assert temperature(tmp_path) is None
    assert OthersWork(tmp_path).cores() is None
    assert EnergyMeter(tmp_path).joules() is None


def test_work_of_others_and_of_the_host_counts_and_idling_does_not(tmp_path):
    # user nice system idle iowait irq softirq steal guest guest_nice
    lay(tmp_path, {"proc/stat": "cpu  100 0 0 500 500 0 0 0 0 0\ncpu0 1\n"})
    watch = OthersWork(tmp_path)
    watch._began -= 10  # ten seconds ago
    lay(tmp_path, {"proc/stat": "cpu  600 0 100 9500 9500 0 0 400 50 0\n"})
    assert watch.cores() == pytest.approx(1.0, abs=0.05)  # 1000 ticks, of which guest is a part of user


def test_energy_counts_over_the_end_of_the_counter(tmp_path):
    home = "sys/class/powercap/intel-rapl:0"
    lay(tmp_path, {f"{home}/energy_uj": "9000000", f"{home}/max_energy_range_uj": "10000000"})
    meter = EnergyMeter(tmp_path)
    lay(tmp_path, {f"{home}/energy_uj": "2000000"})
    assert meter.joules() == pytest.approx(3)
