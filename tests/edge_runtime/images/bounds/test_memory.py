"""One budget for all images: in turn, never more than there is, and nothing is kept by a failure."""

from __future__ import annotations

import threading
import time

import pytest

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.bounds import memory
from freezenet.edge_runtime.images.bounds.cost import Cost, HeavyImage
from freezenet.edge_runtime.images.bounds.memory import MEMORY, THREAD_BYTES, THREAD_SECONDS, Memory, Place, room


def test_no_more_is_taken_than_there_is_and_all_is_given_back():
    budget, highest, lock, inside = Memory(100), [], threading.Lock(), [0]

    def take(count: int) -> None:
        for _ in range(20):
            with budget.room(count):
                with lock:
                    inside[0] += count
                    highest.append(inside[0])
                time.sleep(0.0005)
                with lock:
                    inside[0] -= count

    threads = [threading.Thread(target=take, args=(count,)) for count in (60, 50, 40, 30, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert max(highest) <= 100 and len(highest) == 100
    assert budget.taken == 0


def test_a_large_image_is_not_overtaken_for_ever():
    budget, order = Memory(100), []

    def take(name: str, count: int) -> None:
        with budget.room(count):
            order.append(name)

    with budget.room(50):
        large = threading.Thread(target=take, args=("large", 100))
        large.start()
        while not budget._waiting:
            time.sleep(0.001)
        small = threading.Thread(target=take, args=("small", 1))
        small.start()
        time.sleep(0.05)
        assert order == []
    large.join(10)
    small.join(10)
    assert order == ["large", "small"]


def test_what_can_never_be_had_is_refused():
    with pytest.raises(DataError, match=r"448 MiB of memory is required\. Got: one that may take 449 MiB"):
        MEMORY.check(449 << 20)
    with pytest.raises(DataError), Memory(10).room(11):
        pass


def test_a_failure_gives_its_memory_back():
    budget = Memory(10)
    with pytest.raises(KeyError), budget.room(10):
        raise KeyError
    assert budget.taken == 0


@pytest.mark.parametrize("cost", [Cost(THREAD_SECONDS * 1.01, 0), Cost(0, THREAD_BYTES + 1), Cost(float("inf"), 0)])
def test_a_thread_hands_over_what_is_dear_and_a_process_does_not(cost, monkeypatch):
    with pytest.raises(HeavyImage) as raised, room(cost):
        pytest.fail("it was decoded")
    assert raised.value.cost == cost
    monkeypatch.setattr(Place, "can_be_ended", True)
    with room(cost):
        assert MEMORY.taken == 0


def test_a_thread_takes_memory_for_what_it_decodes(monkeypatch):
    monkeypatch.setattr(memory, "THREADS", Memory(4 << 20))
    # Ordinary images do not wait for the memory of large ones.
    with MEMORY.room(MEMORY.total), room(Cost(0.1, 2 << 20)):
        assert memory.THREADS.taken == 2 << 20
    assert memory.THREADS.taken == 0
