"""The mixed-precision file: integers, but for the few operators whose integers cost too much.

The idea is that of the accuracy control of NNCF (`nncf.quantize_with_accuracy_control`; OpenVINO documentation,
"Quantizing with Accuracy Control"): rank by harm, then give back float arithmetic until the accuracy is met.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from freezenet.convert.float.flatbuffer import read_tree
from freezenet.convert.float.operators import read_operators
from freezenet.convert.ptq.integer import to_integer
from freezenet.convert.ptq.ranges import Ranges
from freezenet.edge_runtime.errors import SettingError


def mixed_precision(
    model: bytes, ranges: Ranges, worst_first: Sequence[str], passes: Callable[[bytes], bool]
) -> tuple[bytes, tuple[str, ...]]:
    """Return a file that passes with the fewest outputs kept as floats, and the names of its float operators' outputs.

    model, ranges: as for `freezenet.convert.ptq.integer.to_integer`. worst_first: names of operators' output tensors by falling harm
    (`freezenet.convert.ptq.sensitivity.Sensitivity.worst_first`). passes: the gate that a file must pass, called about
    2 log2(number of names) times.
    The first k names are kept as floats for k = 0, 1, 2, 4, ... until a file passes, then the last step is bisected;
    so the answer is the least k where more floats never hurt, and always a file that passed. Where none does, it is
    the last, with all names, for the caller's gate to refuse.
    Raises SettingError where a name is not that of an operator's output.
    """

    def attempt(count: int) -> tuple[bytes, tuple[str, ...], bool]:
        floats = around(model, worst_first[:count])
        content = to_integer(model, ranges, floats)
        return content, floats, passes(content)

    failed, count = -1, 0
    content, floats, passed = attempt(count)
    while not passed and count < len(worst_first):
        failed, count = count, min(max(1, 2 * count), len(worst_first))
        content, floats, passed = attempt(count)
    while passed and count - failed > 1:
        middle = (failed + count) // 2
        smaller = attempt(middle)
        if smaller[-1]:
            count, (content, floats, _) = middle, smaller
        else:
            failed = middle
    return content, floats


def around(model: bytes, tensors: Collection[str]) -> tuple[str, ...]:
    """Return the outputs' names of the operators that must be float for these tensors to be floats, in order of execution.

    They are the operator that writes a tensor and all that read it: an operator of integers on either side would
    round it to the same 8 bits again.
    Raises SettingError where a tensor is not an operator's output.
    """
    (graph,) = read_tree(model).subgraphs
    outputs = {operator.tensor: operator.name for operator in read_operators(model)}
    unknown = set(tensors) - set(outputs.values())
    if unknown:
        raise SettingError(
            f"Names of operators' output tensors are required. Got: {', '.join(sorted(unknown))}; take them from "
            "freezenet.convert.float.operators.read_operators."
        )
    wanted = {index for index, name in outputs.items() if name in tensors}
    found = [op for op in graph.operators if not wanted.isdisjoint([*op.inputs, *op.outputs])]
    return tuple(outputs[index] for op in found for index in op.outputs)
