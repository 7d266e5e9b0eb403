"""The service and the guide for the Raspberry Pi, held to the command."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from freezenet.cli import VERBS, cli
from freezenet.edge_runtime.watch.examine import LONGEST_READING
from freezenet.edge_runtime.watch.trouble import LONGEST_DELAY

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "raspberry-pi"
UNIT = FOLDER / "freezenet-watch.service"
GUIDE = (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def service() -> configparser.SectionProxy:
    # A key may come twice, and is case-sensitive.
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(UNIT, encoding="utf-8")
    return parser["Service"]


def watch_options(line: str) -> dict:
    """Parse a command line as the command does; a wrong option raises click's UsageError."""
    program, verb, *arguments = shlex.split(line)
    assert Path(program).name == "freezenet"
    # Below the group, or click would keep a help option for this process that does not know -h.
    group = click.Context(cli, info_name=program, **cli.context_settings)
    return cli.get_command(group, verb).make_context(verb, arguments, parent=group).params


def test_the_command_of_the_service_exists_with_its_options(service):
    options = watch_options(service["ExecStart"])
    assert all(str(options[key]).startswith(f"{service['ReadWritePaths']}/") for key in ("inbox", "outbox"))
    assert not options["names"]


def test_the_service_is_what_the_command_tells_and_needs(service):
    assert service["Type"] == "notify" and service["Restart"] == "always"
    assert float(service["WatchdogSec"]) > max(2 * LONGEST_DELAY, 2 * LONGEST_READING)
    # The socket of sd_notify(3), and nothing that leaves the device.
    assert service["RestrictAddressFamilies"] == "AF_UNIX" and service["PrivateNetwork"] == "yes"


def test_systemd_reads_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    program = re.search(r"^ExecStart=(\S+)", UNIT.read_text(), re.M).group(1)
    there = tmp_path / UNIT.name
    # Only the program's absence on this machine is of no interest.
    there.write_text(UNIT.read_text().replace(program, shutil.which("true")))
    done = subprocess.run(["systemd-analyze", "verify", there], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert UNIT.name not in done.stderr


def test_the_commands_of_the_guide_exist():
    lines = re.findall(r"^ExecStart=(/.+)$", GUIDE, re.M)
    assert lines and all(watch_options(line) for line in lines)
    verbs = set(re.findall(r"bin/freezenet ([a-z]+)", GUIDE))
    assert {"watch", "verify", "doctor"} <= verbs <= set(VERBS)
    assert all((FOLDER / target).exists() for target in re.findall(r"\]\((?!http)([^)#]+)\)", GUIDE))


def test_the_guide_quotes_what_is_said():
    source = "".join(path.read_text(encoding="utf-8") for path in (FOLDER.parents[1] / "edge_runtime").rglob("*.py"))
    for quoted in ("another or empty folder; mount its drive", "which one has open"):
        assert quoted in GUIDE and quoted in re.sub(r'"\s+f?"', "", source)
