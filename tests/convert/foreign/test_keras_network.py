"""Networks as people write them, taken apart and put together: the scores stay those of the original."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.convert.foreign.asked import Asked
from freezenet.convert.foreign.keras_network import image_side, load_keras, our_network, our_normalization
from freezenet.edge_runtime.errors import FreezenetError, ModelError

L = keras.layers
CLASSES = ("a", "b", "c")
RAW = "mean=0,std=1"


def base(shape=(32, 32, 3)):
    image = keras.Input(shape)
    x = L.BatchNormalization()(L.Conv2D(4, 3, strides=2, padding="same")(image))
    return keras.Model(image, L.ReLU(6.0)(x), name="base")


def nested():
    return keras.Sequential([
        keras.Input((32, 32, 3)), L.RandomFlip(), L.Rescaling([1 / 127.5, 1 / 58, 1 / 60], offset=[-1, 0, 1]), base(),
        L.GlobalAveragePooling2D(), L.Dropout(0.5), L.Dense(3, activation="softmax"),
    ])  # fmt: skip


def functions():
    image = keras.Input((32, 32, 3))
    x = base()(image / 127.5 - 1)
    return keras.Model(image, L.Softmax()(L.Dense(3)(L.Flatten()(x))))


def hidden_layers():
    image = keras.Input((32, 32, 3))
    normalization = L.Normalization(mean=[123.7, 116.3, 103.5], variance=[3410.0, 3260.0, 3290.0])
    x = L.GlobalMaxPooling2D()(base()(normalization(image)))
    return keras.Model(image, L.Dense(3, name="scores")(L.Dense(5, activation="relu", name="pool")(x)))


def squeeze():
    """A pooled side branch, as in EfficientNet, and no pooling at the end."""
    image = keras.Input((32, 32, 3))
    x = base()(image)
    gate = L.Dense(4, activation="sigmoid")(L.GlobalAveragePooling2D()(x))
    x = L.Multiply()([x, L.Reshape((1, 1, 4))(gate)])
    return keras.Model(image, L.Dense(3, activation="softmax")(L.Flatten()(L.MaxPooling2D(8)(x))))


def twice():
    """One layer in two places."""
    image = keras.Input((32, 32, 3))
    shared = L.Conv2D(3, 3, padding="same", activation="tanh")
    return keras.Model(image, L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(shared(shared(image)))))


def scores_of(model, pixels, asked, channels=3):
    """What the original says of gray pixels, softmax or sigmoid applied where it has none."""
    values = np.repeat(pixels[..., None].astype(np.float64), channels, -1)
    found = model.predict((values - np.array(asked.mean)) / np.array(asked.std), verbose=0)
    if found.shape[-1] == 1:
        return np.concatenate([1 - found, found], -1)
    return found if np.allclose(found.sum(-1), 1, atol=1e-4) else np.asarray(keras.ops.softmax(found))


PIXELS = np.random.default_rng(0).integers(0, 256, (5, 32, 32), np.uint8)


def checked(model, spec, labels=CLASSES, classes=CLASSES, channels=3):
    asked = Asked.read(spec)
    rng = np.random.default_rng(1)
    # So that the scores tell the images apart.
    model.set_weights([one + rng.normal(0, 0.3, one.shape) * (one.ndim > 1) for one in model.get_weights()])
    network = our_network(model, asked, labels, classes)
    mean, std = our_normalization(asked)
    values = (np.repeat(PIXELS[..., None].astype(np.float32), 3, -1) - np.float32(mean)) / np.float32(std)
    expected = scores_of(model, PIXELS, asked, channels)[:, [labels.index(one) for one in classes]]
    np.testing.assert_allclose(network.predict(values, verbose=0), expected, atol=2e-4)
    assert network.layers[-1].name == "scores" and not network.trainable_weights
    assert not any(
        isinstance(layer, (keras.Model, L.Dropout, L.Rescaling, L.Normalization)) for layer in network.layers
    )
    return network


@pytest.mark.parametrize(
    ("make", "spec", "pooled"),
    [
        (nested, RAW, True),
        (functions, RAW, False),
        (hidden_layers, RAW, True),
        (squeeze, "mean=127.5,std=127.5", False),
        (squeeze, "mean=103.939/116.779/123.68,std=1,color=bgr", False),
        (twice, "mean=0,std=255", True),
    ],
)
def test_a_network_keeps_its_scores(make, spec, pooled):
    network = checked(make(), spec)
    assert ("pool" in [layer.name for layer in network.layers]) == pooled


def test_scores_come_in_the_order_of_the_data():
    checked(nested(), RAW, labels=("c", "a", "b"))


def test_one_score_becomes_two_and_one_channel_three():
    gray = keras.Sequential(
        [keras.Input((32, 32, 1)), L.Conv2D(4, 5), L.GlobalAveragePooling2D(), L.Dense(1, activation="sigmoid")]
    )
    checked(gray, "mean=0,std=255", labels=("no", "yes"), classes=("no", "yes"), channels=1)


def test_a_normalization_that_pixels_stand_for_needs_no_layer():
    assert our_normalization(Asked.read("mean=0,std=255")) == (0, 255)
    assert our_normalization(Asked.read("mean=127.5,std=127.5")) == (128, 127.5)
    plain = keras.Sequential(
        [keras.Input((32, 32, 3)), L.Conv2D(2, 3), L.GlobalAveragePooling2D(), L.Dense(3, activation="softmax")]
    )
    assert len(checked(plain, "mean=0,std=255").layers) == 4


def test_normalizations_in_a_row_are_one_layer():
    """As Keras's EfficientNet has them, and arithmetic as in preprocess_input."""
    layers = [
        L.Rescaling(1 / 255),
        L.Normalization(mean=[0.4, 0.5, 0.6], variance=[0.05, 0.06, 0.07]),
        L.Rescaling([2, 3, 4]),
    ]
    end = (L.GlobalAveragePooling2D(), L.Dense(3, activation="softmax"))
    network = checked(keras.Sequential([keras.Input((32, 32, 3)), *layers, L.Conv2D(2, 3), *end]), RAW)
    assert [type(layer).__name__ for layer in network.layers].count("DepthwiseConv2D") == 1
    network = checked(functions(), RAW)
    assert [type(layer).__name__ for layer in network.layers].count("DepthwiseConv2D") == 1


def test_layers_that_are_not_known_are_left_to_tensorflow():
    from freezenet.convert.converter import Converter
    from freezenet.convert.float.outputs import with_outputs
    from freezenet.convert.variants import VARIANTS, UnsupportedError
    from freezenet.edge_runtime.interpreter import Interpreter

    network = checked(twice(), "mean=0,std=255")
    images = [np.repeat(one[None, ..., None], 3, -1).astype(np.float32) / 255 for one in PIXELS]
    images[0][0, 0, 0], images[0][0, 0, 1] = 0, 1
    converter = Converter(with_outputs(network), lambda: ([image] for image in images))
    assert not converter.quantizes and Converter(with_outputs(checked(nested(), RAW)), lambda: iter(())).quantizes
    interpreter = Interpreter(converter.to_tflite(VARIANTS["int8"]))
    assert interpreter.inputs[0]["dtype"] == np.uint8
    raw = np.repeat(PIXELS[1][None, ..., None], 3, -1)
    np.testing.assert_allclose(interpreter.invoke(raw)[0], network.predict(images[1], verbose=0), atol=0.06)
    with pytest.raises(UnsupportedError, match="mixed"):
        converter.to_mixed(lambda one: True)


def two_inputs():
    images = [keras.Input((32, 32, 3)), keras.Input((32, 32, 3))]
    return keras.Model(images, L.Dense(3)(L.GlobalAveragePooling2D()(L.Add()(images))))


def with_lambda():
    return keras.Sequential(
        [keras.Input((32, 32, 3)), L.Lambda(lambda x: x * 2), L.GlobalAveragePooling2D(), L.Dense(3)]
    )


@pytest.mark.parametrize(("make", "said"), [(two_inputs, "2 inputs"), (with_lambda, "without Lambda layers")])
def test_what_cannot_be_loaded_is_a_sentence(make, said, tmp_path):
    make().save(tmp_path / "a.keras")
    with pytest.raises(ModelError, match=said):
        load_keras(tmp_path / "a.keras")


@pytest.mark.parametrize(
    ("name", "content"), [("a.keras", b"PK\3\4nothing"), ("a.h5", b"\x89HDFnothing"), ("a.tflite", b"none")]
)
def test_files_that_are_none_are_a_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match="Keras model"):
        load_keras(tmp_path / name)


def of_shape(*shape):
    return keras.Sequential([keras.Input(shape), L.Conv2D(3, 3), L.GlobalAveragePooling2D(), L.Dense(3)])


def test_an_open_side_is_given_by_the_user():
    assert image_side(of_shape(None, 32, 3), Asked.read("size=32")) == 32


def test_layers_of_which_keras_cannot_make_another_are_a_sentence(monkeypatch):
    model = of_shape(32, 32, 3)
    monkeypatch.setattr(model.layers[0], "get_config", lambda: {"unknown": 1})
    with pytest.raises(ModelError, match="taken apart"):
        our_network(model, Asked.read(RAW), CLASSES, CLASSES)


def end(*layers):
    return keras.Sequential([keras.Input((32, 32, 3)), L.Conv2D(3, 3), *layers])


@pytest.mark.parametrize(
    ("model", "spec", "said"),
    [
        (end(L.GlobalAveragePooling2D()), RAW, "ends in a dense layer"),
        (end(L.GlobalAveragePooling2D(), L.Dense(3, activation="sigmoid")), RAW, "with sigmoid and 3 scores"),
        (end(L.GlobalAveragePooling2D(), L.Dense(4, activation="softmax")), RAW, "4 labels, those of DATA"),
        (end(L.GlobalAveragePooling2D(), L.Dense(3)), f"{RAW},scores=probabilities", "scores=logits"),
        (end(L.GlobalAveragePooling2D(), L.Dense(3)), "color=rgb", "pass --preprocess mean=127.5"),
        (end(L.GlobalAveragePooling2D(), L.Dense(3)), f"{RAW},resize=bilinear", "area mean"),
        (end(L.GlobalAveragePooling2D(), L.Dense(3)), f"{RAW},size=64", "the network's own"),
        (end(L.GlobalAveragePooling2D(), L.Dense(3)), "mean=0,std=0", "std above 0"),
        (end(L.GlobalAveragePooling2D(), L.Dense(3)), "mean=nan,std=1", "One finite mean"),
        (end(L.GlobalAveragePooling2D(), L.Dense(3)), f"{RAW},layout=NCHW", "leave them out"),
        (end(L.GlobalAveragePooling2D(), L.Dense(3)), f"{RAW},output=0", "leave them out"),
        (of_shape(32, 32, 1), "mean=1/2/3,std=1", "one for each of 1 channels"),
        (of_shape(None, 32, 3), f"{RAW},size=64", "the network's own"),
        (of_shape(None, 32, 3), RAW, "leaves it open"),
    ],
)
def test_what_is_missing_or_no_classifier_is_a_sentence(model, spec, said):
    with pytest.raises(FreezenetError, match=said):
        our_network(model, Asked.read(spec), CLASSES, CLASSES)
