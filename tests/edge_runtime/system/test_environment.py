"""The environment report against the standard library."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version

import numpy as np

from freezenet.edge_runtime.system.environment import PACKAGES, cpu_name, environment


def test_report_names_this_machine():
    found = environment()
    assert found["machine"] == platform.machine()
    assert found["cores"] == os.cpu_count()
    assert found["python"] == platform.python_version()
    assert found["system"].startswith(platform.system())
    assert found["cpu"]


def test_versions_are_those_installed_and_only_known_packages_are_listed():
    packages = environment()["packages"]
    assert packages["numpy"] == np.__version__
    assert packages["freezenet"] == version("freezenet")
    assert set(packages) <= set(PACKAGES)
    assert all(packages.values())


def test_report_is_json():
    found = environment()
    assert json.loads(json.dumps(found)) == found


def test_a_board_names_itself_without_the_closing_zero(monkeypatch, tmp_path):
    board = tmp_path / "model"
    board.write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    monkeypatch.setattr("freezenet.edge_runtime.system.environment.Path", lambda path: board)
    assert cpu_name() == "Raspberry Pi 4 Model B Rev 1.4"


def test_a_machine_without_proc_still_has_a_name(monkeypatch, tmp_path):
    monkeypatch.setattr("freezenet.edge_runtime.system.environment.Path", lambda path: tmp_path / "none")
    assert cpu_name() == (platform.processor() or platform.machine())
