from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.convert.float.batchnorm import fuse_batchnorm
from studies.quantization.equalization import equalize, pairs, without_cap


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(-1, 1, (4, 96, 96, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def uncapped(run):
    return without_cap(fuse_batchnorm(run.model()))


def test_the_function_of_a_relu_network_stays(uncapped, images):
    before, after = (model.predict(images, verbose=0) for model in (uncapped, equalize(uncapped)))
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_pairs_are_those_of_mobilenets_blocks(uncapped):
    names = [(first.name, second.name) for first, second in pairs(uncapped)]
    for block in range(1, 17):
        assert (f"block_{block}_expand", f"block_{block}_depthwise") in names  # also through the padding of a stride
        assert (f"block_{block}_depthwise", f"block_{block}_project") in names
    # The first convolution and block 0, and each projection whose output is used only once.
    others = {("Conv1", "expanded_conv_depthwise"), ("expanded_conv_depthwise", "expanded_conv_project")}
    linear = {one for one in names if one[0].endswith("_project")}
    assert set(names) >= others
    assert len(names) == 32 + len(others) + len(linear)
    assert ("block_1_project", "block_2_expand") not in names  # block 2 adds its input again


def test_both_sides_of_a_pair_have_equal_largest_weights(uncapped):
    for first, second in pairs(equalize(uncapped)):
        kernel, following = first.get_weights()[0], second.get_weights()[0]
        depthwise = isinstance(first, keras.layers.DepthwiseConv2D)
        largest = np.abs(kernel).max((0, 1, 3) if depthwise else (0, 1, 2))
        np.testing.assert_allclose(largest, np.abs(following).max((0, 1, 3)), rtol=0.05)


def test_a_relu6_network_is_left_alone_between_its_caps(run, images):
    """Scaling through a cap would change the function."""
    fused = fuse_batchnorm(run.model())
    assert not [one for one in pairs(fused) if not one[0].name.endswith("_project")]
    after = equalize(fused).predict(images, verbose=0)
    np.testing.assert_allclose(after, fused.predict(images, verbose=0), atol=1e-5)


def test_one_pair_by_hand():
    image = keras.Input((4, 4, 1))
    x = keras.layers.ReLU()(keras.layers.Conv2D(2, 1, name="first")(image))
    model = keras.Model(image, keras.layers.Conv2D(1, 1, name="second")(x))
    model.get_layer("first").set_weights([np.array([8.0, 0.0]).reshape(1, 1, 1, 2), np.array([4.0, 1.0])])
    model.get_layer("second").set_weights([np.array([2.0, 3.0]).reshape(1, 1, 2, 1), np.zeros(1)])
    found = equalize(model)
    kernel, bias = found.get_layer("first").get_weights()
    np.testing.assert_allclose(kernel.ravel(), [4, 0])  # s = sqrt(8 / 2) = 2; a dead channel stays
    np.testing.assert_allclose(bias, [2, 1])
    np.testing.assert_allclose(found.get_layer("second").get_weights()[0].ravel(), [4, 3])


def test_the_cap_is_gone_and_nothing_else():
    image = keras.Input((1, 1, 1))
    model = keras.Model(image, keras.layers.ReLU(6.0)(image))
    values = np.array([-2.0, 3.0, 9.0], np.float32).reshape(3, 1, 1, 1)
    assert without_cap(model).predict(values, verbose=0).ravel().tolist() == [0, 3, 9]
    assert model.predict(values, verbose=0).ravel().tolist() == [0, 3, 6]
