"""How far a screening is, with its rate and the time that is left: a bar for a terminal, a line now and then for a log."""

from __future__ import annotations

import logging
import sys
import time
from datetime import timedelta
from types import TracebackType
from typing import Any

logger = logging.getLogger(__name__)

#: Seconds between two lines in a log, and between two movements of the bar.
_LINE, _MOVE = 30.0, 0.2


class Progress:
    """Shows progress on stderr.

    Args:
        done: Inputs that were answered before.
        total: Of all inputs; None while they are being listed.
    """

    def __init__(self, done: int = 0, total: int | None = None) -> None:
        """Show nothing yet."""
        self.total = total
        self._before, self._now, self._failed = done, 0, 0
        self._started = self._shown = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        """Draw the bar, where stderr is a terminal."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("screen"), BarColumn(), TextColumn("{task.description}"))
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self.sentence(), total=self.total, completed=self._before)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def advance(self, failed: bool) -> None:
        """Count an input; failed: there is no answer to it."""
        self._now += 1
        self._failed += failed
        now = time.monotonic()
        if now - self._shown < (_LINE if self._bar is None else _MOVE):
            return
        self._shown = now
        if self._bar is None:
            logger.info("%s", self.sentence())
        else:
            self._bar.update(
                self._task, completed=self._before + self._now, total=self.total, description=self.sentence()
            )

    def sentence(self) -> str:
        """Return how far it is, such as "1,200 of 10,000 images, 3 without an answer, 226 images/s, 0:00:38 left"."""
        done = self._before + self._now
        parts = [f"{done:,} images" if self.total is None else f"{done:,} of {self.total:,} images"]
        if self._failed:
            parts.append(f"{self._failed:,} without an answer")
        if self._now:
            rate = self._now / max(time.monotonic() - self._started, 1e-3)
            parts.append(f"{rate:.0f} images/s" if rate >= 10 else f"{rate:.1f} images/s")
            if self.total is None:
                parts.append("still listing")
            else:
                parts.append(f"{timedelta(seconds=round((self.total - done) / rate))} left")
        return ", ".join(parts)
