"""A screening whose rows are watched: when each came, and what it cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.screen.engines.answers import Answering, Row
from freezenet.edge_runtime.screen.engines.local import LocalEngine
from freezenet.edge_runtime.screen.inputs.source import named_source
from freezenet.edge_runtime.screen.job import Screening
from freezenet.edge_runtime.screen.manifest import Shard
from freezenet.edge_runtime.screen.settings import ScreenSettings


@dataclass(frozen=True)
class Run:
    """What one screening took.

    Args:
        workers: Processes that answered.
        images: Rows.
        seconds: From the begin to the last row on the disk.
        steady_seconds: From the first row to the last one.
        own_ms: Processor time of the process that lists and writes, for each image, from the first row to the last one: without the
            first listing and the last write.
        rows: What each image took, in milliseconds, as (fetch, decode, preprocess, invoke).
    """

    workers: int
    images: int
    seconds: float
    steady_seconds: float
    own_ms: float
    rows: list[tuple[float, float, float, float]]

    @property
    def rate(self) -> float:
        """Images a second, without the start."""
        return (self.images - 1) / self.steady_seconds


class _Watched(LocalEngine):
    """Notes when rows came, what they had cost this process by then, and what images took."""

    def rows(self, shards: Iterator[Shard]) -> Iterator[Row | None]:
        self.times: list[float] = []
        self.own: list[float] = []
        self.taken: list[tuple[float, float, float, float]] = []
        for row in super().rows(shards):
            if row is not None:
                self.times.append(time.perf_counter())
                self.own.append(time.process_time())
                stages = ("ms_fetch", "ms_decode", "ms_preprocess", "ms_invoke")
                if row.get("ms_invoke") is not None:
                    fetch, decode, preprocess, invoke = (float(row[stage]) for stage in stages)
                    self.taken.append((fetch, decode, preprocess, invoke))
            yield row


def screened(model: Path, source: object, out: Path, workers: int, shard: int = 1000) -> Run:
    """Screen an archive into a new folder and return what it took."""
    classifier = Classifier(model)
    started = time.perf_counter()
    screening = Screening(classifier, named_source(str(source)), out, ScreenSettings(shard=shard))
    engine = _Watched(Answering(classifier, contents=screening.folder.contents_index), workers)
    try:
        outcome = screening.run(engine, threading.Event())
    finally:
        screening.close()
    seconds, (times, own) = time.perf_counter() - started, (engine.times, engine.own)
    own_ms = 1e3 * (own[-1] - own[0]) / max(1, outcome.inputs - 1)
    return Run(workers, outcome.inputs, seconds, times[-1] - times[0], own_ms, engine.taken)
