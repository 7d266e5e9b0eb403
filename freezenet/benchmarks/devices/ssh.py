"""A device that is reached by the `ssh` of OpenSSH, which follows the user's own configuration, keys and known hosts."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import DeviceError, MissingExtraError, RefusedError, SettingError, one_line

#: On the device, below the user's home: where the base install is put and stays.
HOME = ".local/share/freezenet-device"
#: Seconds for one command there.
_PATIENCE = 3600
#: What ssh exits with where it is at fault, not the command.
_OWN_FAILURE = 255
_UNPACK = "import sys, tarfile; tarfile.open(fileobj=sys.stdin.buffer, mode='r|').extractall(sys.argv[1])"
_ABOUT = (
    "import json, os, platform, sys; print(json.dumps({'platform': platform.machine(), 'python': "
    "'%d.%d' % sys.version_info[:2], 'glibc': platform.libc_ver()[1], 'home': os.path.expanduser('~')}))"
)
_VERSION = "import importlib.metadata as m; print(m.version('freezenet'))"


class Ssh:
    """A device and its base install.

    Args:
        host: as for `ssh`: a name of the user's configuration, user@host, or ssh://user@host:port.
        config: another configuration file than the user's.
        python: the device's Python.
    """

    def __init__(self, host: str, *, config: Path | None = None, python: str = "python3") -> None:
        """Reach the device and ask what it is; DeviceError where that fails."""
        if host.startswith("-") or not host.strip():
            raise SettingError(f"A host such as user@address is required. Got: {host!r}.")
        if shutil.which("ssh") is None:
            raise MissingExtraError("The program ssh is required. Got: none; install openssh-client.")
        self.host = host
        # Without BatchMode ssh would ask for a password in the middle of a measurement.
        self._start = ["ssh", "-o", "BatchMode=yes", *(["-F", str(config)] if config else []), host]
        self.about: dict[str, str] = json.loads(self.run([python, "-c", _ABOUT]))
        self._system_python = python
        self._home = f"{self.about['home']}/{HOME}"
        self.python = f"{self._home}/venv/bin/python"

    def run(self, command: list[str]) -> str:
        """Run a command on the device and return its stdout.

        Raises:
            DeviceError: with the last line of its stderr, where it fails.
            RefusedError: where freezenet there refuses the model (exit code 3).
        """
        done = subprocess.run(
            [*self._start, shlex.join(command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PATIENCE,
        )
        if done.returncode == 0:
            return done.stdout.decode(errors="replace")
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        said = one_line((lines or ["nothing"])[-1].removeprefix("Error: "), 400)
        if done.returncode == _OWN_FAILURE:
            raise DeviceError(
                f"A device that ssh reaches without a password is required. Got: {self.host}: {said}; try ssh there."
            )
        if done.returncode == RefusedError.exit_code:
            raise RefusedError(f"On {self.host}: {said}.")
        raise DeviceError(f"On {self.host}, {Path(command[0]).name} failed: {said}.")

    def send(self, files: Iterable[tuple[Path, str]], folder: str) -> None:
        """Copy files into a folder of the device, each under the name given with it; nothing but Python is needed there."""
        process = subprocess.Popen(
            [*self._start, shlex.join([self._system_python, "-c", _UNPACK, folder])],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        # What the other end has to say about a broken pipe is in its stderr.
        with suppress(BrokenPipeError), tarfile.open(fileobj=process.stdin, mode="w|") as archive:
            for path, name in files:
                about = tarfile.TarInfo(name)
                about.size, about.mode = path.stat().st_size, 0o600
                with path.open("rb") as content:
                    archive.addfile(about, content)
        _, said = process.communicate()
        if process.returncode:
            raise DeviceError(
                f"On {self.host}, files could not be written: {one_line(said.decode(errors='replace'), 300)}."
            )

    def installed(self) -> str | None:
        """Return the version of freezenet that was installed there before; None without one."""
        try:
            return self.run([self.python, "-c", _VERSION]).strip()
        except DeviceError:
            return None

    def install(self, bundle: Path, manifest: dict[str, Any]) -> None:
        """Install a bundle as its README says; the wheels are removed afterwards.

        Args:
            bundle: a folder of `freezenet bundle`.
            manifest: what its bundle.json says.
        """
        for key in ("platform", "python"):
            if manifest[key] != self.about[key]:
                raise DeviceError(
                    f"A bundle for {key} {self.about[key]} is required for {self.host}. Got: one for {manifest[key]}."
                )
        self.run(["rm", "-rf", f"{self._home}/venv", f"{self._home}/wheels"])
        self.run(["mkdir", "-p", f"{self._home}/wheels"])
        names = [name for name in manifest["sha256"] if name.endswith(".whl")]
        self.send(((bundle / name, Path(name).name) for name in names), f"{self._home}/wheels")
        pip = next(Path(name).name for name in names if Path(name).name.startswith("pip-"))
        self.run([self._system_python, "-m", "venv", "--without-pip", f"{self._home}/venv"])
        self.run([
            self.python, f"{self._home}/wheels/{pip}/pip", "install", "--quiet", "--no-index", "--find-links", f"{self._home}/wheels",
            "freezenet",
        ])  # fmt: skip
        self.run(["rm", "-rf", f"{self._home}/wheels"])

    def new_folder(self) -> str:
        """Make a folder that only this user can read, for models and images."""
        return self.run(["mktemp", "-d"]).strip()

    def remove(self, folder: str) -> None:
        """Remove such a folder."""
        self.run(["rm", "-rf", folder])
