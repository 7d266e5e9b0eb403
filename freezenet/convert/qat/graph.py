"""A network as plain data: what crosses from the process with Keras 3 to the one with tf_keras.

Quantization-aware training needs tf_keras, and two versions of Keras cannot share a layer. A list of nodes can be written
as JSON and built by either.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from freezenet.convert.variants import UnsupportedError
from freezenet.edge_runtime.errors import ModelError
from freezenet.train.network.graph import bottlenecks, layer_sources

#: Layer class -> the keys of its configuration that decide what it computes.
KINDS: dict[str, tuple[str, ...]] = {
    "InputLayer": (),
    "Conv2D": ("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "use_bias"),
    "DepthwiseConv2D": ("kernel_size", "strides", "padding", "dilation_rate", "depth_multiplier", "use_bias"),
    "Dense": ("units", "use_bias"),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "ZeroPadding2D": ("padding",),
    "Add": (),
    "GlobalAveragePooling2D": ("keepdims",),
    "GlobalMaxPooling2D": ("keepdims",),
}
#: Layers that give some of the integers that come in: TFLite keeps their range for the output.
PASSING = ("ZeroPadding2D", "GlobalMaxPooling2D")
#: Activations that the scores may have: one class, or any number of labels.
HEADS = ("softmax", "sigmoid")
#: Largest distance of a zero point from an integer, in units of the scale.
_ZERO_POINT_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Node:
    """One layer. inputs: names of nodes. limits: (low, high) to which its output is rounded in 8 bits, or None."""

    name: str
    kind: str
    config: dict[str, Any]
    inputs: tuple[str, ...]
    limits: tuple[float, float] | None
    trained: bool


def describe(
    model: Any, target: str, ranges: Mapping[str, tuple[float, float]], trainable: Collection[str]
) -> list[Node]:
    """Return the nodes up to the layer `target`, without its softmax or sigmoid, in order of execution; the input is the first.

    model: a flat functional Keras network. ranges: layer name -> range of its output as the 8-bit file quantizes it; a
    name that is no layer is ignored. trainable: names of the layers that are trained.
    Dropout is left out: where the answers of a trained network are matched it would be noise far above that of the rounding.
    Raises UnsupportedError for a layer of an unknown class, ModelError where a tensor that is computed with has no range.
    """
    if target not in {layer.name for layer in model.layers}:
        raise ModelError(
            f"A network with a layer {target} is required. Got: {model.name}, which has none; name its classifier so."
        )
    sources = layer_sources(model)
    wanted, open_names = {target}, [target]
    while open_names:
        new = [name for name in sources[open_names.pop()] if name not in wanted]
        wanted.update(new)
        open_names += new
    nodes: list[Node] = []
    produced: dict[str, str] = {}  # layer -> the node that gives its output
    for layer in model.layers:
        if layer.name not in wanted:
            continue
        inputs = tuple(produced[name] for name in sources[layer.name])
        if layer.__class__.__name__ == "Dropout":
            (produced[layer.name],) = inputs
            continue
        nodes.append(_node_of(layer, inputs, ranges, trainable, HEADS if layer.name == target else ("linear",)))
        produced[layer.name] = layer.name
    _check(nodes)
    return nodes


def cut_of(nodes: list[Node]) -> str:
    """Return the deepest node with a range through which everything before it flows, with nothing trained up to it.

    The input node where the first kernel is trained already. See `freezenet.train.frozen.cut`, which does the same for Keras layers.
    """
    frozen = list(takewhile(lambda node: not node.trained, nodes))
    narrow = set(bottlenecks({node.name: node.inputs for node in nodes}))
    return next((node.name for node in reversed(frozen) if node.name in narrow and node.limits), nodes[0].name)


def _node_of(
    layer: Any,
    inputs: tuple[str, ...],
    ranges: Mapping[str, tuple[float, float]],
    trainable: Collection[str],
    activations: tuple[str, ...],
) -> Node:
    kind, name = layer.__class__.__name__, layer.name
    if kind not in KINDS:
        raise UnsupportedError(
            f"Layers of {', '.join(KINDS)} and Dropout are required for quantization-aware training. Got: {name}, a {kind}; "
            "leave out the variant int8-qat."
        )
    full = layer.get_config()
    if full.get("activation", activations[0]) not in activations:
        raise ModelError(
            f"The activation {' or '.join(activations)} is required for quantization-aware training. Got: {full['activation']} in layer "
            f"{name}; give it a layer of its own."
        )
    limits = None if kind in PASSING or name not in ranges else ranges[name]
    trained = name in trainable and bool(layer.weights)
    return Node(name, kind, {key: full[key] for key in KINDS[kind]}, inputs, limits, trained)


def _check(nodes: list[Node]) -> None:
    """Refuse a graph in which something is computed from numbers that are no 8-bit integers, or with a shifted zero."""
    exact: set[str] = set()
    for node in nodes:
        if node.limits is not None:
            _check_limits(node.name, *node.limits)
        missing = [name for name in node.inputs if name not in exact]
        # ReLU behind a convolution is part of it: what comes between them is never rounded.
        if missing and node.kind != "ReLU":
            raise ModelError(
                f"A range for the output of {missing[0]} is required, because {node.name} computes with it. Got: none; "
                "measure the ranges on this network."
            )
        if node.limits is not None or node.kind == "InputLayer" or node.kind in PASSING:
            exact.add(node.name)
    if nodes[-1].name not in exact:
        raise ModelError(
            f"A range for the output of {nodes[-1].name} is required. Got: none; measure the ranges on this network."
        )


def _check_limits(name: str, low: float, high: float) -> None:
    scale = (high - low) / 255
    if not low <= 0 <= high or not scale > 0 or abs(low / scale - round(low / scale)) > _ZERO_POINT_TOLERANCE:
        raise ModelError(
            f"A range from low <= 0 to high >= 0 that has 0 as one of its 256 values is required. Got: {low:g} to "
            f"{high:g} for {name}; shift it as `freezenet.convert.ptq.ranges.nudged` does."
        )
