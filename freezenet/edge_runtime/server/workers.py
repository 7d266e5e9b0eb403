"""The workers: threads with one classifier each, behind a queue that refuses instead of growing."""

from __future__ import annotations

import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING

import cv2
import numpy as np

from freezenet.edge_runtime.classifier import Classifier, Prediction
from freezenet.edge_runtime.images.header import image_size
from freezenet.edge_runtime.images.overlay import fit
from freezenet.edge_runtime.integrity.trace import Tracer
from freezenet.edge_runtime.server.errors import BusyError, RequestError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Longest side of the picture for a browser in pixels.
PREVIEW_SIDE = 640
_PREVIEW_QUALITY = 88
#: How much the newest answer counts in the mean service time.
_NEWEST = 0.1


@dataclass(frozen=True)
class Answer:
    """What a worker made of one image.

    Args:
        prediction: The answer.
        preview: The gray values that were read, as the bytes of a JPEG file; None where none was asked for.
        waited_ms: Milliseconds from the arrival in the queue to its turn.
    """

    prediction: Prediction
    preview: bytes | None
    waited_ms: float


class Workers:
    """Threads that classify; one classifier, and so one interpreter, for each.

    Args:
        classifier: That of the first worker; the others are made like it.
        count: Threads that answer at the same time.
        queue: Images that may wait beyond those.
        max_pixels: Largest image, checked before it is decoded.
    """

    def __init__(self, classifier: Classifier, count: int, *, queue: int, max_pixels: int) -> None:
        """Load the classifiers; `warm_up` makes them quick."""
        self.count = count
        self.capacity = count + queue
        self.max_pixels = max_pixels
        self._classifiers = [classifier, *(classifier.another() for _ in range(count - 1))]
        self._idle: SimpleQueue[Classifier] = SimpleQueue()
        for classifier in self._classifiers:
            self._idle.put(classifier)
        self.card = self._classifiers[0].card
        self.identity = self._classifiers[0].identity
        self.trace = Tracer(self._classifiers[0], "serve")
        self.has_cam = self._classifiers[0].has_cam
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="freezenet-worker")
        self._lock = Lock()
        self._accepted = 0
        self._service_seconds = 0.1
        self.ready = False

    @property
    def waiting(self) -> int:
        """Number of images in the queue."""
        return max(0, self._accepted - self.count)

    @property
    def in_flight(self) -> int:
        """Number of images being classified."""
        return min(self._accepted, self.count)

    def retry_after(self) -> int:
        """Return whole seconds until the work accepted so far is done, at the speed measured, at least 1."""
        return max(1, math.ceil(self._accepted * self._service_seconds / self.count))

    def warm_up(self) -> None:
        """Run one inference on each classifier: the first is slow, and a model that cannot answer shows it here."""
        rows, columns = self.card.preprocess.size
        image = np.add.outer(np.arange(2 * rows), np.arange(2 * columns)).astype(np.uint8)
        encoded = cv2.imencode(".jpg", image)[1].tobytes()
        for classifier in self._classifiers:
            started = time.perf_counter()
            classifier.predict(encoded, overlay=self.has_cam)
            self._service_seconds = time.perf_counter() - started
        self.ready = True

    def submit(self, image: bytes, overlay: bool = False, preview: bool = False) -> Future[Answer]:
        """Queue the bytes of an image file; BusyError where the queue is full or the workers are not warm yet.

        The future raises FreezenetError for an image that cannot be used; one that still waits can be cancelled.
        """
        if not self.ready:
            raise BusyError("A server that is warm is required. Got: one that just started; ask again.", 1)
        with self._lock:
            if self._accepted >= self.capacity:
                raise BusyError(
                    f"A free place in the queue is required. Got: {self._accepted} images at work or waiting; ask again.",
                    self.retry_after(),
                )
            self._accepted += 1
        try:
            future = self._executor.submit(self._answer, image, overlay, preview, time.perf_counter())
        except RuntimeError:  # the executor was shut down
            self._leave()
            raise BusyError("A running server is required. Got: one that is being stopped; ask again.", 1) from None
        future.add_done_callback(lambda _: self._leave())
        return future

    def stop(self) -> None:
        """Let the images at work be finished and drop those that wait."""
        self.ready = False
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _leave(self) -> None:
        with self._lock:
            self._accepted -= 1

    def _answer(self, image: bytes, overlay: bool, preview: bool, queued: float) -> Answer:
        started = time.perf_counter()
        classifier = self._idle.get()
        try:
            size = image_size(image)
            if size is not None and size[0] * size[1] > self.max_pixels:
                raise RequestError(
                    413,
                    f"An image of at most {self.max_pixels / 1e6:g} megapixels is required. Got: {size[0]} x {size[1]}; "
                    "scale it down first.",
                )
            prediction = classifier.predict(image, overlay=overlay)
            picture = preview_jpeg(classifier.card.preprocess.decode(image, classifier.trust_tags)) if preview else None
            return Answer(prediction, picture, (started - queued) * 1e3)
        finally:
            self._idle.put(classifier)
            seconds = time.perf_counter() - started
            self._service_seconds += _NEWEST * (seconds - self._service_seconds)


def preview_jpeg(gray: NDArray[np.uint8]) -> bytes:
    """Return gray values (h, w) uint8 as the bytes of a JPEG file whose longest side is at most PREVIEW_SIDE."""
    quality = (int(cv2.IMWRITE_JPEG_QUALITY), _PREVIEW_QUALITY)
    return cv2.imencode(".jpg", fit(gray, PREVIEW_SIDE), quality)[1].tobytes()
