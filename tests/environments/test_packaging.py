"""What is distributed is the package freezenet alone: its modules and their data files, nothing that belongs to a clone."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Of the package's files, what git ignores.
IGNORED = ("__pycache__", ".egg-info")


def package_files() -> set[str]:
    """Every file below freezenet/."""
    files = (path.relative_to(ROOT).as_posix() for path in (ROOT / "freezenet").rglob("*") if path.is_file())
    return {file for file in files if not any(part in file for part in IGNORED)}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> set[str]:
    """The files of a source distribution, without its first folder."""
    folder, before = tmp_path_factory.mktemp("sdist"), set(ROOT.iterdir())
    settings = folder / "build.cfg"
    settings.write_text(f"[egg_info]\negg_base = {folder}\n")
    subprocess.run(
        [sys.executable, "-c", "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])", str(folder)],
        cwd=ROOT, check=True, capture_output=True, env={**os.environ, "DIST_EXTRA_CONFIG": str(settings)},
    )  # fmt: skip
    assert set(ROOT.iterdir()) == before, "the tree stays as it was"
    (path,) = folder.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {one.name.partition("/")[2] for one in archive.getmembers() if one.isfile()}


def test_the_wheel_holds_the_package_and_its_metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    metadata = {name for name in inside if name.partition("/")[0].endswith(".dist-info")}
    assert inside - metadata == package_files()
    assert {name.rpartition("/")[2] for name in metadata} >= {"METADATA", "entry_points.txt", "LICENSE"}


def test_the_data_files_are_there():
    files = package_files()
    for wanted in ("py.typed", "benchmarks/templates/report.html", "convert/package/templates/hub.md",
                   "edge_runtime/server/page/index.html", "train/recipes/mobile-freezenet.toml"):  # fmt: skip
        assert f"freezenet/{wanted}" in files


def test_the_sdist_holds_what_the_wheel_is_made_from(sdist):
    rest = {name for name in sdist - package_files() if not name.split("/")[0].endswith(".egg-info")}
    assert package_files() <= sdist
    assert rest == {"LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg", "setup.py"}
