from __future__ import annotations

import json

import pytest

from freezenet.benchmarks.conditions import conditions, conditions_line, notes

CALM = {"cores_allowed": 4, "cpu_quota": None, "load_average": 0.1, "governor": "performance", "throttle_events": 0}
STEADY = [1.0] * 40


def machine(root, **files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return conditions(root)


def test_a_calm_machine_needs_no_note():
    assert notes(1, 4, CALM, CALM, STEADY) == []
    assert notes(4, 4, CALM, CALM, STEADY) == []
    unknown = {**CALM, "load_average": None, "governor": None, "throttle_events": None}
    assert notes(4, 4, unknown, unknown, STEADY) == []


@pytest.mark.parametrize(
    ("threads", "changes", "after", "said"),
    [
        (8, {}, {}, "8 threads on 4 usable cores: they wait for each other"),
        (2, {"cores_allowed": 1}, {}, "2 threads on 1 usable core: they wait"),
        (1, {"cores_allowed": 1}, {}, "the process may use 1 of 4 cores (affinity)"),
        (2, {"cpu_quota": 1.5}, {}, "2 threads on 1.5 usable cores"),
        (1, {"cpu_quota": 1.5}, {}, "a quota allows 1.5 cores' worth of time"),
        (1, {"load_average": 3.9}, {}, "load average 3.90 on 4 cores: other work ran"),
        (4, {"load_average": 0.6}, {}, "load average 0.60"),
        (1, {"governor": "ondemand, powersave"}, {}, "governor ondemand, powersave: the clock may have been low"),
        (1, {}, {"throttle_events": 3}, "slowed because of heat or low voltage"),
    ],
)
def test_what_misleads_is_said(threads, changes, after, said):
    before = {**CALM, **changes}
    assert any(said in one for one in notes(threads, 4, before, {**before, **after}, STEADY))


def test_inferences_that_become_slower_are_said():
    found = notes(1, 4, CALM, CALM, [1.0] * 30 + [1.5] * 10)
    assert found == ["the last quarter of the inferences took 50% longer than the first: heat or other work"]
    assert notes(1, 4, CALM, CALM, [1.0, 9.0] + [1.0] * 38) == []


def test_what_the_system_tells(tmp_path):
    cpu = "sys/devices/system/cpu/cpu"
    found = machine(tmp_path, **{
        f"{cpu}0/cpufreq/scaling_governor": "powersave\n", f"{cpu}1/cpufreq/scaling_governor": "performance\n",
        f"{cpu}0/thermal_throttle/core_throttle_count": "3\n", f"{cpu}1/thermal_throttle/core_throttle_count": "4\n",
        "sys/fs/cgroup/cpu.max": "150000 100000\n",
    })  # fmt: skip
    assert (found["governor"], found["throttle_events"], found["cpu_quota"]) == ("performance, powersave", 7, 1.5)
    assert found["cores_allowed"] >= 1
    assert "governor performance, powersave, throttle events 7" in conditions_line(found)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"sys/fs/cgroup/cpu.max": "max 100000"}, None),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 0.5),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, None),
    ],
)
def test_the_quota_of_a_container(tmp_path, files, quota):
    assert machine(tmp_path, **files)["cpu_quota"] == quota


@pytest.mark.parametrize(("text", "events"), [("0", 0), ("50000", 0), ("50005", 1)])
def test_a_raspberry_pi_says_whether_it_is_throttled_now(tmp_path, text, events):
    found = machine(tmp_path, **{"sys/devices/platform/soc/soc:firmware/get_throttled": text})
    assert found["throttle_events"] == events


def test_what_is_not_told_is_unknown(tmp_path):
    found = conditions(tmp_path)
    assert (found["governor"], found["throttle_events"], found["cpu_quota"]) == (None, None, None)
    assert conditions_line({**found, "load_average": None}).endswith(
        "load average unknown, governor unknown, throttle events unknown"
    )
