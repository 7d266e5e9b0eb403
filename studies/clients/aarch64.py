"""64-bit ARM (a Raspberry Pi 4) under emulation, and ai-edge-litert's wheel there: for its figures, never for its speed.

A folder holds what Debian's arm64 packages of Python hold, unpacked and not installed, another the wheels; `qemu-aarch64-static`
runs the interpreter in it as an ordinary process of the user.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies.clients.answers import ask
from studies.clients.question import Question
from studies.clients.runtimes import installed_version
from studies.tools import MissingToolError, executable, made, pip_install, run_tool

#: With qemu 7.2's default processor quantized models give garbage.
_QEMU = ("-cpu", "cortex-a72")
_DEBIAN_PACKAGES = ("python3-minimal", "libpython3-stdlib", "libstdc++6")
_WHEEL_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")

#: LiteRT's processor detection ends the process where /proc/cpuinfo does not look like ARM's.
_CPUINFO = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""


@dataclass(frozen=True)
class Board:
    """An emulated machine.

    Args:
        qemu: the emulator. root: what the machine has; what is not there is looked up on this one.
    """

    qemu: str
    root: Path

    @classmethod
    def emulated(cls, tools: Path) -> Board:
        """Make it once below `tools`; MissingToolError where qemu, apt or Debian's arm64 packages are missing."""
        if not sys.platform.startswith("linux"):
            raise MissingToolError(f"Linux is required for qemu's user mode. Got: {sys.platform}.", installable=False)
        qemu = executable(("qemu-aarch64-static", "qemu-aarch64"), "qemu-user-static")
        return cls(qemu, made(tools / "aarch64-debian", _make_root))

    @property
    def python(self) -> Path:
        """Its interpreter, by the full name, e.g. python3.11."""
        return _arm_python(self.root)

    @property
    def version(self) -> str:
        """The interpreter's version, e.g. "3.11"."""
        return self.python.name.removeprefix("python")

    def command(self, program: Path, *arguments: object) -> list[str]:
        """Return the command that runs a program of the machine."""
        return [self.qemu, *_QEMU, "-L", str(self.root), str(program), *map(str, arguments)]


def answers(questions: Sequence[Question], tools: Path) -> dict[str, Any]:
    """Return variant -> answer of the aarch64 wheel whose version is that of this environment; see `Board.emulated`."""
    board, version = Board.emulated(tools), installed_version("ai-edge-litert")
    wheels = made(
        tools / f"aarch64-litert-{version}-py{board.version}", lambda home: _fetch(home, version, board.version)
    )
    # Without -S the host's own packages would be found, because what the machine does not hold is looked up on the host.
    python = board.command(board.python, "-S")
    return ask(python, "runtime_scores", questions, [wheels], runtime="ai-edge-litert", machine="aarch64")


def _make_root(root: Path) -> None:
    """Fill `root`: Debian's packages, and a /proc/cpuinfo of a Cortex-A72."""
    apt = root / "apt"
    for folder in ("lists/partial", "archives/partial"):
        (apt / folder).mkdir(parents=True)
    (apt / "status").touch()
    private = _apt_command(apt)
    run_tool([*private, "update"], "Debian's list of arm64 packages")
    download = ["--yes", "--no-install-recommends", "--download-only", "install"]
    run_tool([*private, *download, *_DEBIAN_PACKAGES], "Debian's arm64 packages")
    unpack = executable(("dpkg-deb",), "dpkg")
    for package in sorted((apt / "archives").glob("*.deb")):
        run_tool([unpack, "--extract", str(package), str(root)], "Debian's arm64 packages")
    (root / "proc").mkdir()
    (root / "proc" / "cpuinfo").write_text(_CPUINFO)


def _fetch(wheels: Path, litert: str, python: str) -> None:
    """Unpack the wheels of ai-edge-litert and what it needs into a folder."""
    platforms = [argument for name in _WHEEL_PLATFORMS for argument in ("--platform", name)]
    arguments = ["--target", str(wheels), *platforms, "--implementation", "cp", "--python-version", python]
    pip_install(sys.executable, [f"ai-edge-litert=={litert}", *arguments])


def _apt_command(state: Path) -> list[str]:
    """Return apt-get with a state of its own for arm64; the system's stays untouched and root is not needed."""
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "Dir::Cache::archives": state / "archives",
    }
    debian = Path("/etc/apt/sources.list.d/debian.sources")
    if debian.is_file():  # other sources of the system may not have this architecture
        options |= {"Dir::Etc::sourcelist": debian, "Dir::Etc::sourceparts": "-"}
    apt = executable(("apt-get",), "apt")
    return [apt, "--quiet", *[part for name, value in options.items() for part in ("-o", f"{name}={value}")]]


def _arm_python(root: Path) -> Path:
    """Return the interpreter by its full name."""
    return next(path for path in sorted((root / "usr" / "bin").glob("python3.*")) if path.name[8:].isdigit())
