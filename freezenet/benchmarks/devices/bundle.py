"""A folder that installs the device's part of freezenet without internet: wheels, digests, and a page for the technician.

README.md       the three commands              SHA256SUMS      for `sha256sum -c`
wheels/         freezenet, what it needs, pip   bundle.json     what it is for; written last
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from freezenet.benchmarks.devices.wheels import Target, collect, project_wheel
from freezenet.edge_runtime.errors import DataError
from freezenet.train.files import prepare_output, read_json, sha256_file, write_json

_MANIFEST, _README, _SUMS, _WHEELS = "bundle.json", "README.md", "SHA256SUMS", "wheels"

_PAGE = """# freezenet {version} for {platform}, Python {python}

What a device needs to run freezenet, for one without internet: Linux on {platform} with Python {python} and glibc {glibc} or later.
Copy this folder to the device and run there, in the folder:

    sha256sum -c SHA256SUMS
    python{python} -m venv --without-pip ~/freezenet
    ~/freezenet/bin/python wheels/{pip}/pip install --no-index --find-links wheels freezenet

Afterwards `~/freezenet/bin/freezenet doctor` says what is installed, and `~/freezenet/bin/freezenet verify MODEL.tflite` proves that a
model gives its promised numbers on this device. A research tool, not a medical device.

{files}
"""


def make_bundle(
    out: Path, target: Target, *, wheel: Path | None = None, index: tuple[str, ...] = (), overwrite: bool = False
) -> dict[str, Any]:
    """Collect the base install for a machine in a folder and return what bundle.json says.

    Args:
        out: the folder, which is made.
        target: the machine.
        wheel: of freezenet; None makes one of the clone that this runs from.
        index: more options for pip, see `freezenet.benchmarks.devices.wheels.collect`.
        overwrite: empty the folder of an earlier bundle first.
    """
    if wheel is not None and not wheel.is_file():
        raise DataError(f"The wheel of freezenet is required. Got: {wheel}, which does not exist.")
    prepare_output(out, _MANIFEST, overwrite)
    wheels = out / _WHEELS
    shutil.rmtree(wheels, ignore_errors=True)  # of a bundle that was not finished
    wheels.mkdir()
    with tempfile.TemporaryDirectory(prefix="freezenet-wheel-") as name:
        own = wheel or project_wheel(Path(name))
        collect(own, wheels, target, index)
        shutil.copyfile(own, wheels / own.name)
    files = sorted(wheels.iterdir())
    version = own.name.split("-")[1]
    listing = "\n".join(f"- {path.name} ({path.stat().st_size / 1e6:.1f} MB)" for path in files)
    pip = next(path.name for path in files if path.name.startswith("pip-"))
    page = _PAGE.format(version=version, pip=pip, files=listing, **asdict(target))
    (out / _README).write_text(page, encoding="utf-8")
    digests = {path.relative_to(out).as_posix(): sha256_file(path) for path in (out / _README, *files)}
    (out / _SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()))
    manifest = {
        "freezenet": version,
        **asdict(target),
        "bytes": sum(path.stat().st_size for path in files),
        "sha256": digests,
    }
    write_json(out / _MANIFEST, manifest)
    return manifest


def read_bundle(folder: Path) -> dict[str, Any]:
    """Return what bundle.json says; DataError where the folder is no bundle, or a file in it is not the one that was put there."""
    if not (folder / _MANIFEST).is_file():
        raise DataError(f"A folder of `freezenet bundle` is required. Got: {folder} without {_MANIFEST}.")
    manifest = read_json(folder / _MANIFEST)
    for name, digest in manifest["sha256"].items():
        if not (folder / name).is_file() or sha256_file(folder / name) != digest:
            raise DataError(
                f"An undamaged bundle is required. Got: {folder}, where {name} is missing or another; make it again."
            )
    return manifest
