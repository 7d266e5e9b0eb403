from __future__ import annotations

import keras
import pytest

from freezenet.convert.float.batchnorm import fuse_batchnorm
from freezenet.convert.qat.graph import cut_of, describe
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.frozen.cut import find_cut
from freezenet.train.network.model import build_model
from freezenet.train.recipes.recipe import load_recipe

RANGE = (-1.0, 1.0 - 1 / 128)  # a step of 1/128, zero is the integer 128


def network(**changed) -> keras.Model:
    """Convolution, ReLU, padding, convolution, addition, pooling, dropout, classifier; and an output beside."""
    layer = {"activation": "linear", "target": "softmax", "norm": False, "name": "scores", **changed}
    image = keras.Input((8, 8, 3), name="image")
    x = first = keras.layers.ReLU(6.0, name="first_relu")(
        keras.layers.Conv2D(4, 3, padding="same", name="first")(image)
    )
    x = keras.layers.ZeroPadding2D(1, name="pad")(x)
    x = keras.layers.Conv2D(4, 3, activation=layer["activation"], name="second")(x)
    x = keras.layers.BatchNormalization(name="norm")(x) if layer["norm"] else x
    x = keras.layers.Add(name="add")([first, x])
    beside = keras.layers.Conv2D(2, 1, name="beside")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(keras.layers.GlobalAveragePooling2D(name="pool")(x))
    scores = keras.layers.Dense(2, activation=layer["target"], name=layer["name"])(x)
    return keras.Model(image, [scores, beside], name="net")


RANGES = dict.fromkeys(("first_relu", "second", "add", "pool", "scores", "beside", "no layer"), RANGE)


def test_nodes_up_to_the_target():
    nodes = describe(network(), "scores", RANGES, ["second", "scores", "first_relu"])
    assert [node.name for node in nodes] == [
        "image", "first", "first_relu", "pad", "second", "add", "pool", "scores",
    ]  # fmt: skip
    by_name = {node.name: node for node in nodes}
    assert by_name["scores"].inputs == ("pool",)  # without dropout
    assert by_name["add"].inputs == ("first_relu", "second")
    assert by_name["first"].limits is None and by_name["pad"].limits is None and by_name["pool"].limits == RANGE
    assert [node.name for node in nodes if node.trained] == ["second", "scores"]
    assert by_name["scores"].config == {"units": 2, "use_bias": True}
    assert by_name["first_relu"].config["max_value"] == 6


def test_the_cut_is_after_what_is_frozen_and_flows_through_one_tensor():
    model = network()
    assert cut_of(describe(model, "scores", RANGES, ["scores"])) == "pool"
    # Both ways around the second convolution are open where it begins.
    assert cut_of(describe(model, "scores", RANGES, ["second", "scores"])) == "first_relu"
    assert cut_of(describe(model, "scores", RANGES, ["first", "scores"])) == "image"


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_cut_is_the_one_of_the_training(share):
    """The project's other implementation, on Keras layers and before BatchNorm is fused."""
    model = build_model(load_recipe("phantoms", (f"freeze_fraction={share}",)), ("a", "b"), "none")
    trainable = [layer.name for layer in model.layers if layer.trainable_weights]
    fused = fuse_batchnorm(model)
    nodes = describe(fused, "scores", {layer.name: RANGE for layer in fused.layers}, trainable)
    expected = find_cut(model)
    assert cut_of(nodes) == (expected.name if expected else nodes[0].name)


@pytest.mark.parametrize(
    ("changed", "ranges", "message"),
    [
        ({"name": "other"}, {}, r"A network with a layer scores is required. Got: net, which has none; name"),
        (
            {"norm": True},
            {},
            r"Layers of InputLayer, .* are required .* Got: norm, a BatchNormalization; leave out the variant int8-qat",
        ),
        ({"activation": "relu"}, {}, r"The activation linear is required .* Got: relu in layer second"),
        ({"target": "relu"}, {}, r"The activation softmax or sigmoid is required .* Got: relu in layer scores"),
        (
            {},
            {"second": None},
            r"A range for the output of second is required, because add computes with it. Got: none",
        ),
        ({}, {"first_relu": None}, r"A range for the output of first_relu is required, because pad"),
        ({}, {"scores": None}, r"A range for the output of scores is required. Got: none; measure"),
        ({}, {"pool": (0.5, 1.0)}, r"low <= 0 to high >= 0 .* Got: 0.5 to 1 for pool"),
        ({}, {"pool": (0.0, 0.0)}, r"Got: 0 to 0 for pool"),
        ({}, {"pool": (-1.0, 1.0)}, r"has 0 as one of its 256 values .* Got: -1 to 1 for pool; shift"),
        ({}, {"pool": (float("nan"), 1.0)}, r"Got: nan to 1 for pool"),
    ],
)
def test_networks_and_ranges_that_cannot_be(changed, ranges, message):
    ranges = {name: value for name, value in {**RANGES, **ranges}.items() if value is not None}
    with pytest.raises(FreezenetError, match=message):
        describe(network(**changed), "scores", ranges, ["scores"])
