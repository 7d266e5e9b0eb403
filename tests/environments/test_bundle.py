"""A bundle for this machine, installed as its README says, with no index to ask."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from freezenet.benchmarks.devices.bundle import make_bundle
from freezenet.benchmarks.devices.wheels import PYTHONS, Target
from freezenet.edge_runtime.errors import DeviceError

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture(scope="module")
def bundle(made_once):
    """The folder, with the wheels of pip's index."""
    if platform.machine() not in ("x86_64", "aarch64") or PYTHON not in PYTHONS:
        pytest.skip(f"no bundle is made for {platform.machine()} and Python {PYTHON}")

    def make(home):
        try:
            make_bundle(home / "bundle", Target(platform.machine(), PYTHON, platform.libc_ver()[1] or "2.36"))
        except DeviceError as error:
            pytest.skip(f"wheels cannot be fetched here: {error}")

    return made_once("bundle", make) / "bundle"


def test_the_three_commands_install_it_without_an_index(bundle, tmp_path, models):
    page = (bundle / "README.md").read_text()
    commands = [line.strip() for line in page.splitlines() if line.startswith("    ")]
    assert len(commands) == 3
    # No index could be reached even if one were asked for; only the technician's home is another.
    surroundings = {
        "HOME": str(tmp_path),
        "PATH": f"{sys.base_prefix}/bin:/usr/bin:/bin",
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
    }
    for line in [*commands, f"~/freezenet/bin/freezenet verify {models / 'int8.tflite'}"]:
        done = subprocess.run(
            ["sh", "-ec", line], cwd=bundle, env=surroundings, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, (line, done.stderr)
    assert "labels equal" in done.stdout
