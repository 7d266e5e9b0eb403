"""The answer for one file that arrived, or the sentence for which it is rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freezenet.edge_runtime.errors import FreezenetError, one_line
from freezenet.edge_runtime.watch.arrivals import MAX_BYTES
from freezenet.edge_runtime.watch.probe import survives

if TYPE_CHECKING:
    from freezenet.edge_runtime.classifier import Classifier, Prediction
    from freezenet.edge_runtime.watch.arrivals import Arrival

#: Ends of the watcher at one file after which it is not tried again, even if a process of its own outlives it.
MAX_ATTEMPTS = 10


def examine(classifier: Classifier, arrival: Arrival, attempts: int, overlay: bool) -> Prediction:
    """Answer for a file during whose reading the watcher ended `attempts` times before.

    Raises FreezenetError, and nothing else that is an Exception, where the file is to blame.
    """
    if arrival.content is None:
        raise FreezenetError(
            f"A file of at most {MAX_BYTES >> 20} MB is required. Got: {arrival.size / (1 << 20):.0f} MB."
        )
    # The watcher's end may have been somebody else's doing; two more in processes of their own are not.
    deadly = attempts and not any(survives(classifier, arrival.content, overlay) for _ in range(2))
    if deadly or attempts >= MAX_ATTEMPTS:
        raise FreezenetError(
            "A file that can be read is required. Got: one with which the process ended "
            f"{'three' if deadly else 'ten'} times while reading this file; it is damaged, or needs more memory than this "
            "machine has."
        )
    try:
        return classifier.predict(arrival.content, overlay=overlay)
    except FreezenetError:
        raise
    except MemoryError:
        raise FreezenetError("A file for which the memory suffices is required. Got: one that needs more.") from None
    # Whatever a decoder trips over, one file must not stop the others.
    except Exception as error:
        reason = one_line(error)
        raise FreezenetError(
            f"A file that can be decoded is required. Got: {type(error).__name__}: {reason}."
        ) from error
