"""The house: floors, circles, rooms, and what the device may import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "freezenet"
#: From the ground floor up.
FLOORS = ("edge_runtime", "train", "convert", "benchmarks", "pipeline", "cli")
MOST_FILES, MOST_LINES = 12, 300
#: Libraries that a device does without.
TRAINING_STACK = {"tensorflow", "keras", "sklearn", "scipy", "matplotlib", "PIL"}
#: What a room of the device may import beside the base install, from the extra of the same purpose.
EXTRAS = {
    "images/dicom": {"pydicom", "imagecodecs"},
    "server": {"fastapi", "starlette", "uvicorn", "prometheus_client", "pydantic"},
    "dicom_node": {"pydicom", "pynetdicom"},
    "dicom_node/results": {"pydicom", "highdicom"},
    "integrity": {"cryptography"},
    "screen": {"pyarrow", "rich"},
    "screen/engines": {"pyarrow", "ray"},
    "screen/inputs": {"pyarrow", "fsspec"},
    "screen/summary": {"pyarrow", "jinja2"},
    "system": {"ray"},
}


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file of each module of the package."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(name: str) -> set[str]:
    """The dotted names that a module imports anywhere in it, in functions and for types too."""
    path = modules()[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            found |= {base, *(f"{base}.{one.name}" for one in node.names)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found |= {one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return found


@cache
def arrows() -> dict[str, set[str]]:
    """Module -> modules of the package that it imports; a module within a package is not also the package."""
    graph = {}
    for name in modules():
        targets = imported(name) & modules().keys() - {name}
        graph[name] = {one for one in targets if not name.startswith(f"{one}.")}
    return graph


def floor(name: str) -> int:
    """The number of a module's floor; the package's own `__init__`, which is lazy, stands on the roof."""
    parts = name.split(".")
    return FLOORS.index(parts[1]) if len(parts) > 1 and parts[1] in FLOORS else len(FLOORS)


def test_every_module_stands_on_a_floor():
    assert {name for name in modules() if floor(name) == len(FLOORS)} == {"freezenet", "freezenet.__main__"}


@pytest.mark.parametrize("storey", FLOORS)
def test_nothing_imports_upward(storey):
    upward = [
        f"{name} -> {target}"
        for name, targets in arrows().items()
        for target in sorted(targets)
        if floor(name) == FLOORS.index(storey) < floor(target)
    ]
    assert upward == []


def test_no_circle_of_modules():
    circle = ""
    try:
        TopologicalSorter(arrows()).prepare()
    except CycleError as error:
        circle = " <- ".join(error.args[1])
    assert circle == ""


def test_no_room_is_overfull():
    rooms = Counter(path.parent.relative_to(ROOT) for path in modules().values() if path.name != "__init__.py")
    assert {str(room): count for room, count in rooms.items() if count > MOST_FILES} == {}


def test_no_file_is_too_long():
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in modules().values()
    }
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}


def test_nothing_in_the_package_imports_studies_or_tests():
    strangers = {"studies", "tests", *FLOORS}  # nor a floor by the name it had as a package of its own
    found = {name: {one for one in imported(name) if one.partition(".")[0] in strangers} for name in modules()}
    assert {name: one for name, one in found.items() if one} == {}


def test_the_device_imports_only_what_the_base_install_holds():
    base = set(sys.stdlib_module_names) | {"freezenet", "numpy", "cv2", "click"}
    home = PACKAGE / "edge_runtime"
    found = {}
    for name, path in modules().items():
        if path.is_relative_to(home):
            room = str(path.parent.relative_to(home))
            allowed = base | EXTRAS.get(room, set())
            found[name] = {one.partition(".")[0] for one in imported(name)} - allowed
    assert {name: one for name, one in found.items() if one} == {}


def modules_after(code: str, folder: Path = ROOT) -> set[str]:
    """Return the modules loaded in a fresh process after `code`."""
    program = f"{code}\nimport sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=folder)
    return set(done.stdout.splitlines()[-1].split())


def tops(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def test_a_prediction_loads_no_training_stack(models, phantoms):
    image = next(phantoms.parent.rglob("*.png"))
    code = f"from freezenet import Classifier; Classifier({str(models / 'int8.tflite')!r}).predict({str(image)!r})"
    loaded = modules_after(code)
    assert "cv2" in loaded
    assert not tops(loaded) & (TRAINING_STACK | {"rich"})
    assert not [name for name in loaded if name.startswith("freezenet.") and floor(name) > 0]


def test_help_loads_no_library_but_click():
    code = (
        "from click.testing import CliRunner; from freezenet.cli import cli\n"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0"
    )
    loaded = tops(modules_after(code))
    assert "click" in loaded
    assert not loaded & (TRAINING_STACK | {"numpy", "cv2", "rich", "jinja2"})
