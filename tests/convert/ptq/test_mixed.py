from __future__ import annotations

import numpy as np
import pytest

from freezenet.convert.float.operators import read_operators
from freezenet.convert.ptq.integer import to_integer
from freezenet.convert.ptq.mixed import around, mixed_precision
from freezenet.convert.ptq.sensitivity import measure_sensitivity
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter

SPEC = PreprocessSpec(size=(32, 32))


@pytest.fixture(scope="module")
def model(small):
    return small._corrected_float32


@pytest.fixture(scope="module")
def names(model):
    return [operator.name for operator in read_operators(model)]


@pytest.fixture(scope="module")
def answers(small_pixels):
    """A function from a model to its scores."""

    def run(content):
        interpreter = Interpreter(content)
        dtype = interpreter.inputs[0]["dtype"]
        return np.concatenate([interpreter.invoke(SPEC.network_input(image, dtype))[0] for image in small_pixels])

    return run


def counting(wanted):
    """A gate that passes files with at least `wanted` float operators, and the numbers that it saw."""
    seen = []

    def passes(content):
        operators = read_operators(content)
        interpreter = Interpreter(content)
        types = {one["index"]: one["dtype"] for one in interpreter._engine.get_tensor_details()}
        inside = [one for one in operators if one.kind not in ("QUANTIZE", "DEQUANTIZE")]
        seen.append(sum(types[one.tensor] == np.float32 for one in inside))
        return seen[-1] >= wanted

    return passes, seen


def test_a_tensor_is_a_float_where_its_writer_and_all_its_readers_are(model, names):
    first, depthwise, point, add, pool, scores, softmax = names
    assert around(model, [first]) == (first, depthwise)
    assert around(model, [depthwise]) == (depthwise, point, add)  # the branch
    assert around(model, [softmax]) == (softmax,)
    assert around(model, [softmax, pool]) == (pool, scores, softmax)
    assert around(model, []) == ()
    with pytest.raises(FreezenetError, match=r"Got: nothing_of_this;"):
        around(model, ["nothing_of_this"])


def test_nothing_is_float_where_integers_pass(small, model, names):
    content, floats = mixed_precision(model, small.ranges, names, lambda content: True)
    assert floats == ()
    assert content == to_integer(model, small.ranges)


@pytest.mark.parametrize("wanted", range(1, 8))
def test_the_fewest_that_pass(small, model, names, wanted):
    """Along the network each name adds the operator behind it, so the count that the gate sees never falls."""
    passes, seen = counting(wanted)
    content, floats = mixed_precision(model, small.ranges, names, passes)
    assert passes(content)
    assert len(floats) == seen[-1]
    counts = [len(around(model, names[:k])) for k in range(len(names) + 1)]
    assert len(floats) == min(count for count in counts if count >= wanted)
    assert len(seen) - 1 <= 7


def test_where_nothing_passes_all_are_float(small, model, names, answers):
    content, floats = mixed_precision(model, small.ranges, names, lambda content: False)
    assert floats == tuple(names)
    np.testing.assert_allclose(answers(content), answers(model), atol=1e-5)


def test_one_call_where_there_is_nothing_to_keep(small, model):
    calls = []
    content, floats = mixed_precision(model, small.ranges, [], calls.append)
    assert (content, floats) == (calls[0], ())
    assert len(calls) == 1


def test_the_returned_file_passed_even_where_more_floats_hurt(small, model, names):
    """0, 1, 2 names fail, 4 pass, 3 fail: a gate that is not monotonic still gets a file that it accepted."""
    calls = []

    def passes(content):
        calls.append(content)
        return len(calls) == 4

    content, floats = mixed_precision(model, small.ranges, names, passes)
    assert len(calls) == 5
    assert content == calls[3] == to_integer(model, small.ranges, floats)
    assert floats == around(model, names[:4])


@pytest.mark.parametrize("number", [0, 2])
def test_only_the_harmful_output_is_kept(small, model, names, number, answers, small_pixels):
    ranges = {**small.ranges, names[number]: (-300.0, 300.0)}
    wanted = answers(model)
    images = [SPEC.network_input(one, np.float32) for one in small_pixels]
    limit = 3 * np.abs(answers(to_integer(model, small.ranges)) - wanted).max()

    def passes(content):
        return bool(np.abs(answers(content) - wanted).max() < limit)

    # The operator alone is not enough: the integers of its reader have the same range.
    assert not passes(to_integer(model, ranges, [names[number]]))
    worst_first = measure_sensitivity(model, ranges, images).worst_first()
    content, floats = mixed_precision(model, ranges, worst_first, passes)
    assert floats == around(model, [names[number]])
    assert passes(content)
