"""Whether a file ends the process that reads it: tried in a process of its own.

A watcher that was killed while it read a file cannot know whether the file was to blame, or a power cut, or a person. So such a
file is first read by a child, whose end harms nobody and is seen.

    python -m freezenet.edge_runtime.watch.probe MODEL RUNTIME OVERLAY TRUST_TAGS < FILE
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from freezenet.edge_runtime.system.child import module_command

if TYPE_CHECKING:
    from freezenet.edge_runtime.classifier import Classifier

#: Seconds after which a reader counts as hanging; less than half of what the service's watchdog allows.
LONGEST_READING = 50.0


def survives(classifier: Classifier, content: bytes, overlay: bool) -> bool:
    """Return whether a process outlives answering for this content; an error that it reports is no end."""
    settings = (classifier.path, classifier.interpreter.runtime, int(overlay), int(classifier.trust_tags))
    return outlives(module_command(__name__, *map(str, settings)), content)


def outlives(arguments: list[str], content: bytes, seconds: float = LONGEST_READING) -> bool:
    """Return whether a process given `content` on stdin ends by itself in time, whatever its exit code."""
    try:
        done = subprocess.run(arguments, input=content, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode >= 0


if __name__ == "__main__":
    from freezenet.edge_runtime.classifier import Classifier

    with suppress(Exception):
        reader = Classifier(sys.argv[1], runtime=sys.argv[2], trust_tags=sys.argv[4] == "1")
        reader.predict(sys.stdin.buffer.read(), overlay=sys.argv[3] == "1")
