"""The answer for one file that arrived, or the sentence for which it is rejected.

A watcher that was killed while it read a file cannot know whether the file was to blame, or a power cut, or a person. So such a
file is first read by a child, whose end harms nobody and is seen.

    python -m freezenet.edge_runtime.watch.examine NAME RUNTIME OVERLAY TRUST_TAGS < MODEL-SIZE MODEL FILE

The child is given the bytes of the model that answers here, whatever lies under its name by now.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from freezenet.edge_runtime.errors import DataError, FreezenetError, one_line
from freezenet.edge_runtime.images.limits import MAX_BYTES
from freezenet.edge_runtime.system.child import module_command

if TYPE_CHECKING:
    from freezenet.edge_runtime.classifier import Classifier, Prediction
    from freezenet.edge_runtime.watch.arrivals import Arrival

#: Ends of the watcher at one file after which it is not tried again, even if a process of its own outlives it.
MAX_ATTEMPTS = 10
#: Seconds after which a reader counts as hanging; less than half of what the service's watchdog allows.
LONGEST_READING = 50.0
_SIZE_BYTES = 8


def examine(classifier: Classifier, arrival: Arrival, attempts: int, overlay: bool) -> Prediction:
    """Answer for a file.

    Args:
        classifier: Answers.
        arrival: The file, read.
        attempts: How often the watcher ended while it read the file.
        overlay: Also lay the class activation map over the image.

    Raises:
        FreezenetError: The file is to blame; nothing else that is an Exception is raised.
    """
    if arrival.content is None:
        raise DataError(f"A file of at most {MAX_BYTES >> 20} MB is required. Got: {arrival.size / (1 << 20):.0f} MB.")
    # The watcher's end may have been somebody else's doing; two more in processes of their own are not.
    deadly = attempts and not any(survives(classifier, arrival.content, overlay) for _ in range(2))
    if deadly or attempts >= MAX_ATTEMPTS:
        raise DataError(
            "A file that can be read is required. Got: one with which the process ended "
            f"{'three' if deadly else 'ten'} times while reading this file; it is damaged, or needs more memory than this "
            "machine has."
        )
    try:
        return classifier.predict(arrival.content, overlay=overlay)
    except FreezenetError:
        raise
    except MemoryError:
        raise DataError("A file for which the memory suffices is required. Got: one that needs more.") from None
    # Whatever a decoder trips over, one file must not stop the others.
    except Exception as error:
        reason = one_line(error)
        raise DataError(f"A file that can be decoded is required. Got: {type(error).__name__}: {reason}.") from error


def survives(classifier: Classifier, content: bytes, overlay: bool) -> bool:
    """Return whether a process outlives answering for this content; an error that it reports is no end."""
    settings = (classifier.path, classifier.interpreter.runtime, int(overlay), int(classifier.trust_tags))
    command = module_command("freezenet.edge_runtime.watch.examine", *map(str, settings))
    model = classifier.file.content
    return outlives(command, len(model).to_bytes(_SIZE_BYTES, "little") + model + content)


def outlives(arguments: list[str], content: bytes, seconds: float = LONGEST_READING) -> bool:
    """Return whether a process given `content` on stdin ends by itself in time, whatever its exit code."""
    try:
        done = subprocess.run(arguments, input=content, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode >= 0


if __name__ == "__main__":
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.edge_runtime.integrity.model_file import ModelFile

    with suppress(Exception):
        size = int.from_bytes(sys.stdin.buffer.read(_SIZE_BYTES), "little")
        model = ModelFile(Path(sys.argv[1]), sys.stdin.buffer.read(size), proven=True)
        reader = Classifier(model, runtime=sys.argv[2], trust_tags=sys.argv[4] == "1")
        reader.predict(sys.stdin.buffer.read(), overlay=sys.argv[3] == "1")
