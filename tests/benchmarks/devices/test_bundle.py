"""What is collected for another machine, from a folder of made-up wheels; real ones are installed in tests/environments."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile

import pytest

from freezenet.benchmarks.devices.bundle import make_bundle, read_bundle
from freezenet.benchmarks.devices.wheels import Target
from freezenet.edge_runtime.errors import DataError, DeviceError, FreezenetError, SettingError


def make_wheel(folder, name, version, *requires, tag="py3-none-any"):
    """A wheel without code."""
    stem = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{stem}-{tag}.whl"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
        )
        archive.writestr(f"{stem}.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return path


@pytest.fixture
def house(tmp_path):
    """A folder of wheels whose requirements differ by machine, Python and version, and our own beside it."""
    folder = tmp_path / "house"
    folder.mkdir()
    make_wheel(folder, "pip", "24.0")
    make_wheel(folder, "number", "1.5")
    make_wheel(folder, "number", "2.1")
    make_wheel(folder, "big", "1.0", "number>=1", "windows-only; platform_system == 'Windows'")
    make_wheel(folder, "small", "1.0", "number<2", "old; python_version < '3.12'")
    make_wheel(folder, "old", "1.0")
    for platform in ("aarch64", "x86_64"):
        make_wheel(folder, "engine", "3.0", "number", tag=f"cp311-cp311-manylinux_2_28_{platform}")
    make_wheel(folder, "engine", "3.1", tag="cp311-cp311-manylinux_2_39_aarch64")
    own = make_wheel(
        tmp_path, "freezenet", "9.9", "big", "engine; platform_machine != 'armv7l'", "small; platform_machine == 'armv7l'",
        "training; extra == 'train'",
    )  # fmt: skip
    return own, ("--no-index", "--find-links", str(folder))


def names(made):
    return {name.split("/")[1].rsplit("-", 3)[0] for name in made["sha256"] if name.endswith(".whl")}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target("x86_64"), {"freezenet-9.9", "pip-24.0", "big-1.0", "number-2.1", "engine-3.0"}),
        (Target("aarch64", glibc="2.39"), {"freezenet-9.9", "pip-24.0", "big-1.0", "number-2.1", "engine-3.1"}),
        (Target("armv7l"), {"freezenet-9.9", "pip-24.0", "big-1.0", "small-1.0", "old-1.0", "number-1.5"}),
    ],
)
def test_each_machine_gets_what_it_asks_for(house, tmp_path, target, expected):
    """Not what this one would: pip alone weighs the conditions for the machine that it runs on."""
    own, index = house
    made = make_bundle(tmp_path / "out", target, wheel=own, index=index)
    assert names(made) == expected
    assert {path.name for path in (tmp_path / "out" / "wheels").iterdir()} == {
        name.split("/")[1] for name in made["sha256"] if name.startswith("wheels/")
    }


def test_the_page_and_the_digests(house, tmp_path):
    own, index = house
    make_bundle(tmp_path / "out", Target("aarch64"), wheel=own, index=index)
    page = (tmp_path / "out" / "README.md").read_text()
    commands = [line.strip() for line in page.splitlines() if line.startswith("    ")]
    assert len(commands) == 3
    assert "pip-24.0-py3-none-any.whl/pip install --no-index" in commands[2] and "{" not in page
    assert subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path / "out").returncode == 0
    manifest = read_bundle(tmp_path / "out")
    one = next(name for name in manifest["sha256"] if "engine" in name)
    assert manifest["sha256"][one] == hashlib.sha256((tmp_path / "out" / one).read_bytes()).hexdigest()
    assert (manifest["platform"], manifest["python"]) == ("aarch64", "3.11")
    (tmp_path / "out" / one).write_bytes(b"cut")
    with pytest.raises(DataError, match="undamaged"):
        read_bundle(tmp_path / "out")


def test_what_has_no_wheel_is_one_sentence_and_no_bundle(house, tmp_path):
    own, index = house
    with pytest.raises(DeviceError, match=r"A wheel of engine for x86_64 and Python 3\.12 is required") as caught:
        make_bundle(tmp_path / "out", Target("x86_64", "3.12"), wheel=own, index=index)
    assert "PIP_EXTRA_INDEX_URL" in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(DataError, match="without"):
        read_bundle(tmp_path / "out")
    assert names(make_bundle(tmp_path / "out", Target("x86_64"), wheel=own, index=index))  # goes on in the same folder


def test_requirements_that_contradict_each_other(house, tmp_path):
    own, index = house
    own = make_wheel(tmp_path, "freezenet", "9.8", "small", "number>=2")
    with pytest.raises(DeviceError, match="number"):
        make_bundle(tmp_path / "out", Target("x86_64"), wheel=own, index=index)


def test_wrong_targets_and_wheels(house, tmp_path):
    _, index = house
    for wrong in (("mips",), ("x86_64", "2.7"), ("x86_64", "3.11", "musl"), ("x86_64", "3.11", "2.x")):
        with pytest.raises(SettingError, match="Got"):
            Target(*wrong)
    (tmp_path / "broken-1.0-py3-none-any.whl").write_bytes(b"no zip")
    for wheel in (tmp_path / "broken-1.0-py3-none-any.whl", tmp_path / "absent.whl"):
        with pytest.raises(FreezenetError, match="required"):
            make_bundle(tmp_path / "out", Target("x86_64"), wheel=wheel, index=index)


def test_the_verb(house, tmp_path, command):
    own, index = house
    arguments = ("--platform", "aarch64", "--wheel", own, "--find-links", index[-1])
    code, out, err = command("bundle", tmp_path / "out", *arguments, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["freezenet"] == "9.9"
    code, _, err = command("bundle", tmp_path / "out", *arguments)
    assert code == 1 and "--overwrite" in err
