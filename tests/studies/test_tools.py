"""Tools are made once and whole, and what is missing is said in one sentence."""

from __future__ import annotations

import sys

import pytest

from studies import tools


def test_a_tool_is_made_once(tmp_path):
    calls = []

    def make(home):
        calls.append(home)
        (home / "made").touch()

    assert tools.made(tmp_path / "one", make) == tools.made(tmp_path / "one", make)
    assert len(calls) == 1


def test_a_half_made_tool_is_made_again(tmp_path):
    def fail(home):
        (home / "rest").touch()
        raise tools.MissingToolError("A network is required. Got: none.")

    with pytest.raises(tools.MissingToolError):
        tools.made(tmp_path / "one", fail)
    home = tools.made(tmp_path / "one", lambda home: (home / "made").touch())
    assert {path.name for path in home.iterdir()} == {"made", tools.READY}


def test_a_missing_program_is_named_with_its_package():
    with pytest.raises(
        tools.MissingToolError, match=r"is required\. Got: none; run: apt-get install nothing\."
    ) as caught:
        tools.executable(("no-such-program",), "nothing")
    assert caught.value.installable


def test_the_installer_s_own_reason_is_passed_on():
    program = "import sys; print('talk', file=sys.stderr); print('ERROR: no such wheel', file=sys.stderr); sys.exit(1)"
    with pytest.raises(tools.MissingToolError, match=r"^A wheel is required\. Got: ERROR: no such wheel\.$"):
        tools.run_tool([sys.executable, "-c", program], "A wheel")


def test_a_python_that_is_too_new_is_not_the_set_up_s_fault(monkeypatch, tmp_path):
    monkeypatch.setattr(tools.shutil, "which", lambda name: None)
    with pytest.raises(tools.MissingToolError, match=r"Python 3\.9 or older is required for old==1") as caught:
        tools.virtual_environment(tmp_path / "old", ["old==1"], (3, 9))
    assert not caught.value.installable
    assert not (tmp_path / "old").exists()


def test_an_older_python_of_the_system_is_taken(monkeypatch):
    monkeypatch.setattr(tools.sys, "version_info", (3, 13, 0))
    monkeypatch.setattr(tools.shutil, "which", {"python3.10": "/usr/bin/python3.10"}.get)
    assert tools._python((3, 11), "old") == "/usr/bin/python3.10"
