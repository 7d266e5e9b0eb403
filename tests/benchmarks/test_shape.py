from __future__ import annotations

import numpy as np
import pytest

from freezenet.benchmarks.shape import open_shape, shape_to_measure
from freezenet.edge_runtime.errors import FreezenetError


def described(*signature: int) -> dict:
    """As an interpreter does, which shows 1 for an open side."""
    signature = np.array(signature, np.int32)
    return {"shape": np.where(signature < 0, 1, signature), "shape_signature": signature}


@pytest.mark.parametrize(
    ("signature", "size", "shape"),
    [
        ((1, 96, 96, 3), None, (1, 96, 96, 3)), ((1, 96, 96, 3), (96, 96), (1, 96, 96, 3)),
        ((-1, 96, 96, 3), None, (1, 96, 96, 3)), ((1, -1, -1, 3), (224, 160), (1, 224, 160, 3)),
        ((-1, -1, -1, 1), (64, 64), (1, 64, 64, 1)), ((1, -1, 96, 3), (50, 96), (1, 50, 96, 3)), ((1, 7), None, (1, 7)),
    ],
)  # fmt: skip
def test_open_sides_are_filled(signature, size, shape):
    one = described(*signature)
    assert shape_to_measure(one, "m.tflite", size) == shape
    assert open_shape(one) == (-1 in signature)


@pytest.mark.parametrize(
    ("signature", "size", "error"),
    [
        ((1, -1, -1, 3), None, r"leaves it open \(1 x \? x \? x 3\); pass --input-size HxW"),
        ((-1, -1, 96, 3), None, "pass --input-size HxW"),
        ((1, 96, 96, -1), (96, 96), "freezenet measures images"),
        ((1, -1), (96, 96), "freezenet measures images"),
        ((1, 96, 96, 3), (224, 224), "Got: --input-size 224x224 for an input of 1 x 96 x 96 x 3; leave the option out"),
        ((1, -1, 96, 3), (96, 97), "--input-size 96x97"),
        ((1, 7), (96, 96), "leave the option out"),
    ],
)
def test_what_cannot_be_measured_is_refused(signature, size, error):
    with pytest.raises(FreezenetError, match=error):
        shape_to_measure(described(*signature), "m.tflite", size)


def test_an_interpreter_that_knows_no_signature():
    assert shape_to_measure({"shape": np.array([1, 96, 96, 3])}, "m.tflite", None) == (1, 96, 96, 3)
