"""The cut: a tensor through which everything flows, found also by brute force; the two parts are the whole."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from freezenet.train.frozen.cut import backbone_means, find_cut, split_model
from freezenet.train.network.backbones import BACKBONES
from freezenet.train.network.model import build_model, frozen_layers
from freezenet.train.recipes.recipe import Recipe


def network(fraction: float, **keys) -> keras.Model:
    return build_model(Recipe(alpha=0.35, image_size=32, freeze_fraction=fraction, **keys), ("A", "B"), "none")


def edges(model: keras.Model) -> dict[str, set[str]]:
    """Read the graph from the model's own description: layer -> the layers that use it."""
    found: dict[str, set[str]] = {layer["name"]: set() for layer in model.get_config()["layers"]}

    def sources(value):
        if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            yield value["config"]["keras_history"][0]
        elif isinstance(value, dict):
            for item in value.values():
                yield from sources(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                yield from sources(item)

    for layer in model.get_config()["layers"]:
        for node in layer["inbound_nodes"]:
            for source in sources(node["args"]):
                found[source].add(layer["name"])
    return found


def reachable(graph: dict[str, set[str]], start: str, without: str | None = None) -> set[str]:
    found, todo = set(), [start]
    while todo:
        name = todo.pop()
        if name != without and name not in found:
            found.add(name)
            todo += graph[name]
    return found


def brute_force(model: keras.Model) -> str | None:
    """Return the deepest layer without which no path leads from input to output, with nothing trained before it."""
    graph, first, last = edges(model), model.layers[0].name, model.layers[-1].name
    found, depth = None, 0
    for layer in model.layers[1:-1]:
        if last in reachable(graph, first, without=layer.name):
            continue
        above = reachable(graph, layer.name) - {layer.name}
        below = [one for one in model.layers if one.name not in above]
        if any(one.trainable_weights for one in below) or not any(one.weights for one in below):
            continue
        if any(isinstance(one, layers.Dropout) and one.rate for one in below):
            continue
        if len(below) > depth:
            found, depth = layer.name, len(below)
    return found


def test_half_frozen_network_is_cut_at_block_7_add():
    assert find_cut(network(0.5)).name == "block_7_add"
    published = find_cut(build_model(Recipe(), ("A", "B"), "none"))
    assert published.output.shape == (None, 14, 14, 64)


@pytest.mark.parametrize("fraction", [0.2, 0.35, 0.5, 0.65, 0.8, 1.0])
def test_against_brute_force(fraction):
    model = network(fraction)
    found = find_cut(model).name
    assert found == brute_force(model)
    names = [layer.name for layer in model.layers]
    assert names.index(found) < frozen_layers(Recipe(freeze_fraction=fraction), 154) or fraction == 1.0


def test_exact_layers():
    # .2 freezes 31 layers, up to block_3_expand_BN inside a block with a residual: the end of block 2 is a single
    # tensor. Everything frozen is cut behind the pooling, right before the head.
    assert network(0.2).layers[30].name.startswith("block_3_")
    assert find_cut(network(0.2)).name == brute_force(network(0.2))
    assert find_cut(network(1.0)).name == "pool"
    assert find_cut(network(1.0, dropout=0.5)).name == "pool"


def test_nothing_frozen_is_not_cut():
    assert find_cut(network(0)) is None
    assert find_cut(network(0, batchnorm="inference")) is None


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.8, 1.0])
def test_prefix_and_suffix_are_the_model(fraction):
    model = network(fraction)
    prefix, suffix = split_model(model, find_cut(model))
    x = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(suffix(prefix(x)), model(x), atol=1e-6)
    assert not prefix.trainable_weights
    assert {id(weight) for weight in suffix.trainable_weights} == {id(weight) for weight in model.trainable_weights}
    suffix.layers[-1].bias.assign([5.0, -5.0])  # the parts share the weights with the whole
    np.testing.assert_allclose(suffix(prefix(x)), model(x), atol=1e-6)
    assert (np.array(model(x))[:, 0] > 0.9).all()


#: Half of each backbone frozen: how many layers, and where the cut must be by hand. ResNet's 88th layer is in one of two branches
#: behind conv3_block4_out, DenseNet's 214th inside block 11, behind the joined maps of block 10; Inception's 156th in mixed5;
#: pooling behind VGG's 10th layer has nothing to train; MobileNetV3's 87th is an addition itself.
HALVES = {
    "mobilenetv2": (77, "block_7_add"),
    "mobilenetv3-small": (87, "expanded_conv_5_add"),
    "efficientnet-b0": (118, "block5a_expand_conv"),
    "resnet50": (88, "conv3_block4_out"),
    "densenet121": (214, "conv4_block10_concat"),
    "inceptionv3": (156, "mixed4"),
    "vgg16": (10, "block3_pool"),
}


@pytest.mark.parametrize("name", list(BACKBONES))
def test_half_of_every_backbone(name):
    size = max(33, BACKBONES[name].smallest)
    model = build_model(Recipe(backbone=name, image_size=size), ("A", "B"), "none")
    frozen, expected = HALVES[name]
    assert frozen_layers(Recipe(), len(model.layers) - 2) == frozen
    assert not any(layer.trainable_weights for layer in model.layers[:frozen])
    layer = find_cut(model)
    assert layer.name == expected == brute_force(model)
    prefix, suffix = split_model(model, layer)
    x = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)
    features = prefix(x, training=True)
    np.testing.assert_array_equal(features, prefix(x))  # frozen is in inference mode, EfficientNet's dropout too
    np.testing.assert_allclose(suffix(features), model(x), atol=1e-6)
    assert not prefix.trainable_weights


def test_backbone_means_are_those_of_the_last_map_or_what_is_pooled_already():
    x = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
    for fraction in (0.0, 0.5, 1.0):
        model = network(fraction)
        layer = find_cut(model)
        maps = keras.Model(model.input, layer.output if layer else model.get_layer("pool").input)(x)
        wanted = np.array(maps).mean((1, 2)) if fraction < 1 else np.array(maps)
        np.testing.assert_allclose(keras.Model(model.input, backbone_means(model))(x), wanted, atol=1e-6)


def branched(trained: str, dropout: str | None = None) -> keras.Model:
    """input - a - (b | c - d) - add1 - e - (f | skip) - add2 - head, with one trained layer and those behind it."""

    def dense(name, x):
        x = layers.Dense(4, name=name)(x)
        return layers.Dropout(0.5, name=f"{name}_drop")(x) if name == dropout else x

    first = keras.Input((4,), name="input")
    a = dense("a", first)
    joined = layers.Add(name="add1")([dense("b", a), dense("d", dense("c", a))])
    e = dense("e", joined)
    out = dense("head", layers.Add(name="add2")([dense("f", e), e]))
    model = keras.Model(first, out)
    order = ["a", "b", "c", "d", "e", "f", "head"]
    for name in order[: order.index(trained)]:
        model.get_layer(name).trainable = False
    return model


@pytest.mark.parametrize(
    ("trained", "dropout", "expected"),
    [("a", None, None), ("b", None, "a"), ("d", None, "a"), ("e", None, "add1"), ("f", None, "e"),
     ("head", None, "add2"), ("head", "c", "a"), ("head", "e", "e"), ("head", "a", "a")],
)  # fmt: skip
def test_small_branched_graph(trained, dropout, expected):
    model = branched(trained, dropout)
    found = find_cut(model)
    assert (found.name if found else None) == expected == brute_force(model)


def test_a_second_model_over_the_same_layers_changes_nothing():
    model = branched("e")
    again = keras.Input((4,))
    keras.Model(again, model(again))
    assert find_cut(model).name == "add1"
