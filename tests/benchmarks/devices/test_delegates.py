from __future__ import annotations

import pytest

from freezenet.benchmarks.devices.delegates import delegated
from freezenet.benchmarks.devices.warmup import warm_up


def node(name, inputs, outputs):
    return {"op_name": name, "inputs": inputs, "outputs": outputs}


# 0 -> A -> 1 -> B -> 2 -> C -> 3 -> D -> 4; tensors 10 to 13 are weights.
CHAIN = [node("A", [0, 10], [1]), node("B", [1, 11], [2]), node("C", [2, 12], [3]), node("D", [3, 13], [4])]


@pytest.mark.parametrize(
    ("parts", "count", "left"),
    [
        ([], 0, {"A": 1, "B": 1, "C": 1, "D": 1}),
        ([node("DELEGATE", [0, 10, 11, 12, 13], [4])], 4, {}),
        ([node("DELEGATE", [1, 11, 12], [3])], 2, {"A": 1, "D": 1}),
        ([node("DELEGATE", [0, 10], [1]), node("Delegate/XNNPACK", [3, 13], [4])], 2, {"B": 1, "C": 1}),
    ],
)
def test_what_lies_between_a_part_s_borders_is_its(parts, count, left):
    found = delegated([*CHAIN, *parts])
    assert (found["delegated"], found["left"]) == (count, left)


def test_a_part_with_two_outputs():
    branch = [*CHAIN, node("E", [2], [5])]
    found = delegated([*branch, node("DELEGATE", [0, 10, 11], [1, 2]), node("DELEGATE", [2], [5])])
    assert (found["nodes"], found["delegated"], found["partitions"]) == (5, 3, 2)


def test_warm_when_three_blocks_agree():
    times = iter([9.0] * 10 + [5.0] * 10 + [1.0, 1.01] * 100)
    found = warm_up(lambda: next(times))
    assert found.stable and len(found.times) == 50


def test_never_warm_has_an_end():
    times = iter(1.0 * 1.05**number for number in range(1000))
    found = warm_up(lambda: next(times))
    assert not found.stable and len(found.times) <= 200
    slow = warm_up(lambda: 4000.0)
    assert not slow.stable and len(slow.times) == 2
