"""Weights from files written by Keras itself, with and without a top, in the layouts that lie on people's disks."""

from __future__ import annotations

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.network.backbones import BACKBONES
from freezenet.train.network.model import build_model
from freezenet.train.network.pretrained import load_file
from freezenet.train.recipes.recipe import Recipe


def built(name: str) -> keras.Model:
    return BACKBONES[name].build(32, 0.35 if BACKBONES[name].widths else 1.0, None)


def random_weights(network: keras.Model) -> keras.Model:
    rng = np.random.default_rng(0)
    network.set_weights([rng.uniform(0.1, 1, weight.shape).astype(np.float32) for weight in network.get_weights()])
    return network


@pytest.fixture(scope="module")
def densenet() -> keras.Model:
    return random_weights(built("densenet121"))


@pytest.fixture(scope="module")
def with_top(densenet) -> keras.Model:
    """As CheXNet for Keras: the backbone, average pooling, 14 sigmoid outputs."""
    pooled = keras.layers.GlobalAveragePooling2D(name="avg_pool")(densenet.output)
    return keras.Model(densenet.input, keras.layers.Dense(14, activation="sigmoid", name="predictions")(pooled))


@pytest.fixture(scope="module")
def empty() -> keras.Model:
    return built("densenet121")


def same(network: keras.Model, other: keras.Model) -> bool:
    pairs = zip(network.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(one, two) for one, two in pairs)


def cleared(network: keras.Model) -> keras.Model:
    network.set_weights([np.zeros(weight.shape, np.float32) for weight in network.get_weights()])
    return network


def write_weights(network: keras.Model, path: Path) -> Path:
    """A weights file as Keras 2 wrote it: Keras 3 reads this layout but writes it only for whole models."""
    with h5py.File(path, "w") as file:
        keras.src.legacy.saving.legacy_h5_format.save_weights_to_hdf5_group(file, network)
    return path


@pytest.mark.parametrize("top", [False, True])
@pytest.mark.parametrize("kind", ["weights of Keras 2", ".h5", ".weights.h5", ".keras"])
def test_files_with_and_without_top(kind, top, densenet, with_top, empty, tmp_path):
    network = with_top if top else densenet
    if kind == "weights of Keras 2":
        path = write_weights(network, tmp_path / "x.h5")
        assert len(h5py.File(path).attrs["layer_names"]) == 427 + 2 * top
    else:
        path = tmp_path / f"x{kind}"
        (network.save_weights if kind == ".weights.h5" else network.save)(path)
    load_file(cleared(empty), path)
    assert same(empty, densenet)


def test_layers_named_as_before_keras_3(with_top, densenet, empty, tmp_path):
    """conv1/conv and conv1/bn, and names that are no longer used at all."""
    for number, rename in enumerate((lambda name: name.replace("conv1_", "conv1/"), lambda name: f"layer{name}")):
        path = tmp_path / f"{number}.h5"
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [rename(layer.name).encode() for layer in with_top.layers]
            for layer in with_top.layers:
                group = file.create_group(rename(layer.name))
                names = [f"{rename(layer.name)}/{weight.name}:0" for weight in layer.weights]
                group.attrs["weight_names"] = [name.encode() for name in names]
                for name, weight in zip(names, layer.get_weights(), strict=True):
                    group[name] = weight
        load_file(cleared(empty), path)
        assert same(empty, densenet)


@pytest.mark.parametrize("kind", ["weights of Keras 2", ".keras"])
def test_a_backbone_inside_another_network(densenet, empty, kind, tmp_path):
    inside = keras.Sequential([keras.Input((32, 32, 3)), densenet, keras.layers.Flatten(), keras.layers.Dense(3)])
    path = tmp_path / "x.keras"
    if kind == ".keras":
        inside.save(path)
    else:
        path = write_weights(inside, tmp_path / "x.h5")
    load_file(cleared(empty), path)
    assert same(empty, densenet)


def test_mobilenetv3_takes_its_own_file(tmp_path):
    """Its sums and products with numbers are layers here, and none in the file."""
    network = keras.applications.MobileNetV3Small(
        input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None, include_preprocessing=False
    )
    other = cleared(built("mobilenetv3-small"))
    load_file(other, write_weights(random_weights(network), tmp_path / "x.h5"))
    assert same(other, network)


def test_a_file_of_keras_own_efficientnet_has_a_normalization_before_the_first_layer(tmp_path):
    network = keras.applications.EfficientNetB0(input_shape=(32, 32, 3), include_top=False, weights=None)
    ours = cleared(built("efficientnet-b0"))
    load_file(ours, write_weights(network, tmp_path / "x.h5"))
    own = keras.layers.Normalization
    kept = [weight for layer in network.layers if not isinstance(layer, own) for weight in layer.get_weights()]
    assert all(np.array_equal(one, two) for one, two in zip(ours.get_weights(), kept, strict=True))


def test_the_network_of_a_run_is_a_file_to_start_from(tmp_path):
    recipe = Recipe(alpha=0.35, image_size=32)
    before = build_model(recipe, ("A", "B", "C"), "none")
    before.save(tmp_path / "model.keras")
    after = build_model(recipe, ("Yes", "No"), str(tmp_path / "model.keras"))
    for one, other in zip(before.layers[:-1], after.layers[:-1], strict=True):
        for first, second in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("kind", ["weights of Keras 2", ".weights.h5", ".keras"])
def test_a_file_of_another_network_is_one_sentence(kind, tmp_path):
    network = built("mobilenetv2")
    path = tmp_path / "x.h5"
    if kind == "weights of Keras 2":
        write_weights(network, path)
    else:
        path = tmp_path / f"x{kind}"
        (network.save_weights if kind == ".weights.h5" else network.save)(path)
    for name in ("vgg16", "mobilenetv3-small"):
        recipe = Recipe(backbone=name, image_size=32)
        with pytest.raises(FreezenetError, match=rf"Weights for {BACKBONES[name].title}.*Got: {path.name}, which does"):
            build_model(recipe, ("A", "B"), str(path))
