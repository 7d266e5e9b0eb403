"""Figures of a running server in Prometheus' text format, in a registry of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

if TYPE_CHECKING:
    from freezenet.edge_runtime.server.intake import Intake
    from freezenet.edge_runtime.server.workers import Answer, Workers

#: Upper limits of the histograms in seconds: one inference takes milliseconds, a large file on a small board seconds.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """What is counted, and what is read off workers and intake when somebody asks."""

    def __init__(self, workers: Workers, intake: Intake) -> None:
        """Register everything, so that each figure exists from the start."""
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "freezenet_requests", "Requests answered.", ("method", "path", "status"), registry=registry
        )
        self.request_seconds = Histogram(
            "freezenet_request_seconds", "From the request's head to the end of the answer.", ("path",),
            buckets=_BUCKETS, registry=registry,
        )  # fmt: skip
        self._stages = Histogram(
            "freezenet_stage_seconds", "Time of an answer by stage: queue, decode, preprocess, invoke, overlay.",
            ("stage",), buckets=_BUCKETS, registry=registry,
        )  # fmt: skip
        self._answers = Counter("freezenet_answers", "Images given a label, by class.", ("label",), registry=registry)
        self._abstentions = Counter(
            "freezenet_abstentions", "Images given no label, by reason.", ("reason",), registry=registry
        )
        self.store_failures = Counter(
            "freezenet_store_failures", "Images that could not be kept in the folder of --store.", registry=registry
        )
        for name, text, read in (
            ("queue_length", "Images that wait for a worker.", lambda: workers.waiting),
            ("in_flight", "Images being classified.", lambda: workers.in_flight),
            ("held_bytes", "Bytes of request bodies in memory.", lambda: intake.held_bytes),
            ("workers", "Images that can be classified at the same time.", lambda: workers.count),
            ("stuck_workers", "Workers that have been at one image for 20 seconds.", lambda: workers.stuck),
            ("ready", "1 after the warm-up, while not all workers are stuck, else 0.", lambda: workers.ready),
        ):
            Gauge(f"freezenet_{name}", text, registry=registry).set_function(read)
        Info("freezenet_model", "The model that answers.", registry=registry).info(
            {**workers.identity, "variant": workers.card.variant}
        )
        for stage in ("queue", "decode", "preprocess", "invoke"):
            self._stages.labels(stage)
        for label in workers.card.labels:
            self._answers.labels(label)
        self._labels = frozenset(workers.card.labels)

    def count_answer(self, answer: Answer) -> None:
        """Count one image that was classified."""
        prediction = answer.prediction
        for stage, milliseconds in {"queue": answer.waited_ms, **prediction.timings_ms}.items():
            self._stages.labels(stage).observe(milliseconds / 1e3)
        if prediction.label is None:
            self._abstentions.labels(prediction.reason).inc()
            return
        # A multi-label answer joins its classes by ";", or is "" where it names none.
        whole = prediction.label in self._labels
        for label in [prediction.label] if whole else prediction.label.split(";"):
            self._answers.labels(label or "none").inc()

    def text(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self.registry)
