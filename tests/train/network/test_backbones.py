"""The backbones: graphs of layers alone, the functions of Keras' own networks, and what their weights expect."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.train.network.backbones import BACKBONES
from freezenet.train.recipes.recipe import load_recipe, recipe_names


def smallest(name: str) -> keras.Model:
    return BACKBONES[name].build(BACKBONES[name].smallest, 1.0, None)


@pytest.mark.parametrize("name", list(BACKBONES))
def test_flat_graphs_of_layers_without_a_normalization_of_their_own(name):
    network = smallest(name)
    assert all(isinstance(one, keras.layers.Layer) for one in network.operations)
    assert not any(isinstance(one, (keras.Model, keras.layers.Normalization)) for one in network.layers)
    assert network.layers[1].name not in ("rescaling", "normalization")
    assert len(network.output.shape) == 4


@pytest.mark.parametrize(("name", "scale"), [("mobilenetv3-small", 1), ("efficientnet-b0", 255)])
def test_rewritten_networks_compute_what_those_of_keras_do(name, scale):
    """Equal seeds draw equal weights. EfficientNet-B0 of Keras divides its input by 255 itself."""
    keras.utils.set_random_seed(1)
    ours = smallest(name)
    keras.utils.set_random_seed(1)
    theirs = getattr(keras.applications, BACKBONES[name].title)(
        input_shape=(32, 32, 3), include_top=False, weights=None, **BACKBONES[name].arguments
    )
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    wanted = np.array(theirs(x * scale))
    np.testing.assert_allclose(np.array(ours(x)), wanted, atol=1e-4 * np.abs(wanted).max())
    assert np.abs(wanted).max() > 0


@pytest.mark.parametrize(
    ("name", "mode"),
    [("mobilenetv2", "tf"), ("mobilenetv3-small", "tf"), ("efficientnet-b0", "torch"), ("resnet50", "caffe"),
     ("densenet121", "torch"), ("inceptionv3", "tf"), ("vgg16", "caffe")],
)  # fmt: skip
def test_mean_and_std_are_the_channels_average_of_keras_preprocessing(name, mode):
    """Against keras.applications' own function, on the gray images 0 and 255."""
    gray = np.stack([np.zeros((1, 1, 3)), np.full((1, 1, 3), 255.0)])
    low, high = keras.src.applications.imagenet_utils.preprocess_input(gray, mode=mode).reshape(2, 3)
    backbone = BACKBONES[name]
    std = 255 / (high - low)
    assert backbone.std == pytest.approx(std.mean(), rel=0.01)
    assert backbone.mean == pytest.approx((-low * std).mean(), abs=0.1)


def test_every_recipe_says_what_its_weights_expect_or_is_a_published_one():
    published = {name for name in recipe_names() if load_recipe(name).std == 255}  # pixels / 255, as published
    assert published == {"mobile-freezenet-2023", "mobile-freezenet-2023-cce", "full-finetune-2023",
                         "stochastic-freeze-2023", "alveoli-gate", "alveoli-two-phase"}  # fmt: skip
    for name in set(recipe_names()) - published - {"bolhassani-resnet50-scratch"}:
        recipe = load_recipe(name)
        assert BACKBONES[recipe.backbone].expects(recipe.mean, recipe.std), name
        assert recipe.mean == int(recipe.mean), name  # the int8 file's zero point


@pytest.mark.parametrize("name", list(BACKBONES))
def test_files_to_fetch_are_those_that_keras_fetches(name, monkeypatch):
    asked = []

    def get_file(file, url, **_):
        asked.append((file, url))
        raise OSError("no network")

    monkeypatch.setattr(keras.src.utils.file_utils, "get_file", get_file)
    with pytest.raises(OSError, match="no network"):
        BACKBONES[name].build(224, 1.0, "imagenet")
    ((_, url),) = asked
    assert BACKBONES[name].url(1.0) == url
