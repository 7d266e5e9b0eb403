"""Whose turn it is among the files of the inbox, and which wait for another try: nobody who sends many keeps others waiting.

Three of four turns go around the folders of the inbox, one file each, the oldest first: with F folders (files directly in the
inbox count as one), the oldest file of a folder is answered after at most 4 F / 3 others, however many lie in the other
folders. Every fourth turn is the newest file's, whatever folder it lies in: a file that arrives behind ten thousand is
answered after at most four others, if no newer one arrives.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from freezenet.edge_runtime.watch.arrivals import Arrival, Signature
from freezenet.edge_runtime.watch.journal import Job
from freezenet.edge_runtime.watch.trouble import next_delay

#: The file, its job and its answer.
Answered = tuple[Arrival, Job, dict[str, Any]]
#: Every so many turns one is the newest file's.
_NEWEST_EVERY = 4


class Turns:
    """The order in which waiting files are answered; it goes on where the last look at the inbox left it."""

    def __init__(self) -> None:
        """Nobody had a turn yet."""
        self._taken = 0
        self._last = ""

    def of(self, names: list[str], last: Collection[str] = ()) -> Iterator[str]:
        """Yield each name once.

        Args:
            names: Relative to the inbox, with slashes, in the order of their arrival.
            last: Names whose turn comes when all others had theirs, because they may end the process.
        """
        yield from self._around([name for name in names if name not in last])
        yield from (name for name in names if name in last)

    def _around(self, names: list[str]) -> Iterator[str]:
        folders: dict[str, deque[str]] = {}
        for name in names:
            folders.setdefault(_folder(name), deque()).append(name)
        order = sorted(folders)
        # On with the folder behind the one that had the last turn.
        around = deque([*(one for one in order if one > self._last), *(one for one in order if one <= self._last)])
        newest, left = list(names), set(names)
        while left:
            self._taken += 1
            if self._taken % _NEWEST_EVERY == 0:
                while newest[-1] not in left:
                    newest.pop()
                name = newest.pop()
            else:
                name = self._next(around, folders, left)
            left.remove(name)
            yield name

    def _next(self, around: deque[str], folders: dict[str, deque[str]], left: set[str]) -> str:
        """Return the oldest file of the folder whose turn it is."""
        while True:
            folder = around.popleft()
            waiting = folders[folder]
            while waiting and waiting[0] not in left:
                waiting.popleft()
            if waiting:
                around.append(folder)
                self._last = folder
                return waiting.popleft()


def _folder(name: str) -> str:
    """Return the first folder of a name, "" for a file directly in the inbox."""
    first, slash, _ = name.partition("/")
    return first if slash else ""


@dataclass
class Wait:
    """A file that is tried again later; `answered` holds what is only left to be delivered."""

    delay: float
    until: float
    answered: Answered | None = None


class Waits:
    """The files that are tried again later, by name."""

    def __init__(self) -> None:
        """None waits."""
        self._files: dict[str, Wait] = {}

    def __len__(self) -> int:
        """Number of files that wait."""
        return len(self._files)

    def __contains__(self, name: str) -> bool:
        """Whether a file waits."""
        return name in self._files

    def __getitem__(self, name: str) -> Wait:
        """Return how a file waits."""
        return self._files[name]

    def may_be_tried(self, name: str) -> bool:
        """Whether a file waits for nothing but its turn."""
        wait = self._files.get(name)
        return wait is None or (wait.answered is None and wait.until <= time.monotonic())

    def undelivered(self) -> list[str]:
        """Return the files whose answers may be delivered now, what never failed first."""
        now = time.monotonic()
        due = [name for name, wait in self._files.items() if wait.answered is not None and wait.until <= now]
        return sorted(due, key=lambda name: self._files[name].delay)

    def to_deliver(self, name: str, answered: Answered) -> None:
        """Let an answer wait for its first delivery."""
        self._files[name] = Wait(0.0, 0.0, answered)

    def postpone(self, name: str, answered: Answered | None) -> None:
        """Let a file wait after a try in vain, longer each time."""
        before = self._files.get(name)
        delay = next_delay(before.delay if before else 0.0)
        self._files[name] = Wait(delay, time.monotonic() + delay, answered)

    def done(self, name: str) -> None:
        """Let a file wait no longer."""
        self._files.pop(name, None)

    def forget_changed(self, signature: Callable[[str], Signature | None]) -> None:
        """Drop the files that are gone or have another content; `signature` returns what the last look saw of a name."""
        for name, wait in list(self._files.items()):
            seen = signature(name)
            if seen is None or (wait.answered is not None and seen != wait.answered[0].signature):
                del self._files[name]
