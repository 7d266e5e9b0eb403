"""What a model file gives beside the scores: the outputs of its profile (`freezenet.convert.variants`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras

from freezenet.convert.float.flatbuffer import read_tree, write_tree
from freezenet.convert.variants import PROFILES
from freezenet.train.frozen.cut import backbone_means


def with_outputs(model: keras.Model) -> keras.Model:
    """Return the trained network with all outputs of the profile "edge"; both share layers and weights.

    scores (1, classes). cam (1, h, w, classes): what each place of the last feature map adds to each class before pooling
    and softmax (Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016); a 1x1 convolution with the
    classifier's kernel. features (1, channels): the mean of the frozen backbone's last tensor, for the OOD gate, which asks whether
    an image is a chest X-ray at all; of the last feature map where nothing is frozen.
    A classifier that does not stand directly on the pooled maps has no map of this kind, so there is no cam. A network of another maker
    without a layer "pool" has scores alone.
    """
    outputs = [model.output]
    if "pool" not in [layer.name for layer in model.layers]:
        return keras.Model(model.input, outputs, name=model.name)
    if _reads_pooled(model):
        cam = keras.layers.Conv2D(model.output.shape[-1], 1, use_bias=False, name="cam")
        outputs.append(cam(model.get_layer("pool").input))
    extended = keras.Model(model.input, [*outputs, backbone_means(model)], name=model.name)
    show_classifier(extended)
    return extended


def outputs_of(profile: str, model: keras.Model) -> tuple[str, ...]:
    """Return the outputs of a profile that a network from `with_outputs` has, in file order."""
    return tuple(name for name in PROFILES[profile] if name in model.output_names)


def _reads_pooled(model: keras.Model) -> bool:
    names = [layer.name for layer in model.layers]
    between = model.layers[names.index("pool") + 1 : names.index("scores")]
    return all(isinstance(layer, keras.layers.Dropout) for layer in between)


def show_classifier(model: keras.Model) -> None:
    """Give the class activation map of a network from `with_outputs`, if it has one, the kernel that its classifier has now."""
    if "cam" not in model.output_names:
        return
    kernel = model.get_layer("scores").get_weights()[0]
    model.get_layer("cam").set_weights([kernel[None, None]])


def keep_outputs(model: bytes, names: Sequence[str]) -> bytes:
    """Return a .tflite model with only the outputs of these names in its signature, in this order, and what they need.

    What is left computes the same numbers, so that one verdict holds for every profile.
    """
    tree = read_tree(model)
    (graph,), (signature,) = tree.subgraphs, tree.signatureDefs
    by_name = {one.name.decode(): one for one in signature.outputs}
    signature.outputs = [by_name[name] for name in names]
    graph.outputs = [one.tensorIndex for one in signature.outputs]
    needed, operators = set(graph.outputs), []
    for operator in reversed(graph.operators):
        if needed & set(operator.outputs):
            needed.update(operator.inputs)
            operators.append(operator)
    graph.operators = operators[::-1]
    _drop_unused(tree, graph, signature)
    return write_tree(tree)


def _drop_unused(tree: Any, graph: Any, signature: Any) -> None:
    """Leave out tensors, buffers and operator codes that no operator uses, and number the rest anew."""
    used = {index for operator in graph.operators for index in (*operator.inputs, *operator.outputs)}
    tensors = _numbers(used | {*graph.inputs, *graph.outputs}, -1)  # -1: an optional input that is not there
    graph.tensors = [graph.tensors[index] for index in tensors]
    for operator in graph.operators:
        operator.inputs = [tensors.get(index, -1) for index in operator.inputs]
        operator.outputs = [tensors[index] for index in operator.outputs]
    graph.inputs, graph.outputs = ([tensors[index] for index in side] for side in (graph.inputs, graph.outputs))
    for one in (*signature.inputs, *signature.outputs):
        one.tensorIndex = tensors[one.tensorIndex]

    codes = _numbers({operator.opcodeIndex for operator in graph.operators})
    tree.operatorCodes = [tree.operatorCodes[index] for index in codes]
    for operator in graph.operators:
        operator.opcodeIndex = codes[operator.opcodeIndex]

    owners = [*graph.tensors, *(tree.metadata or [])]
    buffers = _numbers({0, *(owner.buffer for owner in owners)})  # the first is the empty one by definition
    tree.buffers = [tree.buffers[index] for index in buffers]
    for owner in owners:
        owner.buffer = buffers[owner.buffer]


def _numbers(used: Iterable[int], *without: int) -> dict[int, int]:
    """Return old -> new index of what is used, in the old order."""
    return {old: new for new, old in enumerate(sorted(set(used) - set(without)))}
