from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from freezenet.convert.ptq.ranges import Observation, least_error, least_error_ranges, nudged, observe, rounded


@pytest.fixture(scope="module")
def float32(models):
    return (models / "float32.tflite").read_bytes()


@pytest.fixture(scope="module")
def images(run):
    spec = run.recipe.preprocess
    return [spec.network_input(spec.pixels(path), np.float32) for path, _ in run.paths("train")[:5]]


def seen(values):
    values = np.asarray(values, np.float32)
    return Observation(float(values.min()), float(values.max()), values)


def test_observed_extremes_are_those_of_tensorflows_interpreter(float32, images):
    found = observe(float32, images)
    engine = tf.lite.Interpreter(
        model_content=float32,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    engine.allocate_tensors()
    indices = {one["name"]: one["index"] for one in engine.get_tensor_details()}
    lows, highs = ({name: [] for name in found} for _ in range(2))
    for image in images:
        engine.set_tensor(engine.get_input_details()[0]["index"], image)
        engine.invoke()
        for name in found:
            tensor = engine.get_tensor(indices[name])
            lows[name].append(tensor.min())
            highs[name].append(tensor.max())
    assert len(found) > 60
    for name, one in found.items():
        assert one.low == pytest.approx(min(lows[name]), abs=1e-3)
        assert one.high == pytest.approx(max(highs[name]), abs=1e-3)


def test_the_input_has_its_measured_extremes(float32, images):
    ranges = least_error_ranges(float32, images)
    (name,) = set(ranges) - set(observe(float32, images))
    assert ranges[name] == (min(one.min() for one in images), max(one.max() for one in images))


@given(st.floats(-50, 0), st.floats(0.01, 50))
def test_zero_is_an_integer_of_a_nudged_range(low, high):
    left, right = nudged(low, high)
    step = (right - left) / 255
    assert -left / step == pytest.approx(round(-left / step), abs=1e-6)
    assert right - left == pytest.approx(high - low)
    assert abs(left - low) <= step


def test_rounding_is_that_of_fake_quantization():
    values = np.random.default_rng(0).normal(size=2000).astype(np.float32)
    low, high = nudged(-1.5, 2.0)
    wanted = tf.quantization.fake_quant_with_min_max_args(values, low, high).numpy()
    difference = np.abs(rounded(values, low, high) - wanted)
    assert np.mean(difference > 1e-5) < 0.002  # a value halfway between two integers may go either way
    assert difference.max() < 3.5 / 255 + 1e-5


def test_an_outlier_does_not_take_the_range():
    values = np.append(np.random.default_rng(0).uniform(-1, 1, 1_000_000), 2.2)
    low, high = least_error(seen(values))
    assert -1.1 < low < -0.95
    assert 0.95 < high < 1.5


@pytest.mark.parametrize("seed", range(3))
def test_no_other_range_has_a_smaller_error(seed):
    values = np.random.default_rng(seed).standard_t(3, 20_000)
    low, high = least_error(seen(values))
    error = np.mean((rounded(values, low, high) - values) ** 2)
    for share in np.linspace(0.3, 1.0, 8):
        for other in np.linspace(0.3, 1.0, 8):
            limits = nudged(values.min() * share, values.max() * other)
            # The search looks at a histogram, so a hair's breadth is given.
            assert error <= 1.02 * np.mean((rounded(values, *limits) - values) ** 2)


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.0, 3.0], [-2.0, 0.0], [1.0, 2.0]])
def test_zero_is_always_inside(values):
    low, high = least_error(seen(values))
    assert low <= 0 <= high
