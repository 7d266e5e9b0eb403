"""The half-frozen network: its published parameter counts, what is frozen, and what happens to wrong weights."""

from __future__ import annotations

from urllib.error import URLError

import keras
import numpy as np
import pytest
import tensorflow as tf

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.network.model import build_model, count_parameters, frozen_layers, frozen_positions
from freezenet.train.recipes.recipe import Recipe, load_recipe

LABELS = ("A", "B", "C")


def recipe(**keys) -> Recipe:
    return Recipe(**{"alpha": 0.35, "image_size": 32, **keys})


def moving(model: keras.Model) -> dict[str, np.ndarray]:
    return {weight.path: weight.numpy() for weight in model.weights if "moving" in weight.path}


def steps(model: keras.Model) -> keras.Model:
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (16, *model.input_shape[1:])).astype(np.float32)
    y = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 16)]
    with tf.GradientTape() as tape:  # one step by hand: tracing 154 layers takes longer than running them
        loss = -tf.reduce_mean(tf.reduce_sum(y * tf.math.log(model(x, training=True)), 1))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    keras.optimizers.Adam(1e-2).apply_gradients(zip(gradients, model.trainable_weights, strict=True))
    return model


def test_published_parameter_counts():
    """Roy & Khurana 2023: 2,068,612 trainable of 2,263,108 parameters with four classes."""
    model = build_model(load_recipe("mobile-freezenet-2023"), ("COVID", "Lung_Opacity", "Normal", "VP"), "none")
    assert count_parameters(model) == {"trainable": 2_068_612, "total": 2_263_108}
    trained = [layer.name for layer in model.layers if layer.trainable_weights]
    assert trained[0] == "block_8_project"
    assert model.output_shape == (None, 4)
    assert any(isinstance(layer, keras.layers.GlobalMaxPooling2D) for layer in model.layers)


@pytest.mark.parametrize(
    ("name", "trainable"),
    [("mobile-freezenet-2023", 2_068_612), ("mobile-freezenet-2023-cce", 2_068_612), ("full-finetune-2023", 2_228_996)],
)
def test_parameters_counted_layer_by_layer(name, trainable):
    """By hand: what is not trained are the frozen layers and the moving statistics of the others."""
    model = build_model(load_recipe(name), ("COVID", "Lung_Opacity", "Normal", "VP"), "none")
    frozen = model.layers[: 0 if name == "full-finetune-2023" else 77]
    assert frozen == [] or frozen[-1].name == "block_8_depthwise_BN"
    sizes = {layer.name: [array.size for array in layer.get_weights()] for layer in model.layers}
    fixed = sum(sum(sizes[layer.name]) for layer in frozen)
    for layer in model.layers[len(frozen) :]:
        if isinstance(layer, keras.layers.BatchNormalization):
            fixed += sum(sizes[layer.name][2:])
    assert sum(map(sum, sizes.values())) == 2_263_108
    assert 2_263_108 - fixed == trainable == count_parameters(model)["trainable"]


def test_random_freezing_draws_77_of_154_layers_once():
    settings = load_recipe("stochastic-freeze-2023")
    drawn = frozen_positions(settings, 154)
    assert len(set(drawn)) == 77 and set(drawn) <= set(range(154))
    assert drawn == frozen_positions(settings, 154) != frozen_positions(load_recipe(settings.name, ("seed=1",)), 154)
    assert {position < 77 for position in drawn} == {True, False}
    model = build_model(recipe(freeze="random"), LABELS, "none")
    assert {index for index, layer in enumerate(model.layers[:154]) if not layer.trainable} == set(drawn)
    before = {weight.path: weight.numpy() for weight in model.weights}
    steps(model)
    moved = {weight.path for weight in model.weights if (weight.numpy() != before[weight.path]).any()}
    assert not moved & {weight.path for position in drawn for weight in model.layers[position].weights}
    trained = [one for index, one in enumerate(model.layers[:154]) if index not in drawn and one.weights]
    assert all({weight.path for weight in layer.weights} & moved for layer in trained)


def test_half_is_the_first_77_of_154_layers():
    assert frozen_layers(Recipe(freeze_fraction=0.5), 154) == 77
    model = build_model(recipe(), LABELS, "none")
    assert model.layers[76].name == "block_8_depthwise_BN"
    assert not any(layer.trainable for layer in model.layers[:77])
    assert all(layer.trainable for layer in model.layers[77:])


def test_nothing_and_everything_frozen():
    free, frozen = (build_model(recipe(freeze_fraction=share), LABELS, "none") for share in (0, 1))
    assert free.layers[1].name == "Conv1"
    assert free.layers[1].trainable_weights
    statistics = sum(value.size for value in moving(free).values())
    assert count_parameters(free)["trainable"] == count_parameters(free)["total"] - statistics
    features = frozen.get_layer("pool").output.shape[-1]
    assert count_parameters(frozen)["trainable"] == (features + 1) * len(LABELS)
    assert [weight.path for weight in frozen.trainable_weights] == ["scores/kernel", "scores/bias"]


def test_frozen_half_stands_still_in_training():
    model = build_model(recipe(), LABELS, "none")
    before = {weight.path: weight.numpy() for weight in model.weights}
    steps(model)
    moved = {weight.path for weight in model.weights if (weight.numpy() != before[weight.path]).any()}
    frozen = {weight.path for layer in model.layers[:77] for weight in layer.weights}
    assert not moved & frozen
    assert "block_9_depthwise_BN/moving_mean" in moved
    assert {"scores/kernel", "block_8_project/kernel"} <= moved


def test_batchnorm_inference_leaves_all_statistics():
    model = build_model(recipe(batchnorm="inference", freeze_fraction=0.0), LABELS, "none")
    before = moving(model)
    kernel = model.get_layer("Conv1").kernel.numpy()
    steps(model)
    assert len(before) == 2 * 52
    for name, value in moving(model).items():
        np.testing.assert_array_equal(value, before[name])
    assert (model.get_layer("Conv1").kernel.numpy() != kernel).any()


def test_batchnorm_momentum_reaches_every_layer():
    model = build_model(recipe(batchnorm_momentum=0.6), LABELS, "none")
    assert {x.momentum for x in model.layers if isinstance(x, keras.layers.BatchNormalization)} == {0.6}


def test_head():
    model = build_model(recipe(dropout=0.3), LABELS, "none")
    assert [layer.name for layer in model.layers[-3:]] == ["pool", "dropout", "scores"]
    assert model.get_layer("dropout").rate == 0.3
    scores = model.predict_on_batch(np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype(np.float32))
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)


def test_hidden_layers_between_pooling_and_scores():
    """The head of the ITU assignment: Dense, ReLU, dropout, BatchNorm, Dense; sigmoid scores for labels."""
    settings = recipe(head_units=(16, 8), dropout=0.3, head_batchnorm=True, batchnorm="inference", task="multi-label",
                      loss="binary-focal")  # fmt: skip
    model = build_model(settings, LABELS, "none")
    assert [layer.name for layer in model.layers[-6:]] == [
        "pool", "hidden_1", "hidden_2", "dropout", "head_batchnorm", "scores",
    ]  # fmt: skip
    assert [model.get_layer(f"hidden_{number}").units for number in (1, 2)] == [16, 8]
    assert model.get_layer("head_batchnorm").trainable  # it has no statistics to keep
    scores = model.predict_on_batch(np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype(np.float32))
    assert ((scores > 0) & (scores < 1)).all()
    assert not np.allclose(scores.sum(1), 1)


def test_images_that_the_weights_do_not_expect_are_said(monkeypatch, capsys):
    monkeypatch.setattr(keras.applications, "VGG16", lambda **_: 1 / 0)
    for settings, said in (({"mean": 128.0}, True), ({"mean": 116.0, "std": 1.0}, False)):
        with pytest.raises(FreezenetError, match=r"division by zero.*vgg16_weights.*_notop\.h5"):
            build_model(Recipe(backbone="vgg16", **settings), LABELS, "imagenet")
        assert ("ImageNet weights of VGG16 expect mean 114.8 and std 1" in capsys.readouterr().err) == said


def test_imagenet_weights_are_loaded(shared):
    """Against the numbers in the file, read with h5py."""
    import h5py

    path = shared / "weights/mobilenet_v2_imagenet_0.35_224_no_top.h5"
    model = build_model(recipe(image_size=96), LABELS, str(path))
    with h5py.File(path) as file:
        stored = {}
        file.visititems(lambda name, item: stored.__setitem__(name, item[()]) if hasattr(item, "dtype") else None)
    kernel = next(value for name, value in stored.items() if name.startswith("Conv1/") and "kernel" in name)
    np.testing.assert_array_equal(model.get_layer("Conv1").get_weights()[0], kernel)
    assert sum(value.size for value in stored.values()) == model.count_params() - model.layers[-1].count_params()


def test_weights_of_another_width_are_refused(shared):
    path = shared / "weights/mobilenet_v2_imagenet_0.35_224_no_top.h5"
    with pytest.raises(FreezenetError, match=r"width 0\.5.*Got: mobilenet_v2_imagenet_0\.35_224_no_top\.h5"):
        build_model(recipe(alpha=0.5), LABELS, str(path))


def test_what_is_no_weights_file(tmp_path):
    with pytest.raises(FreezenetError, match=r"Got: .*nowhere\.h5, which is no file.*_0\.35_224_no_top\.h5"):
        build_model(recipe(), LABELS, str(tmp_path / "nowhere.h5"))
    (tmp_path / "bad.h5").write_bytes(b"nothing")
    with pytest.raises(FreezenetError, match=r"Got: bad\.h5, which does not fit"):
        build_model(recipe(), LABELS, str(tmp_path / "bad.h5"))


def test_imagenet_without_network_names_the_file_to_fetch(monkeypatch):
    def no_network(*_, **__):
        raise URLError("no route to host")

    monkeypatch.setattr(keras.applications, "MobileNetV2", no_network)
    with pytest.raises(FreezenetError, match=r"no route to host.*mobilenet_v2_weights.*_0\.35_224_no_top\.h5"):
        build_model(recipe(), LABELS, "imagenet")
    with pytest.raises(FreezenetError, match=r"alpha 0\.35, 0\.5.*Got: 0\.4"):
        build_model(recipe(alpha=0.4), LABELS, "imagenet")
