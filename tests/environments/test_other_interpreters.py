"""The other two interpreters, each where it is the only one."""

from __future__ import annotations

import json
import sys

import pytest

VARIANTS = ["float32", "float16", "int8"]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="tflite-runtime 2.14.0 has wheels up to Python 3.11")
@pytest.mark.parametrize("variant", VARIANTS)
def test_tflite_runtime_does_what_the_device_must(installed, run_in, models, picture, variant):
    command, model = installed("tflite-runtime") / "bin" / "freezenet", models / f"{variant}.tflite"
    for arguments in (["--help"], ["doctor"], ["inspect", model]):
        assert run_in(command, *arguments).returncode == 0
    answer = json.loads(run_in(command, "predict", model, picture, "--json").stdout)
    assert answer["runtime"] == "tflite-runtime 2.14.0"
    done = run_in(command, "verify", model, "--json")
    found = json.loads(done.stdout)
    assert found["inputs_equal"] == found["vectors"] > 0
    assert done.returncode == (0 if found["passed"] else 3)
    # Its integer kernels are others than those that recorded the vectors: labels are what must agree, and those of a
    # net as small as this one need not.
    assert found["passed"] or variant == "int8", done.stderr
    assert (found["tolerance"] is None) == (variant == "int8")


def test_tensorflow_is_the_last_resort(hidden_litert, run_in, models, picture):
    python, model = hidden_litert.pop("PYTHON"), models / "int8.tflite"  # TensorFlow takes seconds to start each time

    def freezenet(*arguments):
        return run_in(python, "-m", "freezenet", *arguments, **hidden_litert)

    assert json.loads(freezenet("doctor", "--json").stdout)["interpreter"] == "tensorflow"
    assert freezenet("inspect", model).returncode == 0
    answer = json.loads(freezenet("predict", model, picture, "--json").stdout)
    assert answer["runtime"].startswith("tensorflow ")
    done = freezenet("verify", model, "--json")
    assert (done.returncode, json.loads(done.stdout)["passed"]) == (0, True), done.stderr
