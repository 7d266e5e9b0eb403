"""The base install in an environment of its own: the device, and nothing of the training stack."""

from __future__ import annotations

import json
from importlib.metadata import distributions

import pytest

from studies.install import weights

#: What a device must not need.
TRAINING_STACK = {
    "tensorflow",
    "keras",
    "tf_keras",
    "sklearn",
    "scipy",
    "PIL",
    "matplotlib",
    "pydicom",
    "fastapi",
    "rich",
}


@pytest.fixture(scope="module")
def home(installed):
    return installed("base")


def test_it_weighs_at_most_300_mb(home):
    found = weights(home)
    assert {"freezenet", "numpy", "opencv-python-headless", "ai-edge-litert"} <= set(found)
    assert sum(found.values()) <= 300, found


def test_it_holds_nothing_of_the_training_stack(home):
    site = next((home / "lib").glob("python*/site-packages"))
    packages = {one.metadata["Name"].lower().replace("-", "_") for one in distributions(path=[str(site)])}
    assert not packages & (TRAINING_STACK | {"pillow", "scikit_learn"})


@pytest.mark.parametrize("variant", ["float32", "float16", "int8"])
def test_the_verbs_of_the_device_work(home, run_in, models, picture, variant):
    model, command = models / f"{variant}.tflite", home / "bin" / "freezenet"
    for arguments in (["--help"], ["doctor"], ["inspect", model], ["verify", model], ["predict", model, picture]):
        done = run_in(command, *arguments)
        assert done.returncode == 0, (arguments, done.stderr)
        assert done.stdout
    answer = json.loads(run_in(command, "predict", model, picture, "--json").stdout)
    assert answer["runtime"].startswith("ai-edge-litert")
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=0.02)


def test_a_prediction_loads_nothing_of_the_training_stack(home, run_in, models, picture):
    code = (
        "import sys\nfrom freezenet import Classifier\n"
        f"Classifier({str(models / 'int8.tflite')!r}).predict({str(picture)!r})\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = run_in(home / "bin" / "python", "-c", code)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert {"cv2", "numpy", "ai_edge_litert"} <= loaded
    assert not loaded & TRAINING_STACK


def test_other_verbs_say_which_extra_they_need(home, run_in, models, run, phantoms, make_key, tmp_path):
    private, _ = make_key()
    asked = {
        "train": ["train", phantoms, "--out", tmp_path / "out"],
        "convert": ["convert", run.folder, "--out", tmp_path / "out"],
        "evaluate": ["evaluate", models / "int8.tflite", phantoms],
        "compare": ["compare", models],
        "pipeline": ["pipeline", phantoms, "--out", tmp_path / "out"],
        "demo": ["demo", "--out", tmp_path / "out"],
        "sign": ["sign", models, "--key", private],
        "export-hub": ["export-hub", models, tmp_path / "out"],
    }
    extras = {"sign": "sign", "export-hub": "hub"}
    for verb, arguments in asked.items():
        done = run_in(home / "bin" / "freezenet", *arguments)
        last = done.stderr.splitlines()[-1]
        assert done.returncode == 1, (verb, done.stderr)
        assert last.startswith("Error: "), (verb, last)
        assert f"pip install 'freezenet[{extras.get(verb, 'train')}]'" in last, (verb, last)
        assert "Traceback" not in done.stderr
