"""Every client is asked for every variant, and the command prints and writes what came."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from freezenet import FreezenetError
from studies.clients.__main__ import main
from studies.clients.matrix import CLIENTS, Client, known_clients
from studies.tools import MissingToolError


@pytest.fixture
def two_clients(monkeypatch, tmp_path):
    """A client that answers with the promised scores and one that is missing."""

    def missing(asked, tools):
        raise MissingToolError("A browser is required. Got: none.")

    def perfect(asked, tools):
        assert tools == tmp_path / "cache" / "clients"
        return {one.variant: {"scores": one.expected.tolist()} for one in asked}

    monkeypatch.setenv("FREEZENET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(CLIENTS, "mediapipe", Client("mediapipe", "perfect one", perfect))
    monkeypatch.setitem(CLIENTS, "litertjs", Client("litertjs", "missing one", missing))


def test_the_command_prints_a_table(models, two_clients):
    done = CliRunner().invoke(main, [str(models), "--client", "mediapipe,litertjs"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("| client | float32 | float16 | dynamic | int8 |")
    assert lines[2].startswith("| perfect one | same | same | same | same |")
    assert lines[3].startswith("| missing one | not run (1) |")
    assert lines[5] == "1. A browser is required. Got: none."


def test_the_command_writes_a_result_file(models, two_clients, tmp_path):
    done = CliRunner().invoke(
        main, [str(models), "--client", "mediapipe", "--json", "--out", str(tmp_path / "results")]
    )
    assert done.exit_code == 0, done.output
    (written,) = (tmp_path / "results").glob("clients-phantoms-*.json")
    result = json.loads(written.read_text())
    assert result == json.loads(done.stdout)
    assert result["clients"]["mediapipe"]["cells"]["int8"]["largest_difference"] == 0
    assert str(models) not in written.read_text()


def test_wrong_usage_is_said(tmp_path):
    assert CliRunner().invoke(main, []).exit_code == 2
    done = CliRunner().invoke(main, [str(tmp_path), "--client", "mediapipe"])
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith("Error: A folder written by freezenet")


def test_known_clients():
    assert known_clients("all") == list(CLIENTS)
    with pytest.raises(FreezenetError, match=r"Clients of mediapipe, .* are required\. Got: netscape\."):
        known_clients("netscape, aarch64")
