"""What the library logs, shown to a person on stderr while a command runs."""

from __future__ import annotations

import contextlib
import logging
import sys


def printable(text: str) -> str:
    """Return a text as one line that any terminal and log can hold.

    What is not printable becomes an escape, such as \\x1b: line breaks, which would forge another line; control sequences;
    marks that turn the direction of writing; bytes of a file name that are no text.
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


class _Talk(logging.Handler):
    """Writes each message as a line to the stderr of the moment, which a test or a notebook may have replaced."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; a stderr that went away ends nothing."""
        with contextlib.suppress(OSError, ValueError):
            print("\n".join(map(printable, self.format(record).split("\n"))), file=sys.stderr, flush=True)


_TALK = _Talk()


def show_talk() -> None:
    """Show what is logged under `freezenet` and `studies` on stderr, from the level INFO on; for a command line to call.

    A program that imports the library decides for itself: without this call the standard library shows warnings only.
    """
    for name in ("freezenet", "studies"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        # TensorFlow and others give the root logger a handler of their own, which would say everything once more.
        logger.propagate = False
        if _TALK not in logger.handlers:
            logger.addHandler(_TALK)
