from __future__ import annotations

import csv
import math
import sys

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from freezenet.convert.float.operators import read_operators
from freezenet.convert.ptq.integer import to_integer
from freezenet.convert.ptq.sensitivity import (
    OperatorNoise,
    Sensitivity,
    layer_name,
    measure_sensitivity,
    signal_to_noise,
)
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter

SPEC = PreprocessSpec(size=(32, 32))
LAYERS = ["first", "depthwise", "point", "add", "pool", "scores", ""]


@pytest.fixture(scope="module")
def images(small_pixels):
    return [SPEC.network_input(one, np.float32) for one in small_pixels]


@pytest.fixture(scope="module")
def measured(small, images):
    return measure_sensitivity(small._corrected_float32, small.ranges, images)


def decibel(clean, noisy):
    clean, noisy = np.asarray(clean, np.float64), np.asarray(noisy, np.float64)
    return 20 * math.log10(np.linalg.norm(clean) / np.linalg.norm(clean - noisy))


def centred(logits):
    return np.asarray(logits, np.float64) - np.mean(logits, 1, keepdims=True)


def test_the_ratio_of_a_hand_computed_case():
    # 3^2 + 4^2 = 25 and 0.3^2 + 0.4^2 = 0.25: a hundredth.
    assert signal_to_noise(np.array([3.0, 4.0]), np.array([3.3, 3.6])) == pytest.approx(20)
    assert signal_to_noise(np.array([3.0, 4.0]), np.array([3.0, 9.0])) == pytest.approx(0)
    assert signal_to_noise(np.ones(4), np.ones(4)) == math.inf


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("net_1/net_1/Conv1_relu_1/Relu6;net_1/net_1/Conv1_1/BiasAdd;net_1/net_1/Conv1_1/convolution", "Conv1"),
        ("net_1/net_1/b_pad_1/Pad;;net_1/net_1/b_depthwise_1/depthwise", "b_depthwise"),
        ("net_1/net_1/block_1_add_1/Add", "block_1_add"),
        ("StatefulPartitionedCall_1:0", ""),
    ],
)
def test_layer_names(tensor, layer):
    assert layer_name(tensor) == layer


def test_operators_come_in_the_order_of_execution(small, measured):
    assert [one.layer for one in measured.operators] == LAYERS
    wanted = [(one.kind, one.name) for one in read_operators(small._corrected_float32)]
    assert [(one.kind, one.tensor) for one in measured.operators] == wanted


def test_limits_are_those_of_the_ranges(small, measured):
    for one in measured.operators[:-1]:
        assert (one.low, one.high) == pytest.approx(small.ranges[one.tensor], abs=1e-5)
    assert (measured.operators[-1].low, measured.operators[-1].high) == (0, 255 / 256)  # softmax, by TFLite's rule


def test_rounding_one_output_is_what_tensorflow_computes(small, measured, images):
    """Its fake quantization at the same place of the Keras network."""
    network = small.corrected
    dense = network.get_layer("scores")
    for place, row in (("first_relu", 0), ("depthwise_relu", 1), ("point", 2), ("add", 3), ("pool", 4)):
        one = measured.operators[row]
        inside = keras.Model(network.input, network.get_layer(place).output)
        logits = {}
        for noisy in (False, True):
            tensors = {}
            for layer in network.layers[:-1]:
                if layer.name == "first":
                    tensors[layer.name] = layer(np.concatenate(images))
                elif isinstance(layer, keras.layers.InputLayer):
                    tensors[layer.name] = np.concatenate(images)
                else:
                    sources = [tensor._keras_history.operation.name for tensor in layer._inbound_nodes[0].input_tensors]
                    arguments = [tensors[name] for name in sources]
                    tensors[layer.name] = layer(arguments if len(arguments) > 1 else arguments[0])
                if noisy and layer.name == place:
                    np.testing.assert_allclose(tensors[place], inside(np.concatenate(images)), atol=1e-5)
                    tensors[place] = tf.quantization.fake_quant_with_min_max_args(tensors[place], one.low, one.high)
            kernel, bias = dense.get_weights()
            logits[noisy] = centred(np.asarray(tensors["pool"]) @ kernel + bias)
        assert one.own_snr_db == pytest.approx(decibel(logits[False], logits[True]), abs=0.5), place


def test_a_file_with_one_integer_operator_says_the_same(small, measured, small_pixels):
    """The first operator reads exact pixels, so that its own integers are all the noise of such a file."""
    names = [one.tensor for one in measured.operators]
    content = to_integer(small._corrected_float32, small.ranges, names[1:])
    both = []
    for model, dtype in ((small._corrected_float32, np.float32), (content, np.uint8)):
        interpreter = Interpreter(model)
        scores = [interpreter.invoke(SPEC.network_input(one, dtype))[0][0] for one in small_pixels]
        both.append(centred(np.log(np.asarray(scores, np.float64))))  # the softmax's input, less its mean
    assert measured.operators[0].own_snr_db == pytest.approx(decibel(*both), abs=0.5)


def test_the_last_ratio_is_that_of_the_scores(small, measured, small_pixels):
    both = []
    for model, dtype in (
        (small._corrected_float32, np.float32),
        (to_integer(small._corrected_float32, small.ranges), np.uint8),
    ):
        interpreter = Interpreter(model)
        both.append([interpreter.invoke(SPEC.network_input(one, dtype))[0][0] for one in small_pixels])
    assert measured.operators[-1].snr_db == pytest.approx(decibel(*both), abs=0.01)
    assert measured.operators[-1].own_snr_db == math.inf


def test_the_whole_file_is_tensorflows_with_reference_kernels(small, measured, small_pixels):
    content = to_integer(small._corrected_float32, small.ranges)
    resolver = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    engines = [
        tf.lite.Interpreter(
            model_content=one, experimental_preserve_all_tensors=True, experimental_op_resolver_type=resolver
        )
        for one in (small._corrected_float32, content)
    ]
    for engine in engines:
        engine.allocate_tensors()
    name = measured.operators[1].tensor
    tensors = [next(one for one in engine.get_tensor_details() if one["name"] == name) for engine in engines]
    scale, zero = tensors[1]["quantization"]
    both = [[], []]
    for pixels in small_pixels:
        for number, engine in enumerate(engines):
            one = engine.get_input_details()[0]
            engine.set_tensor(one["index"], SPEC.network_input(pixels, one["dtype"]))
            engine.invoke()
            values = engine.get_tensor(tensors[number]["index"]).astype(np.float64)
            both[number].append(scale * (values - zero) if number else values)
    assert measured.operators[1].snr_db == pytest.approx(decibel(*both), abs=0.2)


@pytest.mark.parametrize("number", [0, 2, 3])
def test_an_absurd_range_is_the_worst(small, images, number):
    name = read_operators(small._corrected_float32)[number].name
    ranges = {**small.ranges, name: (-300.0, 300.0)}
    found = measure_sensitivity(small._corrected_float32, ranges, images[:4])
    assert found.worst_first()[0] == name
    assert found.images == 4


def test_no_image_is_refused(small):
    with pytest.raises(FreezenetError, match=r"^At least one image is required .* Got: none; .*\.$"):
        measure_sensitivity(small._corrected_float32, small.ranges, [])


def test_the_table_is_read_back(measured, tmp_path):
    measured.write_csv(tmp_path / "sensitivity.csv")
    with (tmp_path / "sensitivity.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row.pop("number")) for row in rows] == list(range(len(LAYERS)))
    for row, one in zip(rows, measured.operators, strict=True):
        texts = (row["kind"], row["tensor"], row["layer"])
        figures = [float(row[name]) for name in ("low", "high", "snr_db", "own_snr_db")]
        assert OperatorNoise(*texts, *figures) == one


def rows_of(count: int) -> Sensitivity:
    rng = np.random.default_rng(0)
    return Sensitivity(
        tuple(
            OperatorNoise("DEPTHWISE_CONV_2D", f"a$b_{n}", f"block_{n}", 0.0, 6.0, *rng.uniform(5, 60, 2))
            for n in range(count)
        ),
        8,
    )


@pytest.mark.parametrize("count", [1, 65])
def test_the_picture_grows_with_the_network(count, tmp_path):
    rows_of(count).plot(tmp_path / "sensitivity.png")
    assert [path.name for path in tmp_path.iterdir()] == ["sensitivity.png"]
    assert (tmp_path / "sensitivity.png").read_bytes().startswith(b"\x89PNG")
    height, width, _ = cv2.imread(str(tmp_path / "sensitivity.png")).shape
    assert 1000 <= width <= 1400
    assert height >= 24 * count  # a line of small print for each


def test_a_picture_of_nothing_finite(tmp_path):
    one = OperatorNoise("SOFTMAX", "scores", "", 0.0, 1.0, math.inf, math.inf)
    Sensitivity((one,), 1).plot(tmp_path / "sensitivity.png")
    assert cv2.imread(str(tmp_path / "sensitivity.png")) is not None


def test_a_picture_needs_matplotlib(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(
        FreezenetError, match=r"^The package matplotlib .* run: pip install 'freezenet\[report\]', or in a clone: .*\.$"
    ):
        rows_of(2).plot(tmp_path / "sensitivity.png")
    assert not list(tmp_path.iterdir())
