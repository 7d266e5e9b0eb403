"""A screening on paper: images go through a link, processes and one writer, each of which does one thing at a time.

An image is fetched (latency of the store, then its bytes through a link that all share), then decoded and answered by the process that is free
first, then taken by the writer, which also writes a shard when it is full. Each process fetches at most FETCHERS images at a time and AHEAD
images ahead. Where processes and writer together want more cores than there are, all of them are slower by that.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

from freezenet.edge_runtime.screen.engines.reader import AHEAD
from freezenet.edge_runtime.screen.inputs.remote import FETCHERS

#: Images that are simulated of a larger archive; the rest is as many times as long.
_SIMULATED = 40_000


@dataclass(frozen=True)
class Machine:
    """What images go through.

    Args:
        cores: Of all machines, and processes that answer.
        answer_ms: What an image takes of a core, in an order that is repeated.
        own_ms: What an image takes of the writer: to list, to receive, to settle, to write.
        start_s: Until the first image can be answered.
        bytes_per_image: Of a file.
        bytes_per_second: Of the link; None: local files, whose time is in `answer_ms`.
        latency_ms: Of the store.
        workers: Processes; None: one for each core.
    """

    cores: int
    answer_ms: Sequence[float]
    own_ms: float
    start_s: float = 0.0
    bytes_per_image: float = 0.0
    bytes_per_second: float | None = None
    latency_ms: float = 0.0
    workers: int | None = None

    @property
    def processes(self) -> int:
        """How many answer."""
        return self.workers or self.cores

    @property
    def mean_ms(self) -> float:
        """What an image takes of a core on average."""
        return sum(self.answer_ms) / len(self.answer_ms)

    @property
    def limits(self) -> dict[str, float]:
        """Images a second that each part could stand alone."""
        answering = min(1e3 * self.processes / self.mean_ms, 1e3 * self.cores / (self.mean_ms + self.own_ms))
        found = {"cores": answering, "writer": 1e3 / self.own_ms}
        if self.bytes_per_second is not None:
            one = self.latency_ms / 1e3 + self.bytes_per_image / self.bytes_per_second
            found |= {"link": self.bytes_per_second / self.bytes_per_image, "fetches": FETCHERS * self.processes / one}
        return found

    @property
    def saturated(self) -> str:
        """What stands in the way of more."""
        return min(self.limits, key=self.limits.__getitem__)


def seconds(machine: Machine, images: int) -> float:
    """Return what a screening of so many images takes."""
    if images > _SIMULATED:
        # The middle of a run is as the middle of any.
        half, whole = (_simulated(machine, count) for count in (_SIMULATED // 2, _SIMULATED))
        return machine.start_s + whole + (images - _SIMULATED) * (whole - half) / (_SIMULATED - _SIMULATED // 2)
    return machine.start_s + _simulated(machine, images)


def _simulated(machine: Machine, images: int) -> float:
    machine = replace(machine, answer_ms=[_slowed(machine) * one for one in machine.answer_ms])
    free = [0.0] * machine.processes
    heapq.heapify(free)
    answered: list[float] = []
    fetched: list[float] = []
    link = writer = 0.0
    for number in range(images):
        arrival = 0.0
        if machine.bytes_per_second is not None:
            ahead = number - AHEAD * machine.processes
            busy = number - FETCHERS * machine.processes
            asked = max(answered[ahead] if ahead >= 0 else 0.0, fetched[busy] if busy >= 0 else 0.0)
            link = max(link, asked + machine.latency_ms / 1e3) + machine.bytes_per_image / machine.bytes_per_second
            arrival = link
            fetched.append(arrival)
        done = max(heapq.heappop(free), arrival) + machine.answer_ms[number % len(machine.answer_ms)] / 1e3
        heapq.heappush(free, done)
        answered.append(done)
        writer = max(writer, done) + machine.own_ms / 1e3
    return writer


def _slowed(machine: Machine) -> float:
    """Return how many times as long an image takes because the writer needs a part of a core."""
    rate = machine.limits["cores"]
    return max(1.0, 1e3 * machine.processes / rate / machine.mean_ms)
