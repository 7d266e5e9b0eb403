from __future__ import annotations

from itertools import product

import keras
import numpy as np
import pytest

from freezenet.convert.float.batchnorm import fuse_batchnorm
from freezenet.convert.ptq.rounding import BIAS_SHARE, input_products, round_kernels, round_rows


def problem(seed: int, out: int = 5, size: int = 24):
    """Rows, and inputs that go together as feature maps do."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(400, 6)) @ rng.normal(size=(6, size)) + 0.3 * rng.normal(size=(400, size))
    return rng.normal(size=(out, size)), inputs


def nearest(rows):
    step = np.abs(rows).max(1, keepdims=True) / 127
    return np.rint(rows / step) * step


def output_error(rows, found, inputs):
    return float(np.sum(((rows - found) @ inputs.T) ** 2))


@pytest.mark.parametrize("seed", range(5))
def test_outputs_are_closer_than_with_nearest_rounding(seed):
    rows, inputs = problem(seed)
    found = round_rows(rows, inputs.T @ inputs, np.zeros(len(rows)))
    assert output_error(rows, found, inputs) < 0.5 * output_error(rows, nearest(rows), inputs)


def test_the_result_lies_on_the_grid_and_the_largest_weight_keeps_its_place():
    rows, inputs = problem(7)
    step = np.abs(rows).max(1) / 127
    integers = round_rows(rows, inputs.T @ inputs, np.zeros(len(rows))) / step[:, None]
    np.testing.assert_allclose(integers, np.rint(integers), atol=1e-9)
    assert np.abs(integers).max() <= 127 + 1e-9
    largest = np.abs(rows).argmax(1)
    np.testing.assert_allclose(
        integers[np.arange(len(rows)), largest], 127 * np.sign(rows[np.arange(len(rows)), largest]), atol=1e-9
    )


def test_independent_inputs_leave_nothing_to_make_good():
    rows, _ = problem(3)
    found = round_rows(rows, np.eye(rows.shape[1]), np.zeros(len(rows)))
    np.testing.assert_allclose(found, nearest(rows), atol=1e-12)


def test_rows_on_the_grid_stay():
    rows = nearest(problem(4)[0])
    inputs = problem(4)[1]
    np.testing.assert_allclose(round_rows(rows, inputs.T @ inputs, np.zeros(len(rows))), rows, atol=1e-12)


def test_two_weights_are_as_good_as_trying_everything():
    # With the largest weight fixed at 127, the best second integer is found by enumeration.
    inputs = np.array([[1.0, 0.9], [0.8, 1.0], [1.0, 1.1]])
    row = np.array([[1.27, 0.5049]])
    found = round_rows(row, inputs.T @ inputs, np.zeros(1)) / 0.01
    best = min(product([127], range(-127, 128)), key=lambda q: output_error(row, np.array([q]) * 0.01, inputs))
    np.testing.assert_allclose(found[0], best, atol=1e-9)


def test_long_rows_are_rounded_as_column_by_column():
    """Frantar et al. 2023, equations 2 and 3, applied literally: one weight, then all that are still to come."""
    rows, inputs = problem(6, out=2, size=300)
    products = inputs.T @ inputs
    order = np.argsort(-np.diag(products), kind="stable")
    left, products = rows[:, order].copy(), products[order][:, order]
    inverse = np.linalg.inv(products + 0.01 * np.diag(products).mean() * np.eye(300))
    step, largest = np.abs(left).max(1) / 127, np.abs(left).argmax(1)
    sign = np.sign(left[range(2), largest])
    wanted = np.empty_like(left)
    for column in range(300):
        integers = np.where(largest == column, 127 * sign, np.clip(np.rint(left[:, column] / step), -127, 127))
        wanted[:, column] = integers * step
        error = (left[:, column] - wanted[:, column]) / inverse[0, 0]
        left[:, column + 1 :] -= error[:, None] * inverse[0, 1:]
        inverse = inverse[1:, 1:] - np.outer(inverse[1:, 0], inverse[0, 1:]) / inverse[0, 0]
    found = round_rows(rows, inputs.T @ inputs, np.zeros(2))[:, order]
    assert np.mean(np.abs(found - wanted) < 1e-9) > 0.99


def test_a_dead_channel_gets_a_kernel_that_its_bias_fits():
    found = round_rows(np.zeros((1, 4)), np.eye(4), np.array([2.0 * BIAS_SHARE]))
    assert np.abs(found).max() == pytest.approx(2.0 * BIAS_SHARE)


@pytest.mark.parametrize("side", [9, 10])  # on an even side, "same" puts more zeros after than before
def test_products_are_those_of_the_layers_inputs(side):
    """An independent way: the gradient of the output by the kernel is the sum of the inputs that met it."""
    keras.utils.set_random_seed(2)
    image = keras.Input((side, side, 3))
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same", name="depthwise", use_bias=False)(image)
    x = keras.layers.Conv2D(2, 1, name="point", use_bias=False)(x)
    model = keras.Model(image, keras.layers.Conv2D(2, 3, strides=2, name="full", use_bias=False)(x))
    batch = np.random.default_rng(0).normal(size=(2, side, side, 3)).astype(np.float32)
    layers = [model.get_layer(name) for name in ("depthwise", "point", "full")]
    products = input_products(model, layers, [batch])
    for layer, found in zip(layers, products, strict=True):
        inputs = keras.Model(model.input, layer.input).predict(batch, verbose=0)
        kernel = layer.get_weights()[0]
        output = keras.Model(model.input, layer.output).predict(batch, verbose=0)
        assert output.shape[0] == len(inputs)
        # sum over positions of output^2 = w' P w for each output channel
        if layer.name == "depthwise":
            rows = kernel.reshape(9, 3).T
            powers = np.einsum("ck,ckl,cl->c", rows, found, rows)
        else:
            rows = kernel.reshape(-1, kernel.shape[-1]).T
            powers = np.einsum("ok,kl,ol->o", rows, found, rows)
        np.testing.assert_allclose(powers, (output.astype(np.float64) ** 2).sum((0, 1, 2)), rtol=1e-4)


def test_a_network_keeps_its_answers_better_than_with_nearest_rounding(run):
    fused = fuse_batchnorm(run.model())
    pixels = np.stack([run.recipe.preprocess.pixels(path) for path, _ in run.paths("train")[:64]])
    inputs = run.recipe.preprocess.normalized(pixels)
    found = round_kernels(fused, lambda: [inputs[:32], inputs[32:]])
    plain = keras.models.clone_model(fused)
    plain.set_weights(fused.get_weights())
    for layer in plain.layers:
        if layer.weights:
            kernel, *bias = layer.get_weights()
            axes = (0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else tuple(range(kernel.ndim - 1))
            step = np.maximum(np.abs(kernel).max(axes, keepdims=True), 1e-30) / 127
            layer.set_weights([np.rint(kernel / step) * step, *bias])
    test = run.recipe.preprocess.normalized(
        np.stack([run.recipe.preprocess.pixels(path) for path, _ in run.paths("test")])
    )
    scores = [network.predict(test, verbose=0) for network in (fused, found, plain)]
    assert np.abs(scores[1] - scores[0]).mean() < np.abs(scores[2] - scores[0]).mean()


def test_a_broken_network_stays_as_it_is(run):
    fused = fuse_batchnorm(run.model())
    kernel, bias = fused.get_layer("scores").get_weights()
    fused.get_layer("scores").set_weights([np.full_like(kernel, np.nan), bias])
    found = round_kernels(fused, lambda: [np.zeros((1, 96, 96, 3), np.float32)])
    assert np.isnan(found.get_layer("scores").get_weights()[0]).all()
