"""Classify many images with several workers, each with an interpreter of its own.

Decoding (OpenCV) and inference (the interpreter) let go of Python's global lock, so threads are enough: while one worker
decodes, another infers. Threads share the memory-mapped model, and start in milliseconds.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from freezenet.edge_runtime.classifier import Classifier, Prediction
from freezenet.edge_runtime.errors import FreezenetError, ModelError

if TYPE_CHECKING:
    from concurrent.futures import Future

#: Images of each worker that are taken before their answers are fetched: enough to get past a slow file.
_AHEAD = 4


def available_cores() -> int:
    """Return the number of CPU cores that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def predict_all(
    classifier: Classifier,
    images: Iterable[tuple[str, str | Path | bytes]],
    *,
    workers: int,
    overlay: bool = False,
    photo: bool = False,
) -> Generator[tuple[str, Prediction | FreezenetError], None, None]:
    """Yield (name, answer) for each (name, image), in their order; a file that cannot be used gives its error.

    Every other failure is raised in the place of the answer and ends the work, as closing the iterator does; an image in
    work is finished first.

    Args:
        classifier: Takes part as the first worker; the others load the same file with the same runtime and threads.
        images: An iterator of (name, image), read as far ahead as the workers need and no further, so that memory does not
            grow with the number of files.
        workers: Images answered at a time.
        overlay: See `Classifier.predict`.
        photo: See `Classifier.predict`.
    """
    answer = partial(_answer, overlay=overlay, photo=photo)
    if workers == 1:
        yield from ((name, answer(classifier, image)) for name, image in images)
    else:
        yield from _with_workers(classifier, images, workers, answer)


def _with_workers(
    classifier: Classifier,
    images: Iterable[tuple[str, str | Path | bytes]],
    workers: int,
    answer: Callable[[Classifier, str | Path | bytes], Prediction | FreezenetError],
) -> Generator[tuple[str, Prediction | FreezenetError], None, None]:
    # Imported here because it takes as long to import as an image to be answered.
    from concurrent.futures import ThreadPoolExecutor

    import cv2

    idle = deque([classifier])

    def work(image: str | Path | bytes) -> Prediction | FreezenetError:
        try:
            own = idle.pop()
        except IndexError:
            own = classifier.another()
        try:
            return answer(own, image)
        finally:
            idle.append(own)

    opencv_threads = cv2.getNumThreads()
    # The workers are the threads: OpenCV's own would only get in their way.
    cv2.setNumThreads(1)
    pool = ThreadPoolExecutor(workers)
    waiting: deque[tuple[str, Future[Prediction | FreezenetError]]] = deque()
    try:
        for name, image in images:
            waiting.append((name, pool.submit(work, image)))
            while waiting and (len(waiting) == _AHEAD * workers or waiting[0][1].done()):
                first, given = waiting.popleft()
                yield first, given.result()
        while waiting:
            first, given = waiting.popleft()
            yield first, given.result()
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(opencv_threads)


def _answer(
    classifier: Classifier, image: str | Path | bytes, overlay: bool, photo: bool
) -> Prediction | FreezenetError:
    try:
        return classifier.predict(image, overlay=overlay, photo=photo)
    except ModelError:  # the fault of no image
        raise
    except FreezenetError as error:
        return error
