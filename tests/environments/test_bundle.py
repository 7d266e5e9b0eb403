"""A bundle for this machine, installed as its README says, with no index to ask."""

from __future__ import annotations

import subprocess
import sys


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
