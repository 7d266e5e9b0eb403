"""The public API: what a name loads, and that each is there."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import freezenet

#: What using a model file needs of the base install; nothing else may come with the two names.
DEVICE = {"freezenet", "numpy", "cv2"}


def loaded_after(code: str) -> set[str]:
    """Modules loaded in a fresh process after `code` and not without it."""
    program = f"import sys; before = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_the_package_alone_loads_nothing():
    found = {name.partition(".")[0] for name in loaded_after("import freezenet")}
    assert found - set(sys.stdlib_module_names) == {"freezenet"}


def test_classifier_and_prediction_load_the_device_and_nothing_else():
    loaded = loaded_after("from freezenet import Classifier, Prediction")
    found = {name.partition(".")[0] for name in loaded}
    assert found - set(sys.stdlib_module_names) <= DEVICE
    floors = {name.split(".")[1] for name in loaded if name.startswith("freezenet.")}
    assert floors == {"edge_runtime"}


@pytest.mark.parametrize("name", freezenet.__all__)
def test_every_public_name_is_there(name):
    assert getattr(freezenet, name) is not None
    assert callable(getattr(freezenet, name))


def test_all_is_what_type_checkers_and_completion_see():
    assert sorted(freezenet.__all__) == list(freezenet.__all__)
    assert set(freezenet.__all__) <= set(dir(freezenet))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        freezenet.nothing  # noqa: B018
    with pytest.raises(ImportError):
        from freezenet import nothing  # noqa: F401


def test_the_floors_train_and_convert_can_be_called():
    import freezenet.convert
    import freezenet.train

    for floor in (freezenet.train, freezenet.convert):
        assert isinstance(floor, ModuleType) and callable(floor)


def test_compare_is_the_function():
    from freezenet.benchmarks.compare import compare

    assert freezenet.compare is compare and not isinstance(freezenet.compare, ModuleType)


def test_calling_a_floor_does_what_its_function_does(tmp_path):
    from freezenet import FreezenetError

    with pytest.raises(FreezenetError, match="which does not exist"):
        freezenet.train(tmp_path / "nowhere", tmp_path / "run", recipe=freezenet.load_recipe("phantoms"))
    with pytest.raises(FreezenetError):
        freezenet.convert(freezenet.Run.open(tmp_path / "run"), tmp_path / "models")
