"""A program that imports the library stays as it was: environment, warnings, logging, OpenCV; and nothing heavy is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_STATE = """
import os, sys, logging, warnings, json
def state():
    found = {"environment": dict(os.environ), "filters": [str(one) for one in warnings.filters],
             "show": warnings.showwarning.__module__, "hook": sys.excepthook.__module__, "path": list(sys.path)}
    for name in [None, *logging.root.manager.loggerDict]:
        logger = logging.getLogger(name)
        if not name or name.partition(".")[0] in known:
            found[str(name)] = (logger.level, logger.disabled, logger.propagate, len(logger.handlers), len(logger.filters))
    if "cv2" in sys.modules:
        import cv2
        found["opencv"] = (cv2.utils.logging if hasattr(cv2.utils, "logging") else cv2).getLogLevel(), cv2.getNumThreads()
    return found
"""


def ran(code: str, *arguments: object) -> str:
    """Return what a program prints in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_and_predicting_change_nothing_of_the_host(models, phantoms, dicom, tmp_path):
    """OpenCV, NumPy, pydicom and the interpreter are loaded first, so that what they change themselves is not counted."""
    import cv2

    png = next(phantoms.parent.rglob("*.png"))
    (tmp_path / "x.dcm").write_bytes(dicom(cv2.imread(str(png), cv2.IMREAD_GRAYSCALE)))
    (tmp_path / "damaged.png").write_bytes(png.read_bytes()[:200])
    code = f"""{_STATE}
known = ()
import numpy, cv2, pydicom, imagecodecs, ai_edge_litert.interpreter
logging.getLogger("pydicom")
known = ("pydicom", "absl", "tensorflow")
before = state()
import freezenet
from freezenet import Classifier
assert state() == before, "import"
classifier = Classifier(sys.argv[1])
for image in sys.argv[2:]:
    try:
        classifier.predict(image, overlay=True)
    except freezenet.FreezenetError as error:
        assert "whole PNG" in str(error), error
after = state()
assert after == before, [(key, before.get(key), after.get(key)) for key in after if after.get(key) != before.get(key)]
print("as before")
"""
    assert ran(code, models / "int8.tflite", png, tmp_path / "x.dcm", tmp_path / "damaged.png") == "as before\n"


def test_importing_the_whole_device_changes_nothing_of_the_host():
    """Every module of the ground floor, also those of the server and of the hospital network's node."""
    folder = ROOT / "freezenet" / "edge_runtime"
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in folder.rglob("*.py")
    ]
    code = f"""{_STATE}
known = ()
import numpy, cv2, pydicom, imagecodecs, pynetdicom, highdicom, fastapi, uvicorn, prometheus_client
known = ("pydicom", "pynetdicom", "highdicom", "uvicorn", "fastapi")
from importlib import import_module
before = state()
for module in sys.argv[1:]:
    import_module(module)
after = state()
assert after == before, [(key, before.get(key), after.get(key)) for key in after if after.get(key) != before.get(key)]
print("as before")
"""
    assert ran(code, *modules) == "as before\n"


def test_the_public_names_load_nothing_heavy():
    code = "import sys; from freezenet import Classifier, Prediction; print(*sys.modules, sep='\\n')"
    loaded = {name.partition(".")[0] for name in ran(code).split()}
    heavy = {"tensorflow", "keras", "scipy", "sklearn", "matplotlib", "rich", "pydicom", "fastapi", "click", "jinja2"}
    assert not loaded & heavy
    rooms = {name for name in ran(code).split() if name.startswith("freezenet.")}
    assert {name.split(".")[1] for name in rooms} == {"edge_runtime"}


def test_the_public_names_load_less_than_what_they_stand_on():
    """What makes them quicker to import than NumPy, OpenCV and the interpreter: OpenCV and archives wait for their first use."""
    loaded = set(
        ran("import sys; from freezenet import Classifier, Prediction; print(*sys.modules, sep='\\n')").split()
    )
    assert "numpy" in loaded
    assert not loaded & {"cv2", "zipfile", "hashlib", "ai_edge_litert", "tflite_runtime"}


def test_a_filter_of_warnings_lasts_while_a_thread_needs_it():
    import threading
    import warnings

    from freezenet.edge_runtime.system.chatter import without_pydicom_warnings

    def odd() -> None:
        warnings.warn_explicit("odd value", UserWarning, "values.py", 1, module="pydicom.values")

    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with without_pydicom_warnings():
            inside.set()
            leave.wait(10)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        thread = threading.Thread(target=other)
        thread.start()
        inside.wait(10)
        with without_pydicom_warnings():
            odd()
        odd()  # the other thread is still inside
        leave.set()
        thread.join(10)
        assert list(warnings.filters) == before
        with pytest.raises(UserWarning, match="odd value"):
            odd()


def test_the_command_prepares_its_process():
    code = (
        "import os, sys; from freezenet.cli import main; sys.argv[1:] = ['--version']\n"
        "try: main()\n"
        "except SystemExit: print(os.environ['OPENCV_IO_MAX_IMAGE_PIXELS'], 'numpy' in sys.modules)"
    )
    if "OPENCV_IO_MAX_IMAGE_PIXELS" in os.environ:
        pytest.skip("the environment has a limit of its own")
    assert ran(code).splitlines()[-1] == "100000000 False"
