"""Nothing imports upward, and the device imports nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: From the ground floor up.
FLOORS = ("edge_runtime", "train", "convert", "benchmarks", "pipeline")


def imported_packages(path: Path) -> set[str]:
    """Return the top-level names that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("floor", FLOORS)
def test_nothing_imports_upward(floor):
    above = set(FLOORS[FLOORS.index(floor) + 1 :]) | {"freezenet"}
    files = sorted((ROOT / floor).rglob("*.py"))
    assert files
    for file in files:
        assert not imported_packages(file) & above, file


#: What a part of the device may import beside the base install, from the extra of the same purpose.
EXTRAS = {
    "dicom": {"pydicom", "imagecodecs"},
    "server": {"fastapi", "starlette", "uvicorn", "prometheus_client", "pydantic"},
    "dicom_node": {"pydicom", "pynetdicom", "highdicom"},
}


def test_the_device_imports_only_what_the_base_install_holds():
    allowed = set(sys.stdlib_module_names) | {"edge_runtime", "numpy", "cv2", "click"}
    for file in sorted((ROOT / "edge_runtime").rglob("*.py")):
        part = file.relative_to(ROOT / "edge_runtime").parts[0]
        assert imported_packages(file) <= allowed | EXTRAS.get(part, set()), file


def modules_after(code: str) -> set[str]:
    """Return the top-level modules loaded in a fresh process after `code`."""
    program = f"{code}\nimport sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.splitlines()[-1].split())


def test_a_prediction_loads_no_training_stack(models, phantoms):
    image = next(phantoms.parent.rglob("*.png"))
    code = f"from edge_runtime import Classifier; Classifier({str(models / 'int8.tflite')!r}).predict({str(image)!r})"
    loaded = modules_after(code)
    assert "cv2" in loaded
    assert not loaded & {"tensorflow", "keras", "sklearn", "scipy", "train", "convert", "rich"}


def test_help_loads_no_library_but_click():
    code = "from click.testing import CliRunner; import freezenet; assert CliRunner().invoke(freezenet.cli, ['--help']).exit_code == 0"
    loaded = modules_after(code)
    assert "click" in loaded
    assert not loaded & {"numpy", "cv2", "tensorflow", "rich", "matplotlib", "jinja2"}
