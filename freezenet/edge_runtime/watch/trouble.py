"""A folder that cannot be used just now: a full disk, a network drive that went away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.files import OF_ONE_NAME

#: Seconds before the first and, doubling, at most before every further try.
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0


class FolderTrouble(FreezenetError):
    """The inbox or the outbox cannot be used; it may come back, and nothing is lost until then."""


@contextmanager
def trouble_at(what: str, folder: Path) -> Iterator[None]:
    """Turn what the file system says inside the block into a FolderTrouble that names the folder, never a file in it.

    What it says about one name alone stays an OSError, so that this file holds up no other.
    """
    try:
        yield
    except OSError as error:
        if error.errno in OF_ONE_NAME:
            raise
        raise FolderTrouble(
            f"An {what} that can be read and written is required. Got: {folder}: {system_message(error)}."
        ) from None


def system_message(error: OSError) -> str:
    """Return the system's own words for an error, without the file's name: it may hold a patient's."""
    return os.strerror(error.errno) if error.errno else type(error).__name__


def next_delay(delay: float) -> float:
    """Return the seconds to wait after having waited `delay` seconds in vain (0: not yet)."""
    return min(max(FIRST_DELAY, 2 * delay), LONGEST_DELAY)
