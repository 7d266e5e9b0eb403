"""What a watcher tells: what became of a file, how its folders are, and that it does not hang."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of a file that is done.

    Args:
        file: Name relative to the inbox.
        sha256: Of its content.
        rejected: Whether it could not be answered.
        record: What stands in the JSON file in the outbox.
    """

    file: str
    sha256: str
    rejected: bool
    record: dict[str, Any]

    @property
    def state(self) -> str:
        """ "answered", "abstained" or "rejected"."""
        return "rejected" if self.rejected else "abstained" if self.record.get("abstained") else "answered"


class Listener:
    """Told by a watcher; this one logs sentences about the folders and leaves out the rest."""

    def done(self, outcome: Outcome) -> None:
        """Hear that a file is done."""

    def say(self, sentence: str) -> None:
        """Hear that a trouble begins or ends, in one sentence."""
        logger.info(sentence)

    def alive(self) -> None:
        """Hear, often, that the watcher does not hang."""
