"""The failures that a user is told about in one sentence."""

from __future__ import annotations


class FreezenetError(Exception):
    """A failure whose message is one sentence: what is required, what came, what to do.

    The command line prints the message and exits with `exit_code`; no traceback is shown.
    """

    exit_code = 1


class RefusedError(FreezenetError):
    """A gate looked at a model and refused it; the message holds the figures and the likely cause."""

    exit_code = 3


def one_line(said: object, most: int = 300) -> str:
    """Return what a library said as one line of at most `most` characters, for the inside of a sentence."""
    return " ".join(str(said).split())[:most].rstrip(". ")
