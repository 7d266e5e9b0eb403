"""Which operators of a model an accelerator took over, and which were left to the interpreter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

#: What the interpreter calls a node that stands for a part of the network that a delegate computes.
_DELEGATE = "DELEGATE"


def delegated(operators: Sequence[Mapping[str, Any]], name: str = "XNNPACK") -> dict[str, Any]:
    """Return how many nodes of a network a delegate computes (JSON types).

    The interpreter lists the network's own nodes and, after them, one node for each part that was taken over, whose inputs and
    outputs are the part's. Whatever is met on the way from the outputs back to the inputs belongs to the part.

    Args:
        operators: what `Interpreter.operators` says.
        name: of the delegate; the interpreters for Python know only this one by themselves.

    Returns:
        "delegate": its name, None where nothing was taken over. "nodes": of the network. "delegated": of these. "partitions": parts.
        "left": operator -> how many were left to the interpreter.
    """
    parts = [one for one in operators if one["op_name"].upper().startswith(_DELEGATE)]
    own = [one for one in operators if not one["op_name"].upper().startswith(_DELEGATE)]
    made_by = {int(tensor): number for number, one in enumerate(own) for tensor in one["outputs"]}
    taken: set[int] = set()
    for part in parts:
        borders, waiting = {int(one) for one in part["inputs"]}, [int(one) for one in part["outputs"]]
        while waiting:
            node = made_by.get(waiting.pop())
            if node is not None and node not in taken:
                taken.add(node)
                waiting += [int(one) for one in own[node]["inputs"] if int(one) not in borders]
    left = Counter(one["op_name"] for number, one in enumerate(own) if number not in taken)
    return {
        "delegate": name if parts else None,
        "nodes": len(own),
        "delegated": len(taken),
        "partitions": len(parts),
        "left": dict(sorted(left.items())),
    }
