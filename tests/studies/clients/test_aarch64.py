"""The wheel for a Raspberry Pi 4 gives the promised numbers under emulation."""

from __future__ import annotations

from studies.clients.aarch64 import _apt_command, _arm_python


def test_int8_is_bit_identical_to_where_it_was_recorded(cells, integer_variants):
    assert integer_variants
    for name in integer_variants:
        assert cells("aarch64")[name].same, cells("aarch64")[name]


def test_float_is_within_1e_5(cells, float_variants):
    for name in float_variants:
        cell = cells("aarch64")[name]
        assert cell.differs == (), (name, cell)
        assert cell.largest_difference <= 1e-5, (name, cell)


def test_every_file_is_loaded(cells):
    assert [name for name, cell in cells("aarch64").items() if cell.cannot] == []


def test_apt_works_on_a_state_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("studies.clients.aarch64.executable", lambda names, package: names[0])
    command = _apt_command(tmp_path)
    assert f"Dir::State::status={tmp_path / 'status'}" in command
    assert "APT::Architecture=arm64" in command
    written = [part.partition("=")[2] for part in command if part.startswith(("Dir::State", "Dir::Cache"))]
    assert all(path.startswith(str(tmp_path)) for path in written)


def test_the_python_is_found_by_its_full_name(tmp_path):
    home = tmp_path / "usr" / "bin"
    home.mkdir(parents=True)
    for name in ("python3", "python3.11", "python3.11-config"):
        (home / name).touch()
    assert _arm_python(tmp_path).name == "python3.11"
