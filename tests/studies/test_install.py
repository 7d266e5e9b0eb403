"""What is weighed is what lies on the disk."""

from __future__ import annotations

import subprocess

from studies.install import ROUTES, weights
from studies.tables.install_page import install_table


def test_a_distribution_weighs_what_its_files_take_on_the_disk(tmp_path):
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    for name, size in (("heavy", 5_000_000), ("light", 70_000)):
        (site / f"{name}.libs").mkdir(parents=True)
        (site / f"{name}.libs" / "part.so").write_bytes(bytes(size))
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text(f"{name}.libs/part.so,,\n{name}-1.0.dist-info/METADATA,,\n{name}.libs/gone.so,,\n")
    found = weights(tmp_path)
    assert list(found) == ["heavy", "light"]
    for name in found:
        listed = [str(site / f"{name}.libs" / "part.so"), str(site / f"{name}-1.0.dist-info" / "METADATA")]
        counted = subprocess.run(["du", "-k", *listed], capture_output=True, text=True, check=True).stdout.splitlines()
        assert found[name] == round(sum(int(line.split()[0]) for line in counted) / 1024, 2)


def test_the_commands_are_shown_as_they_are_run():
    assert ROUTES["base"].shown() == "pip install ."
    assert ROUTES["dicom"].shown() == "pip install '.[dicom]'"
    small = ROUTES["small"].shown().splitlines()
    assert small[-1] == "pip install ./opencv_python_headless-*.whl ."
    assert all("{" not in line for line in small)


def test_a_table_has_a_row_and_the_commands_of_each_route():
    route = {"summary": "the device", "commands": "pip install .", "seconds": 7.6, "megabytes": 291.4,
             "packages": {"opencv": 153.2, "numpy": 73.0}, "checked": ["verified"]}  # fmt: skip
    lines = install_table({"routes": {"base": route}}).splitlines()
    assert "| base | the device | 291 | opencv 153, numpy 73 | 8 |" in lines
    assert "pip install ." in lines
    assert "    verified" in lines
