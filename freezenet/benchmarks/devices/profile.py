"""What each operator of a network costs, with a picture.

The interpreters for Python tell no times of operators. So the network is cut behind each operator in turn, and what a part takes longer
than the part before it is the operator's cost. All parts are measured in turns and the fastest of many inferences counts: other work only
ever adds time. What XNNPACK computes is measured as XNNPACK computes it, in a part as in the whole.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from freezenet.benchmarks.shape import shape_to_measure
from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.edge_runtime.system.chatter import without_chatter
from freezenet.train.files import write_picture

#: Inferences of each part in a turn, the first of which finds the caches filled with another part.
_TOGETHER = 3
#: Of all parts together: each is held with its own copy of the network's weights.
_MOST_BYTES = 2_000_000_000


@dataclass(frozen=True)
class CutNetwork:
    """A network cut behind each of its operators.

    Args:
        parts: `.tflite` files, of which each holds one operator more than the one before.
        operators: "number", "operator" and "output" (its shape) of each.
        shape: of the input tensor.
    """

    parts: tuple[bytes, ...]
    operators: tuple[dict[str, Any], ...]
    shape: tuple[int, ...]

    @classmethod
    def read(cls, model: Path, input_size: tuple[int, int] | None = None) -> CutNetwork:
        """Cut a file.

        Args:
            model: a `.tflite` file with one graph and one input.
            input_size: height and width of the image, for a file that leaves them open.

        Raises:
            ModelError: the network has several graphs, other than one input, no operators, an operator without outputs, parts that are too
                large together, or an input of open size and none is given.
            SettingError: another size than the file's is given.
        """
        parts, operators = _parts(model.read_bytes(), model.name)
        with without_chatter():
            one = Interpreter(parts[0]).inputs[0]
        return cls(tuple(parts), tuple(operators), shape_to_measure(one, model.name, input_size))


def operator_profile(
    network: CutNetwork, *, threads: int = 1, runtime: str | None = None, turns: int = 25
) -> dict[str, Any]:
    """Return what each operator costs (JSON types).

    Args:
        network: the network.
        threads: of one inference.
        runtime: name of the interpreter; None takes the first that is installed.
        turns: how often all parts are measured.

    Returns:
        "operators": a list of "number", "operator", "output" (its shape), "ms" and "share", in the order of the network; "by_operator": operator ->
        "count", "ms", "share", the costliest first; "total_ms": of the whole network; "turns".
    """
    with without_chatter():
        interpreters = [Interpreter(part, threads, runtime=runtime, shape=network.shape) for part in network.parts]
    fastest = np.full(len(interpreters), np.inf)
    one = interpreters[0].inputs[0]
    tensor = np.random.default_rng(0).integers(0, 128, network.shape).astype(one["dtype"])
    for interpreter in interpreters:
        interpreter.invoke(tensor)
    for _ in range(turns):
        for number, interpreter in enumerate(interpreters):
            for _ in range(_TOGETHER):
                began = time.perf_counter()
                interpreter.again()
                fastest[number] = min(fastest[number], time.perf_counter() - began)
    # A part cannot cost less than one that it contains: what seems so is noise.
    until = np.maximum.accumulate(fastest) * 1e3
    costs = np.diff(until, prepend=0.0)
    operators = [
        {**each, "ms": round(float(cost), 5), "share": round(float(cost / until[-1]), 5)}
        for each, cost in zip(network.operators, costs, strict=True)
    ]
    return {
        "operators": operators,
        "by_operator": _by_operator(operators),
        "total_ms": round(float(until[-1]), 5),
        "turns": turns,
    }


def _parts(content: bytes, name: str) -> tuple[list[bytes], list[dict[str, Any]]]:
    """Return the network cut behind each operator, and what each operator is."""
    from ai_edge_litert.tools.flatbuffer_utils import opcode_to_name

    from freezenet.convert.float.flatbuffer import builtin_code, read_tree, write_tree

    whole = read_tree(content)
    if len(whole.subgraphs) != 1:
        raise ModelError(f"A network of one graph is required by --profile. Got: {name} with {len(whole.subgraphs)}.")
    graph: Any = whole.subgraphs[0]
    everything: list[Any] = list(graph.operators or ())
    parts, found = [], []
    outputs = [[] if one.outputs is None else [int(number) for number in one.outputs] for one in everything]
    if not everything or not all(outputs):
        raise ModelError(
            f"A network of operators that each have an output is required by --profile. Got: {name} with "
            f"{'one that has none' if everything else 'no operator'}."
        )
    inputs = 0 if graph.inputs is None else len(graph.inputs)
    if inputs != 1:
        raise ModelError(f"A network with one input is required by --profile. Got: {name} with {inputs}.")
    if len(content) * len(everything) > _MOST_BYTES:
        raise ModelError(
            f"A network whose size times its operators is {_MOST_BYTES / 1e9:g} GB at most is required by --profile, which holds a copy for "
            f"each operator. Got: {name}, {len(content) / 1e6:.0f} MB with {len(everything)} operators."
        )
    whole.signatureDefs = []
    for number, operator in enumerate(everything, 1):
        graph.operators = everything[:number]
        graph.outputs = outputs[number - 1][:1]
        parts.append(write_tree(whole))
        shape = graph.tensors[graph.outputs[0]].shape
        index = operator.opcodeIndex
        found.append(
            {
                "number": number,
                "operator": opcode_to_name(whole, index) or str(builtin_code(whole.operatorCodes[index])),
                "output": [] if shape is None else [int(one) for one in shape],
            }
        )
    return parts, found


def _by_operator(operators: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for one in operators:
        row = found.setdefault(one["operator"], {"count": 0, "ms": 0.0, "share": 0.0})
        row["count"] += 1
        for key in ("ms", "share"):
            row[key] = round(row[key] + one[key], 5)
    return dict(sorted(found.items(), key=lambda item: -item[1]["ms"]))


def draw_profile(profile: dict[str, Any], title: str, file: Path) -> None:
    """Draw the cost of each operator in the order of the network, one colour a kind; the suffix names the format."""
    from matplotlib.figure import Figure

    operators, kinds = profile["operators"], list(profile["by_operator"])
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    axis = figure.subplots()
    for place, kind in enumerate(kinds):
        of_kind = [one for one in operators if one["operator"] == kind]
        whole = profile["by_operator"][kind]
        axis.bar(
            [one["number"] for one in of_kind],
            [one["ms"] for one in of_kind],
            color=f"C{place % 10}",
            label=f"{kind}, {whole['count']}: {100 * whole['share']:.0f} %",
        )
    axis.set(
        xlabel="operator, in the order of the network",
        ylabel="ms of one inference",
        title=f"{title}: {profile['total_ms']:.3g} ms",
    )
    axis.grid(axis="y", alpha=0.3)
    axis.legend(fontsize=8)
    write_picture(figure, file)
