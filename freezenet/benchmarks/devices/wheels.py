"""The wheels that a package needs on another machine.

`pip download --platform` chooses files for the other machine, but weighs the conditions in their requirements ("; platform_machine ==
'armv7l'") for this one. So each wheel is fetched alone, and its requirements are read here, with the other machine's answers.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from freezenet.benchmarks.devices import PLATFORMS, PYTHONS
from freezenet.edge_runtime.errors import DeviceError, MissingExtraError, SettingError, install_hint, one_line

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

#: The first glibc that wheels name by its version.
_OLDEST_GLIBC = 17
#: Seconds for one wheel; OpenCV's has 60 MB.
_PATIENCE = 900
#: Rounds after which requirements that still change are taken to contradict each other.
_ROUNDS = 20


@dataclass(frozen=True)
class Target:
    """The machine that wheels are for.

    Args:
        platform: one of PLATFORMS, as `uname -m` says it.
        python: one of PYTHONS.
        glibc: version of its C library, "2.N"; 2.36 is that of Debian 12 and Raspberry Pi OS 12.
    """

    platform: str
    python: str = "3.11"
    glibc: str = "2.36"

    def __post_init__(self) -> None:
        """Raise SettingError for a machine that is not known."""
        if self.platform not in PLATFORMS or self.python not in PYTHONS:
            raise SettingError(
                f"A platform of {', '.join(PLATFORMS)} and a Python of {', '.join(PYTHONS)} are required. Got: "
                f"{self.platform}, {self.python}."
            )
        if not self.glibc.startswith("2.") or not self.glibc[2:].isdigit():
            raise SettingError(f"A version of glibc such as 2.36 is required (`ldd --version`). Got: {self.glibc}.")

    def markers(self) -> dict[str, str]:
        """Return the answers of this machine to the conditions in requirements (PEP 508)."""
        return {
            "extra": "",
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.platform,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    def pip_options(self) -> list[str]:
        """Return the options with which `pip download` chooses files for this machine."""
        newest = int(self.glibc[2:])
        tags = [f"manylinux_2_{minor}_{self.platform}" for minor in range(newest, _OLDEST_GLIBC - 1, -1)]
        tags += [f"manylinux2014_{self.platform}", f"linux_{self.platform}"]
        if self.platform == "x86_64":
            tags += ["manylinux_2_12_x86_64", "manylinux2010_x86_64", "manylinux_2_5_x86_64", "manylinux1_x86_64"]
        chosen = [option for tag in tags for option in ("--platform", tag)]
        abi = f"cp{self.python.replace('.', '')}"
        return [*chosen, "--python-version", self.python, "--implementation", "cp", "--abi", abi]


def collect(wheel: Path, folder: Path, target: Target, index: tuple[str, ...] = ()) -> list[Path]:
    """Fetch what a wheel requires, and what that requires, into a folder; return the wheels.

    Args:
        wheel: of the package itself; it is not copied.
        folder: where the wheels go, without others.
        target: the machine they are for.
        index: more options for pip, such as `--find-links FOLDER`; which index is asked is otherwise pip's own setting.

    Raises:
        DeviceError: there is no wheel of a package for that machine.
    """
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.utils import canonicalize_name

    def requirements(path: Path) -> list[Requirement]:
        found = (Requirement(text) for text in _metadata(path).get_all("Requires-Dist") or [])
        return [one for one in found if one.marker is None or one.marker.evaluate(target.markers())]

    files: dict[str, tuple[SpecifierSet, Path]] = {}
    for _ in range(_ROUNDS):
        wanted: dict[str, SpecifierSet] = {"pip": SpecifierSet()}  # a device's Python may come without it
        for source in (wheel, *(path for _, path in files.values())):
            for one in requirements(source):
                name = str(canonicalize_name(one.name))
                wanted[name] = wanted.get(name, SpecifierSet()) & one.specifier
        if wanted == {name: limits for name, (limits, _) in files.items()}:
            return sorted(path for _, path in files.values())
        stale = {name for name, (limits, _) in files.items() if wanted.get(name) != limits}
        for name in stale:
            files.pop(name)[1].unlink()
        missing = {name: limits for name, limits in wanted.items() if name not in files}
        if missing:
            _fetch([f"{name}{limits}" for name, limits in missing.items()], folder, target, index)
            here = {str(canonicalize_name(path.name.split("-")[0])): path for path in folder.glob("*.whl")}
            files |= {name: (limits, here[name]) for name, limits in missing.items()}
    raise DeviceError(
        f"Requirements that can be met together are required. Got: {', '.join(sorted(files))} without end."
    )


def _fetch(requirements: list[str], folder: Path, target: Target, index: tuple[str, ...]) -> None:
    command = [
        *pip_command(), "download", "--quiet", "--no-input", "--no-deps", "--only-binary", ":all:", "--dest", str(folder),
        *target.pip_options(), *index, *requirements,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    if done.returncode == 0:
        return
    errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    said = one_line((errors or done.stderr.splitlines() or ["nothing"])[-1], 200)
    absent = re.search(r"No matching distribution found for (\S+)", said)
    more = (
        "; an index that has it, such as piwheels for 32-bit ARM, is named by pip's own setting PIP_EXTRA_INDEX_URL"
        if absent
        else ""
    )
    raise DeviceError(
        f"A wheel of {absent[1] if absent else ', '.join(requirements)} for {target.platform} and Python {target.python} is "
        f"required. Got: {said}{more}."
    )


def pip_command() -> list[str]:
    """Return the start of a command of pip: this Python's, or another that the PATH has; MissingExtraError without any."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip3") or shutil.which("pip")
    if found is None:
        raise MissingExtraError(f"pip is required to fetch wheels. Got: none; {install_hint('bundle')}.")
    return [found]


def project_wheel(folder: Path) -> Path:
    """Make a wheel of the clone that this package runs from in a folder; the clone gets no build folder.

    Raises SettingError where it runs from an installation.
    """
    root = Path(__file__).resolve().parents[3]
    if not (root / "pyproject.toml").is_file():
        raise SettingError(
            "The wheel of freezenet is required. Got: an installation, which holds none; pass --wheel freezenet-....whl."
        )
    settings = folder / "build.cfg"
    settings.write_text(f"[build]\nbuild_base = {folder / 'build'}\n[egg_info]\negg_base = {folder}\n")
    command = [*pip_command(), "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(root)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_PATIENCE,
        env={**os.environ, "DIST_EXTRA_CONFIG": str(settings)},
    )  # fmt: skip
    made = next(folder.glob("freezenet-*.whl"), None)
    if done.returncode or made is None:
        raise DeviceError(f"A wheel of this project is required. Got: {one_line(done.stderr or done.stdout, 200)}.")
    return made


def _metadata(wheel: Path) -> Message:
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next(
                one for one in archive.namelist() if one.endswith(".dist-info/METADATA") and one.count("/") == 1
            )
            return message_from_bytes(archive.read(name))
    except (OSError, zipfile.BadZipFile, StopIteration) as error:
        raise SettingError(
            f"A wheel is required. Got: {wheel.name}: {one_line(error, 100) or 'no metadata'}."
        ) from None
