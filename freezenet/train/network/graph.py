"""Walk the graph of a flat network: what each layer takes its inputs from, and where everything flows through one tensor.

Nothing here imports Keras, so that the process with tf_keras, which prunes and quantizes, can use it for its own nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def inputs_of(layer: Any) -> list[Any]:
    """Return the tensors that a layer of a flat network takes in; [] for its input layer.

    A layer's first node holds the wiring of the network that it was built in; later ones are those of models cut out of it.
    """
    return list(layer._inbound_nodes[0].input_tensors) if layer._inbound_nodes else []


def source_names(layer: Any) -> tuple[str, ...]:
    """Return the names of the layers that a layer of a flat network takes its inputs from."""
    return tuple(tensor._keras_history.operation.name for tensor in inputs_of(layer))


def layer_sources(model: Any) -> dict[str, tuple[str, ...]]:
    """Return, for each layer of a flat network in order of execution, the names of the layers before it (`source_names`)."""
    return {layer.name: source_names(layer) for layer in model.layers}


def bottlenecks(sources: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names of the nodes through whose single output everything that comes before them flows.

    These are the places at which a network can be split in two (articulation points of its graph); the last node, behind which
    nothing comes, is none of them.

    Args:
        sources: node -> the nodes that it takes its inputs from, in order of execution. Names that are no node are
            ignored: a part of a network takes its inputs from outside.
    """
    position = {name: index for index, name in enumerate(sources)}
    last_use = [0] * len(position)
    for index, names in enumerate(sources.values()):
        for name in names:
            if name in position:
                last_use[position[name]] = index
    found, reach = [], 0
    for index, name in enumerate(list(position)[:-1]):
        # Everything before this node has been consumed at its position: its output is the only open tensor.
        if reach <= index:
            found.append(name)
        reach = max(reach, last_use[index])
    return found
