"""What became of a file, and the line that says so."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """A file that is done.

    file: name relative to the inbox. sha256: of its content. rejected: whether it could not be answered.
    record: what stands in the JSON file in the outbox.
    """

    file: str
    sha256: str
    rejected: bool
    record: dict[str, Any]

    @property
    def state(self) -> str:
        """ "answered", "abstained" or "rejected"."""
        return "rejected" if self.rejected else "abstained" if self.record.get("abstained") else "answered"

    def line(self, names: bool = False) -> str:
        """Return the line for a person: 12 digits of the SHA-256, the state, and the file's name where it may be said."""
        shown = [self.sha256[:12], self.state]
        # A file name need not be text; the reader of stdout must get text.
        return "\t".join([*shown, os.fsencode(self.file).decode(errors="replace")] if names else shown)

    def to_dict(self, names: bool = False) -> dict[str, Any]:
        """Return the state and what stands in the outbox, less what may hold the file's name where it may not be said."""
        # A decoder's sentence about a file may quote from it.
        hidden = set() if names else {"file", "overlay", "error"}
        return {"state": self.state, **{key: value for key, value in self.record.items() if key not in hidden}}
