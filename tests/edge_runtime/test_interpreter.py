"""The interpreters against each other, and models that cannot be run."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.interpreter import RUNTIMES, Interpreter, installed_runtime, runtime_version

INSTALLED = [name for name, module in RUNTIMES.items() if find_spec(module.partition(".")[0]) is not None]


def random_input(interpreter: Interpreter, seed: int = 0) -> np.ndarray:
    one, rng = interpreter.inputs[0], np.random.default_rng(seed)
    if one["dtype"] == np.uint8:
        return rng.integers(0, 256, one["shape"], np.uint8)
    return rng.uniform(-1, 1, one["shape"]).astype(one["dtype"])


def test_the_first_installed_runtime_is_the_default(models):
    assert installed_runtime() == INSTALLED[0]
    assert Interpreter(models / "int8.tflite").runtime == INSTALLED[0]


@pytest.mark.parametrize("runtime", INSTALLED)
def test_every_installed_runtime_gives_the_scores_of_keras(models, run, runtime):
    interpreter = Interpreter(models / "float32.tflite", runtime=runtime)
    tensor = random_input(interpreter)
    scores = interpreter.invoke(tensor)[0]
    expected = np.asarray(run.model()(tensor, training=False))
    np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize("runtime", INSTALLED[1:])
@pytest.mark.parametrize("seed", range(3))
def test_runtimes_agree_on_float32(models, runtime, seed):
    first, second = (Interpreter(models / "float32.tflite", runtime=name) for name in (INSTALLED[0], runtime))
    tensor = random_input(first, seed)
    np.testing.assert_allclose(first.invoke(tensor)[0], second.invoke(tensor)[0], atol=1e-5)


@pytest.mark.parametrize("variant", ["float32", "float16", "dynamic", "int8"])
def test_scores_are_probabilities(models, run, variant):
    interpreter = Interpreter(models / f"{variant}.tflite")
    scores = interpreter.invoke(random_input(interpreter))[0]
    assert scores.dtype == np.float32
    assert scores.shape == (1, len(run.labels))
    assert (scores >= 0).all()
    assert scores.sum() == pytest.approx(1, abs=0.01)


def test_bytes_and_path_are_the_same_model(models):
    path = models / "int8.tflite"
    one, other = Interpreter(path), Interpreter(path.read_bytes())
    np.testing.assert_array_equal(one.invoke(random_input(one))[0], other.invoke(random_input(one))[0])


@pytest.mark.parametrize("runtime", INSTALLED)
def test_a_file_that_is_overwritten_or_cut_off_is_nothing_to_what_was_loaded(models, tmp_path, runtime):
    """A mapped file would give other numbers, or end the process."""
    path = tmp_path / "int8.tflite"
    path.write_bytes((models / "int8.tflite").read_bytes())
    model = Interpreter(path, runtime=runtime)
    before = model.invoke(random_input(model))[0]
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    np.testing.assert_array_equal(model.invoke(random_input(model))[0], before)
    path.write_bytes(b"")
    np.testing.assert_array_equal(model.invoke(random_input(model))[0], before)


def test_threads_do_not_change_the_scores(models):
    one, two = (Interpreter(models / "float32.tflite", threads=count) for count in (1, 2))
    np.testing.assert_allclose(one.invoke(random_input(one))[0], two.invoke(random_input(one))[0], atol=1e-6)


def test_outputs_are_copies(models):
    interpreter = Interpreter(models / "float32.tflite")
    first = interpreter.invoke(random_input(interpreter, 0))[0]
    kept = first.copy()
    second = interpreter.invoke(random_input(interpreter, 1))[0]
    np.testing.assert_array_equal(first, kept)
    assert not np.array_equal(first, second)
    first[:] = 7
    np.testing.assert_array_equal(interpreter.invoke(random_input(interpreter, 1))[0], second)


def test_operators_have_names(models):
    names = {one["op_name"] for one in Interpreter(models / "int8.tflite").operators()}
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "SOFTMAX"} <= names


@pytest.mark.parametrize("runtime", INSTALLED)
def test_runtime_version_is_the_installed_one(runtime):
    from importlib.metadata import version

    assert runtime_version(runtime) == version(runtime)


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_threads_that_no_device_has_are_refused(models, threads):
    with pytest.raises(FreezenetError, match=f"From 1 to 256 threads are required. Got: {threads}"):
        Interpreter(models / "int8.tflite", threads=threads)


def test_half_a_thread_is_no_fault_of_the_model(models):
    with pytest.raises(FreezenetError, match=r"threads must be of type int. Got: 1.5 of type float"):
        Interpreter(models / "int8.tflite", threads=1.5)


def test_an_unknown_runtime_is_refused_and_the_known_ones_named(models):
    with pytest.raises(FreezenetError, match=r"ai-edge-litert, tflite-runtime, tensorflow .*Got: onnx"):
        Interpreter(models / "int8.tflite", runtime="onnx")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_runtime_that_is_not_installed_says_how_to_install_it(models, monkeypatch, runtime):
    for name in [*sys.modules]:
        if name.partition(".")[0] == RUNTIMES[runtime].partition(".")[0]:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, RUNTIMES[runtime].partition(".")[0], None)
    with pytest.raises(FreezenetError, match=f"{runtime} is required. Got: it is not installed; run: pip install"):
        Interpreter(models / "int8.tflite", runtime=runtime)


def test_no_runtime_at_all_says_how_to_install_one(monkeypatch):
    monkeypatch.setattr("freezenet.edge_runtime.interpreter.find_spec", lambda name: None)
    with pytest.raises(FreezenetError, match="none installed; run: pip install ai-edge-litert"):
        installed_runtime()


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "text.tflite").write_text("no model at all")
    (tmp_path / "empty.tflite").write_bytes(b"")
    for model in (tmp_path / "text.tflite", tmp_path / "empty.tflite", b"", b"no model at all"):
        with pytest.raises(FreezenetError, match="another format"):
            Interpreter(model)
    with pytest.raises(FreezenetError, match="does not exist"):
        Interpreter(tmp_path / "none.tflite")
    with pytest.raises(FreezenetError, match="a folder"):
        Interpreter(tmp_path)


LOAD_EACH = """
import sys
import numpy as np
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.interpreter import Interpreter
for name in sys.argv[2:]:
    try:
        model = Interpreter(name, runtime=sys.argv[1])
    except FreezenetError as error:
        assert " is required. Got: " in str(error) and chr(10) not in str(error), error
        print("refused")
    else:
        one = model.inputs[0]
        print(*model.invoke(np.full(one["shape"], 1, one["dtype"]))[0][0].tolist())
"""


@pytest.mark.skipif("ai-edge-litert" not in INSTALLED, reason="the other runtimes do not check a file; they crash")
@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_a_truncated_model_is_refused_or_answers_like_the_whole(models, tmp_path, variant):
    """In a process of its own: a runtime that trusts a broken file would take the test run with it."""
    data = (models / f"{variant}.tflite").read_bytes()
    cuts = (
        8,
        9,
        64,
        1000,
        *(len(data) * tenth // 10 for tenth in range(1, 10)),
        len(data) - 20_000,
        len(data) - 1,
    )
    files = [models / f"{variant}.tflite"]
    for cut in cuts:
        files.append(tmp_path / f"{cut}.tflite")
        files[-1].write_bytes(data[:cut])
    done = subprocess.run(
        [sys.executable, "-c", LOAD_EACH, "ai-edge-litert", *map(str, files)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    whole, *answers = done.stdout.splitlines()
    assert len(answers) == len(cuts)
    assert set(answers) <= {"refused", whole}
    assert answers[:4] == ["refused"] * 4
    assert whole != "refused"
