"""The workers: threads with one classifier each, behind a queue that refuses instead of growing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING

import cv2
import numpy as np

from freezenet.edge_runtime.classifier import Classifier, Prediction
from freezenet.edge_runtime.images.bounds.apart import Apart, Ended
from freezenet.edge_runtime.images.bounds.cost import Cost, HeavyImage
from freezenet.edge_runtime.images.bounds.memory import MEMORY
from freezenet.edge_runtime.images.header import image_size
from freezenet.edge_runtime.images.overlay import fit
from freezenet.edge_runtime.images.reader import read_here
from freezenet.edge_runtime.integrity.trace import Tracer
from freezenet.edge_runtime.server.errors import BusyError, RequestError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Longest side of the picture for a browser in pixels.
PREVIEW_SIDE = 640
_PREVIEW_QUALITY = 88
#: How much the newest answer counts in the mean service time.
_NEWEST = 0.1
#: Seconds after which a worker counts as stuck: the bounds of what a thread decodes are far below.
STUCK_SECONDS = 20.0
#: Seconds that images at work get to be finished at the stop, when nobody waits for them any more.
STOP_SECONDS = 2.0


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


class Work(Future[Answer]):
    """The answer for one image that is on its way.

    Args:
        image: The bytes of the file.
        overlay: Also draw the class activation map.
        preview: Also make the picture for a browser.
    """

    def __init__(self, image: bytes, overlay: bool, preview: bool) -> None:
        """It waits from now on."""
        super().__init__()
        self.image, self.overlay, self.preview = image, overlay, preview
        self.queued = time.perf_counter()
        #: Set where nobody waits any more; what was not begun is then not done.
        self.is_abandoned = False


class _Lane:
    """Threads and a queue of limited length.

    Args:
        name: Of the threads.
        count: Threads.
        queue: Works that may wait.
    """

    def __init__(self, name: str, count: int, queue: int) -> None:
        self.count, self.capacity = count, count + queue
        self.service_seconds = 0.1
        self.begun: dict[Work, float] = {}
        self.accepted = 0
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._lock = Lock()

    def retry_after(self) -> int:
        return max(1, math.ceil(self.accepted * self.service_seconds / self.count))

    def submit(self, run: Callable[[Work], object], work: Work) -> None:
        """Queue a work; BusyError where there is no place, or the threads were stopped."""
        with self._lock:
            if self.accepted >= self.capacity:
                raise BusyError(
                    f"A free place in the queue is required. Got: {self.accepted} images at work or waiting; ask again.",
                    self.retry_after(),
                )
            self.accepted += 1
        try:
            future = self._executor.submit(self._run, run, work)
        except RuntimeError:  # the executor was shut down
            self._leave()
            raise BusyError("A running server is required. Got: one that is being stopped; ask again.", 1) from None
        # The place of one that is cancelled while it waits is free at once.
        work.add_done_callback(lambda _: future.cancel())
        future.add_done_callback(lambda _: self._leave())

    def stop(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _run(self, run: Callable[[Work], object], work: Work) -> None:
        started = time.perf_counter()
        self.begun[work] = time.monotonic()
        try:
            run(work)
        finally:
            del self.begun[work]
            seconds = time.perf_counter() - started
            self.service_seconds += _NEWEST * (seconds - self.service_seconds)

    def _leave(self) -> None:
        with self._lock:
            self.accepted -= 1


class Workers:
    """Threads that classify; one classifier, and so one interpreter, for each.

    An image that could keep a thread for long is decoded by a process that can be ended, for which threads of their own wait:
    such images do not keep others waiting.

    Args:
        classifier: That of the first worker; the others are made like it.
        count: Threads that answer at the same time, and processes at most.
        queue: Images that may wait beyond those; as many again of those for a process.
        max_pixels: Largest image, checked before it is decoded.
    """

    def __init__(self, classifier: Classifier, count: int, *, queue: int, max_pixels: int) -> None:
        """Load the classifiers; `warm_up` makes them quick."""
        self.count = count
        self.max_pixels = max_pixels
        self._classifiers = [classifier, *(classifier.another() for _ in range(count - 1))]
        self._idle: SimpleQueue[Classifier] = SimpleQueue()
        for classifier in self._classifiers:
            self._idle.put(classifier)
        self.card = self._classifiers[0].card
        self.identity = self._classifiers[0].identity
        self.trace = Tracer(self._classifiers[0], "serve")
        self.has_cam = self._classifiers[0].has_cam
        self._lane = _Lane("freezenet-worker", count, queue)
        self._heavy = _Lane("freezenet-heavy", count, queue)
        self._works: set[Work] = set()
        self._apart = Apart(count)
        self._is_warm = False

    @property
    def waiting(self) -> int:
        """Number of images in the queues."""
        return sum(max(0, lane.accepted - lane.count) for lane in (self._lane, self._heavy))

    @property
    def in_flight(self) -> int:
        """Number of images being classified."""
        return sum(min(lane.accepted, lane.count) for lane in (self._lane, self._heavy))

    @property
    def stuck(self) -> int:
        """Number of workers that have been at one image for longer than STUCK_SECONDS; processes have their own limit."""
        late = time.monotonic() - STUCK_SECONDS
        return sum(since < late for since in list(self._lane.begun.values()))

    @property
    def ready(self) -> bool:
        """Whether images are taken: after the warm-up, before the stop, and while not all workers are stuck."""
        return self._is_warm and self.stuck < self.count

    def retry_after(self) -> int:
        """Return whole seconds until the work accepted so far is done, at the speed measured, at least 1."""
        return self._lane.retry_after()

    def warm_up(self) -> None:
        """Run one inference on each classifier: the first is slow, and a model that cannot answer shows it here."""
        rows, columns = self.card.preprocess.size
        image = np.add.outer(np.arange(2 * rows), np.arange(2 * columns)).astype(np.uint8)
        encoded = cv2.imencode(".jpg", image)[1].tobytes()
        for classifier in self._classifiers:
            started = time.perf_counter()
            classifier.predict(encoded, overlay=self.has_cam)
            self._lane.service_seconds = self._heavy.service_seconds = time.perf_counter() - started
        self._is_warm = True

    def submit(self, image: bytes, overlay: bool = False, preview: bool = False) -> Work:
        """Queue the bytes of an image file; BusyError where the queue is full or the workers are not ready.

        The future raises FreezenetError for an image that cannot be used; one that still waits can be cancelled.
        """
        if not self._is_warm:
            raise BusyError("A server that is warm is required. Got: one that just started; ask again.", 1)
        work = Work(image, overlay, preview)
        self._lane.submit(self._begin, work)
        self._works.add(work)
        work.add_done_callback(self._works.discard)
        return work

    def stop(self, seconds: float = STOP_SECONDS) -> bool:
        """Drop the images that wait, let those at work be finished for so long, end what is left; return whether all ended."""
        self._is_warm = False
        for lane in (self._lane, self._heavy):
            lane.stop()
        for work in list(self._works):
            work.cancel()
        end = time.monotonic() + seconds
        while self.in_flight and time.monotonic() < end:
            time.sleep(0.01)
        self.kill()
        return not self.in_flight

    def kill(self) -> None:
        """End the processes, with whatever they decode."""
        self._apart.end()

    def _begin(self, work: Work) -> None:
        if work.set_running_or_notify_cancel():
            try:
                work.set_result(self._answer(work))
            except HeavyImage as heavy:
                self._hand_over(work, heavy.cost)
            except BaseException as error:
                work.set_exception(error)

    def _hand_over(self, work: Work, cost: Cost) -> None:
        """Give an image to the threads that wait for a process; this one is free for the next image."""
        try:
            self._heavy.submit(lambda work: self._finish_heavy(work, cost), work)
        except BusyError as error:
            work.set_exception(error)

    def _finish_heavy(self, work: Work, cost: Cost) -> None:
        try:
            if work.is_abandoned:
                raise RequestError(499, "A client that waits is required. Got: one that went away.")
            work.set_result(self._heavy_answer(work, cost))
        except Ended:
            work.set_exception(BusyError("A running server is required. Got: one that is being stopped; ask again.", 1))
        except BaseException as error:
            work.set_exception(error)

    def _answer(self, work: Work) -> Answer:
        started = time.perf_counter()
        size = image_size(work.image)
        if size is not None and size[0] * size[1] > self.max_pixels:
            raise RequestError(
                413,
                f"An image of at most {self.max_pixels / 1e6:g} megapixels is required. Got: {size[0]} x {size[1]}; "
                "scale it down first.",
            )
        gray = read_here(work.image, self.card.preprocess.size, trust_tags=self._classifiers[0].trust_tags)
        return self._classified(work, gray, started)

    def _heavy_answer(self, work: Work, cost: Cost) -> Answer:
        # The memory is held until the gray values are not needed any more.
        with MEMORY.room(cost.memory):
            started = time.perf_counter()
            gray = self._apart.gray(
                work.image, cost, self.card.preprocess.size, trust_tags=self._classifiers[0].trust_tags
            )
            return self._classified(work, gray, started)

    def _classified(self, work: Work, gray: NDArray[np.uint8], started: float) -> Answer:
        """Return the answer for gray values whose decoding started then."""
        decode_ms = (time.perf_counter() - started) * 1e3
        classifier = self._idle.get()
        try:
            prediction = classifier.predict(gray, overlay=work.overlay)
        finally:
            self._idle.put(classifier)
        picture = preview_jpeg(gray) if work.preview else None
        timings = {**prediction.timings_ms, "decode": prediction.timings_ms["decode"] + decode_ms}
        return Answer(replace(prediction, timings_ms=timings), picture, (started - work.queued) * 1e3)


def preview_jpeg(gray: NDArray[np.uint8]) -> bytes:
    """Return gray values (h, w) uint8 as the bytes of a JPEG file whose longest side is at most PREVIEW_SIDE."""
    quality = (int(cv2.IMWRITE_JPEG_QUALITY), _PREVIEW_QUALITY)
    return cv2.imencode(".jpg", fit(gray, PREVIEW_SIDE), quality)[1].tobytes()
