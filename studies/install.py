"""What an installation weighs: `python -m studies.install [MODEL] [--route LIST] [--json] [--out results]`.

Each route is a list of shell commands, run as they stand in docs/install.md in a new virtual environment; only the dot,
which there stands for a clone of this repository, is a wheel made of the working tree.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import click

from freezenet.benchmarks.devices.wheels import project_wheel
from freezenet.edge_runtime.names import chosen_names
from freezenet.edge_runtime.system.environment import environment
from studies.command import StudyCommand, hand_over, result_options
from studies.tables.install_page import install_table
from studies.tools import default_tools_folder, made, run_tool

logger = logging.getLogger(__name__)

#: Of every virtual environment, and not of the installation.
_NOT_WEIGHED = ("pip", "setuptools")

_OPENCV = "5.0.0.93"
#: OpenCV's own build for Python with three of its modules and the codecs of X-rays, without video and BLAS. Its set-up
#: script asks for type stubs, and makes none for a part of the modules.
_LEAN_OPENCV = (
    f"pip download --no-deps --no-binary opencv-python-headless opencv-python-headless=={_OPENCV}",
    f"tar xf opencv_python_headless-{_OPENCV}.tar.gz --one-top-level=source --strip-components=1",
    "sed -i -e 's,cv2/py.typed,cv2/__init__.py,' -e '/\"cv2.typing\"/s/= .*/= []/' source/setup.py",
    'CMAKE_ARGS="-DBUILD_LIST=core,imgproc,imgcodecs,python3 -DCPU_DISPATCH=AVX2 -DWITH_FFMPEG=OFF -DWITH_GSTREAMER=OFF '
    "-DWITH_LAPACK=OFF -DWITH_IPP=OFF -DWITH_AVIF=OFF -DWITH_OPENEXR=OFF -DWITH_OPENJPEG=OFF -DWITH_JASPER=OFF "
    "-DWITH_PROTOBUF=OFF -DWITH_OPENCL=OFF -DBUILD_JPEG=ON -DBUILD_PNG=ON -DBUILD_TIFF=ON -DBUILD_WEBP=ON "
    '-DBUILD_ZLIB=ON" pip wheel --no-deps ./source',
    f"rm -r source opencv_python_headless-{_OPENCV}.tar.gz",
)
#: Seconds that the build may take; about 10 minutes on two cores.
_BUILD_TIMEOUT = 3600


@dataclass(frozen=True)
class Route:
    """A way to install; "{project}" in a command is the clone, "{wheels}" a folder with what `build` made, once."""

    summary: str
    commands: tuple[str, ...]
    build: tuple[str, ...] = ()

    def shown(self) -> str:
        """Return the commands as they are typed in a clone."""
        return "\n".join([*self.build, *self.commands]).format(project=".", wheels=".")


ROUTES = {
    "base": Route("the device: ai-edge-litert, OpenCV, NumPy", ("pip install {project}",)),
    "small": Route(
        "the same with an OpenCV built for it",
        ("pip install {wheels}/opencv_python_headless-*.whl {project}",),
        _LEAN_OPENCV,
    ),
    "tflite-runtime": Route(
        "tflite-runtime, NumPy 1 (Python up to 3.11)",
        (
            "pip install tflite-runtime==2.14.0 'numpy<2' 'opencv-python-headless>=4.8' 'click>=8.1'",
            "pip install --no-deps {project}",
        ),
    ),
    "dicom": Route("base and DICOM files", ("pip install '{project}[dicom]'",)),
    "serve": Route("base and the HTTP server", ("pip install '{project}[serve]'",)),
    "dicom-node": Route("base and the DICOM node", ("pip install '{project}[dicom-node]'",)),
}


def install(route: Route, home: Path, wheel: Path, tools: Path) -> float:
    """Make a virtual environment in `home` by a route and return the seconds of its last commands.

    tools: cache folder for what the route builds first.
    """
    run_tool([sys.executable, "-m", "venv", str(home)], "A Python that can make virtual environments")
    path = os.pathsep.join([str(home / "bin"), os.environ["PATH"]])

    def shell(commands: Sequence[str], folder: Path, timeout: float = 600) -> None:
        script = "\n".join(commands).format(project=wheel, wheels=tools / _lean_name())
        # Without PYTHONPATH, or pip would take this clone for an installation.
        run_tool(["bash", "-ec", f"cd {folder}\n{script}"], "An installation", timeout, PATH=path, PYTHONPATH="",
                 PIP_QUIET="1", PIP_DISABLE_PIP_VERSION_CHECK="1")  # fmt: skip

    if route.build:
        logger.info("building OpenCV, once")
        made(tools / _lean_name(), lambda folder: shell(route.build, folder, _BUILD_TIMEOUT))
    started = time.perf_counter()
    shell(route.commands, home)
    return time.perf_counter() - started


def weights(home: Path) -> dict[str, float]:
    """Return distribution -> MB (2^20 bytes) on the disk, the heaviest first, with its libraries and compiled files."""
    site = next((home / "lib").glob("python*/site-packages"))
    found = {}
    for one in distributions(path=[str(site)]):
        found[one.metadata["Name"]] = round(distribution_bytes(one) / 2**20, 2)
    kept = {name: size for name, size in found.items() if name not in _NOT_WEIGHED}
    return dict(sorted(kept.items(), key=lambda item: -item[1]))


def distribution_bytes(one: Distribution) -> int:
    """Return what the files of an installed package take on the disk."""
    return files_bytes({Path(str(one.locate_file(file))) for file in one.files or ()})


def files_bytes(files: Iterable[Path]) -> int:
    """Return what files take on the disk; folders among them count nothing."""
    return sum(file.stat().st_blocks * 512 for file in files if file.is_file())


def measure(names: Sequence[str], model: Path | None, tools: Path) -> dict[str, Any]:
    """Install by each route, weigh it and, given a model, run `freezenet verify` and `predict` there (JSON types)."""
    routes = {}
    with tempfile.TemporaryDirectory(prefix="freezenet-install-") as name:
        work = Path(name)
        wheel = project_wheel(work)
        for key in names:
            logger.info(f"installing: {ROUTES[key].summary}")
            home = work / key
            seconds = install(ROUTES[key], home, wheel, tools)
            found = weights(home)
            routes[key] = {
                "summary": ROUTES[key].summary,
                "commands": ROUTES[key].shown(),
                "seconds": round(seconds, 1),
                "megabytes": round(sum(found.values()), 1),
                "packages": found,
                "checked": None if model is None else _checked(home, model, work),
            }
    return {"routes": routes, "environment": environment()}


def _checked(home: Path, model: Path, work: Path) -> list[str]:
    """Return what `freezenet verify` and `freezenet predict` print in that environment; both must succeed."""
    import cv2
    import numpy as np

    from freezenet.train.data.phantoms import draw_phantom

    image = work / "phantom.png"
    cv2.imwrite(str(image), draw_phantom("Focal", 512, np.random.default_rng(0)))
    command = str(home / "bin" / "freezenet")
    said = [
        run_tool([command, *rest], "A command that works")
        for rest in (["verify", str(model)], ["predict", str(model), str(image)])
    ]
    return [line.replace(f"{work}/", "") for one in said for line in one.splitlines()]


def _lean_name() -> str:
    return f"opencv-lean-{_OPENCV}-py{sys.version_info[0]}{sys.version_info[1]}"


@click.command(cls=StudyCommand)
@click.argument("model", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--route", "routes", default="all", show_default=True, metavar="LIST", help="Which ways to install.")
@result_options
def main(model: Path | None, routes: str, as_json: bool, out: Path | None) -> None:
    """Install by each route into a new virtual environment and print what every package weighs.

    With a MODEL, `freezenet verify` and `freezenet predict` must work in each. The route "small" needs a C++ compiler.
    """
    result = measure(chosen_names(routes, ROUTES, "Routes"), model and model.resolve(), default_tools_folder())
    hand_over(result, "install", install_table(result), as_json, out)


if __name__ == "__main__":
    main()
