from __future__ import annotations

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from click.testing import CliRunner
from sklearn.metrics import f1_score

from freezenet.convert.converter import Converter
from freezenet.convert.ptq.ranges import Observation
from freezenet.convert.variants import VARIANTS
from freezenet.edge_runtime.errors import DataError
from studies.quantization.__main__ import main
from studies.quantization.answers import answers, with_beta
from studies.quantization.arms import ARMS, extremes, percentile
from studies.quantization.bench import Bench
from studies.quantization.measure import measure
from studies.tables.quantization_page import quantization_table

SMALL = ("tensorflow", "nearest-minmax", "rounded-least-error", "rounded-least-error-bias-correction")


@pytest.fixture(scope="module")
def bench(run):
    return Bench(run)


@pytest.fixture(scope="module")
def files(bench):
    return {arm: ARMS[arm].make(bench) for arm in SMALL}


@pytest.fixture(scope="module")
def result(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    done = CliRunner().invoke(main, [str(run.folder), "--arms", ",".join(SMALL), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    (file,) = out.glob("quantization-phantoms-*.json")
    content = json.loads(file.read_text())
    assert content == json.loads(done.stdout.splitlines()[-1])
    return content


def by_tensorflow(file, pixels, spec):
    """Scores of TensorFlow's interpreter, whose own kernels take no part in the measurement."""
    engine = tf.lite.Interpreter(model_content=file)
    engine.allocate_tensors()
    (image,), (scores,) = engine.get_input_details(), engine.get_output_details()
    found = []
    for one in pixels:
        engine.set_tensor(image["index"], spec.network_input(one, image["dtype"]))
        engine.invoke()
        found.append(engine.get_tensor(scores["index"])[0])
    return np.array(found)


@pytest.mark.parametrize("arm", SMALL)
def test_figures_are_those_of_tensorflows_interpreter(bench, files, result, arm):
    pixels, truth = bench.splits["test"]
    found = by_tensorflow(files[arm], pixels, bench.spec)
    wanted = bench.model.predict(bench.spec.normalized(pixels), verbose=0)
    (row,) = (row for row in result["rows"] if row["arm"] == arm)
    assert row["changed"] == pytest.approx(np.mean(found.argmax(1) != wanted.argmax(1)), abs=1e-6)
    assert row["score_difference"] == pytest.approx(np.abs(found - wanted).mean(), abs=1e-5)
    f1 = [f1_score(truth, one.argmax(1), average="macro", zero_division=0) for one in (found, wanted)]
    assert row["macro_f1"] == pytest.approx(f1[0], abs=1e-6)
    assert row["macro_f1_difference"] == pytest.approx(f1[0] - f1[1], abs=1e-5)


def test_logits_are_those_before_the_softmax(bench, files):
    pixels = bench.splits["validation"][0][:4]
    found = answers(bench.trained.file, pixels, bench.spec)
    np.testing.assert_allclose(tf.nn.softmax(found.logits), found.scores, atol=1e-6)
    integer = answers(files["rounded-least-error"], pixels, bench.spec)
    # Whole 1/256: half of one by rounding, a whole one at 255/256, the largest.
    np.testing.assert_allclose(tf.nn.softmax(integer.logits), integer.scores, atol=1.5 / 256)


def test_the_arm_with_every_gain_is_the_file_that_is_shipped(bench, files):
    converter = Converter(bench.model, bench.calibration.representative(bench.spec))
    pixels = bench.splits["validation"][0]
    shipped = answers(converter.to_tflite(VARIANTS["int8"]), pixels, bench.spec)
    ours = answers(files["rounded-least-error-bias-correction"], pixels, bench.spec)
    np.testing.assert_array_equal(ours.scores, shipped.scores)


def test_minmax_ranges_are_the_extremes_of_the_float_tensors(bench, files):
    """The logits' range in the integer file, against the float logits of the same images."""
    tree = schema.ModelT.InitFromPackedBuf(files["nearest-minmax"], 0)
    (graph,) = tree.subgraphs
    (softmax,) = (one for one in graph.operators if isinstance(one.builtinOptions, schema.SoftmaxOptionsT))
    step = float(graph.tensors[softmax.inputs[0]].quantization.scale[0])
    images = np.concatenate(bench.fused.images)
    pooled = keras.Model(bench.model.input, bench.model.get_layer("pool").output).predict(images, verbose=0)
    kernel, bias = bench.model.get_layer("scores").get_weights()
    logits = pooled @ kernel + bias
    assert step == pytest.approx((max(logits.max(), 0) - min(logits.min(), 0)) / 255, rel=1e-3)


def test_ranges_by_hand():
    values = np.concatenate([np.zeros(5000), np.linspace(1, 2, 5000), [100.0]]).astype(np.float32)
    seen = Observation(-3.0, 120.0, values)
    assert extremes(seen) == (-3.0, 120.0)
    low, high = percentile(seen)
    assert low == 0
    assert 1.9 < high < 3
    assert extremes(Observation(1.0, 2.0, values)) == (0.0, 2.0)


def test_beta_scales_the_logits_of_an_integer_file(bench, files):
    pixels = bench.splits["validation"][0][:6]
    file = files["rounded-least-error"]
    plain, scaled = (answers(one, pixels, bench.spec) for one in (file, with_beta(file, 0.5)))
    np.testing.assert_allclose(scaled.logits, plain.logits / 2, atol=1e-6)
    np.testing.assert_allclose(scaled.scores, tf.nn.softmax(plain.logits / 2), atol=1.5 / 256)


def test_the_table_names_what_it_stands_on(result):
    shown = quantization_table(result)
    assert "phantoms.csv" in shown
    assert "--arms tensorflow,nearest-minmax,rounded-least-error,rounded-least-error-bias-correction" in shown
    assert [line.split(" | ")[0] for line in shown.splitlines()[4:]] == [f"| {arm}" for arm in SMALL]


def test_runs_on_other_images_have_no_mean(run):
    other = replace(run, manifest={**run.manifest, "data_sha256": "0"})
    with pytest.raises(DataError, match="same images"):
        measure([run, other], ["rounded-least-error"])


def test_one_temperature_scales_the_logits_and_nothing_else(bench, files):
    pixels = bench.splits["test"][0]
    plain, scaled = (
        answers(one, pixels, bench.spec) for one in (files["rounded-least-error"], ARMS["temperature"].make(bench))
    )
    beta = np.abs(scaled.logits).sum() / np.abs(plain.logits).sum()
    np.testing.assert_allclose(scaled.logits, beta * plain.logits, atol=1e-5)


@pytest.mark.parametrize(("arguments", "said"), [(["--arms", "magic"], "Got: magic"), ([], "without one")])
def test_a_failure_is_one_sentence(run, tmp_path, arguments, said):
    folder = run.folder if arguments else tmp_path
    done = CliRunner().invoke(main, [str(folder), *arguments])
    assert done.exit_code == 1
    assert said in done.stderr.splitlines()[-1]
