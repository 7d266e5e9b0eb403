"""A Keras classifier of another maker as a network of the kind that this project converts: flat, our pixels in, scores out by name.

What only trains (dropout, random changes of the image) is left out, models inside the model are dissolved, and the normalization that the
network expects becomes its first layer. The numbers stay those of the original.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.special import expit, softmax

from freezenet.convert.foreign.asked import Asked
from freezenet.convert.foreign.flat import Flat, is_graph, last_pool
from freezenet.edge_runtime.errors import ModelError, SettingError, one_line
from freezenet.edge_runtime.images.other.preprocess import OtherPreprocess
from freezenet.train.network.graph import bottlenecks, layer_sources
from freezenet.train.quiet import quiet
from freezenet.train.task import MultiClass, MultiLabel

_L = keras.layers
#: Largest difference of a score, 0..1, to the original; float32 in another order explains it.
_DIFFERENCE = 1e-3


def load_keras(path: Path) -> keras.Model:
    """Load a .keras or .h5 file; ModelError where it is none, or holds code or layers that are not Keras's own."""
    if not path.is_file() or not (zipfile.is_zipfile(path) or path.open("rb").read(4) == b"\x89HDF"):
        raise ModelError(f"A Keras model (.keras or .h5) or a RUN folder is required. Got: {path}, which is neither.")
    try:
        with quiet():
            model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises many types
        raise ModelError(
            f"A Keras model of Keras's own layers is required, without Lambda layers and classes of its maker. Got: {path.name}: "
            f"{one_line(error, 200)}."
        ) from None
    if (
        not (is_graph(model) and model.built)
        or len(model.inputs) != 1
        or len(model.outputs) != 1
        or len(model.input_shape) != 4
    ):
        raise ModelError(
            f"A functional or sequential Keras model with one image in and one output is required. Got: {path.name}, "
            f"{type(model).__name__} with {len(model.inputs or [])} inputs and {len(model.outputs or [])} outputs."
        )
    return model


def image_side(model: keras.Model, asked: Asked) -> int:
    """Return the side of the square image that a model takes, in pixels; SettingError where it is another or not known."""
    own = tuple(model.input_shape[1:3])
    size = asked.size or own
    if None in size:
        raise SettingError(
            "The size of the input is required. Got: a model that leaves it open; pass --preprocess size=224."
        )
    # One side may be open and the other not.
    fits = all(there in (None, side) for there, side in zip(own, size, strict=True))
    if not fits or size[0] != size[1] or not 32 <= size[0] <= 1024:
        raise SettingError(
            f"A square input of 32 to 1024 pixels, the network's own, is required. Got: {' x '.join(map(str, own))} in the network"
            f"{f', size={asked.size[0]}x{asked.size[1]} in --preprocess' if asked.size else ''}."
        )
    return int(size[0])


def our_normalization(asked: Asked, channels: int = 3) -> tuple[float, float]:
    """Return mean and std of the pixels that the converted network takes: its own where a uint8 pixel can stand for them.

    Args:
        asked: What is said of the network; SettingError where it is not enough, or cannot be followed.
        channels: Of the network's input.
    """
    if asked.mean is None or asked.std is None:
        raise SettingError(
            "How pixels become the input of the network is required. Got: nothing that says so; pass --preprocess mean=127.5,std=127.5 for "
            "values from -1 to 1, mean=0,std=255 for 0 to 1, mean=0,std=1 for a network that takes 0 to 255."
        )
    if asked.resize not in (None, "area") or asked.crop not in (None, "none"):
        raise SettingError(
            "resize=area and crop=none are required: files of freezenet resize by the area mean, on every device. Got: "
            f"resize={asked.resize}, crop={asked.crop}; leave them out, and the figures are those with freezenet's resizing."
        )
    if asked.layout == "NCHW" or asked.output is not None:
        raise SettingError(
            "Neither layout=NCHW nor output is required for a Keras model: channels come last in it, and it has one output. Got: "
            f"layout={asked.layout}, output={asked.output}; leave them out."
        )
    if asked.task == MultiLabel.name or asked.thresholds is not None:
        raise SettingError(
            f"task={MultiClass.name}, without thresholds, is required to convert a Keras model of another maker. Got: one with several labels for "
            "an image; freezenet evaluate and compare take its .tflite file."
        )
    # Refuses what is no number, no std, or another number of channels.
    OtherPreprocess(size=(1, 1), color="gray", means=asked.mean, stds=asked.std, channels=channels)
    means, stds = set(asked.mean), set(asked.std)
    (mean, *_), (std, *_) = asked.mean, asked.std
    if len(means) == len(stds) == 1 and mean == round(mean) and 0 <= mean <= 255:
        return mean, std
    return 128.0, 127.5


def our_network(model: keras.Model, asked: Asked, labels: Sequence[str], classes: Sequence[str]) -> keras.Model:
    """Return the same classifier as a flat network (h, w, 3) -> "scores" (classes,), with a layer "pool" where it has one.

    Args:
        model: As `load_keras` returns it.
        asked: Its normalization and, where that is said, what its output holds.
        labels: Names of its scores, in their order; of a single score those of no and yes.
        classes: The same names in the order that the scores are to have.

    Raises:
        ModelError: It is no classifier that ends in a dense layer, or computes something else here than it did.
        SettingError: The labels do not fit.
    """
    channels = model.input_shape[-1]
    if channels not in (1, 3):
        raise ModelError(f"A network with 1 or 3 channels, the last side, is required. Got: {channels}.")
    side, (mean, std) = image_side(model, asked), our_normalization(asked, channels)
    assert asked.mean is not None and asked.std is not None  # `our_normalization` says so
    image = keras.Input((side, side, 3), name="image")
    # (pixel - their mean) / their std of x = (pixel - our mean) / our std.
    scale = np.broadcast_to(std / np.array(asked.std), channels)
    shift = np.broadcast_to((mean - np.array(asked.mean)) / np.array(asked.std), channels)

    def made(pool: Any) -> keras.Model:
        flat = Flat(pool)
        try:
            y = flat(model, flat.normalized(image, scale, shift))
        except (ValueError, TypeError) as error:  # of layers of which Keras cannot make another
            raise ModelError(_whole(f"one of which Keras cannot make another: {one_line(error, 150)}")) from None
        return keras.Model(image, _scores(y, asked, labels, classes), name="freezenet")

    network = made(last_pool(model))
    if "pool" in [layer.name for layer in network.layers] and "pool" not in bottlenecks(layer_sources(network)):
        network = made(None)
    for layer in network.layers:
        layer.trainable = False
    _check_same(model, network, asked, (mean, std), [list(labels).index(one) for one in classes])
    return network


def _scores(y: Any, asked: Asked, labels: Sequence[str], classes: Sequence[str]) -> Any:
    """Return "scores", probabilities of the classes in their order, in place of a network's last layers."""
    last = y._keras_history.operation
    activation = _activation(last)
    if activation and not isinstance(last, _L.Dense):
        last = last._inbound_nodes[0].input_tensors[0]._keras_history.operation
        activation = activation if _activation(last) == "linear" else ""
    count = y.shape[-1]
    known = ("softmax", "linear") if count > 1 else ("sigmoid", "linear")
    if not isinstance(last, _L.Dense) or activation not in known or len(y.shape) != 2:
        raise ModelError(
            f"A network that ends in a dense layer with softmax, or with sigmoid for one score, is required. Got: {type(last).__name__} "
            f"with {activation or 'another activation'} and {count} scores."
        )
    if asked.scores == "probabilities" and activation == "linear":
        raise SettingError(
            "scores=logits, or nothing, is required for a network that ends in a linear layer. Got: scores=probabilities."
        )
    if len(labels) != max(count, 2) or set(labels) != set(classes):
        raise SettingError(
            f"{max(count, 2)} labels, those of DATA in the order of the scores, are required. Got: {', '.join(labels)}; DATA has "
            f"{', '.join(classes)}."
        )
    kernel, bias = last.get_weights() if last.use_bias else (*last.get_weights(), np.zeros(count, np.float32))
    if count == 1:
        # softmax of (0, z) is 1 - sigmoid(z), sigmoid(z).
        kernel, bias = (np.concatenate([np.zeros_like(one), one], axis=-1) for one in (kernel, bias))
    order = [list(labels).index(one) for one in classes]
    scores = _L.Dense(len(classes), activation="softmax", name="scores", dtype="float32")
    found = scores(last._inbound_nodes[0].input_tensors[0])
    scores.set_weights([kernel[:, order], bias[order]])
    return found


def _activation(layer: Any) -> str:
    """Return the name of what a layer does to its result, "" of a layer that is no activation and has none."""
    if isinstance(layer, _L.Softmax):
        return "softmax"
    return getattr(getattr(layer, "activation", None), "__name__", "")


def _check_same(
    model: keras.Model, network: keras.Model, asked: Asked, ours: tuple[float, float], order: list[int]
) -> None:
    """Compare a network with what it was made of, on noise."""
    side = network.input_shape[1]
    gray = np.random.default_rng(0).integers(0, 256, (4, side, side, 1)).astype(np.float32)
    gray[1:] = np.clip(gray[1:] * np.array([0.1, 0.5, 2])[:, None, None, None], 0, 255)
    theirs = (np.repeat(gray, model.input_shape[-1], -1) - np.array(asked.mean, np.float32)) / np.array(
        asked.std, np.float32
    )
    expected = np.asarray(model.predict_on_batch(theirs.astype(np.float32)), np.float64)
    if expected.shape[-1] == 1:
        single = expected if model.layers and _activation(_last(model)) == "sigmoid" else expit(expected)
        expected = np.concatenate([1 - single, single], -1)
    elif not np.allclose(expected.sum(-1), 1, atol=1e-3) or expected.min() < 0:
        expected = softmax(expected, axis=-1)
    found = network.predict_on_batch((np.repeat(gray, 3, -1) - np.float32(ours[0])) / np.float32(ours[1]))
    largest = float(np.nan_to_num(np.abs(found - expected[:, order]), nan=np.inf).max())
    if largest > _DIFFERENCE:
        raise ModelError(_whole(f"one whose scores then differ by {largest:.3g}"))


def _whole(got: str) -> str:
    return (
        f"A network that can be taken apart and put together again is required. Got: {got}; convert it with TensorFlow, and let freezenet "
        "evaluate and compare judge the file."
    )


def _last(model: Any) -> Any:
    operation = model.outputs[0]._keras_history.operation
    return _last(operation) if is_graph(operation) else operation
