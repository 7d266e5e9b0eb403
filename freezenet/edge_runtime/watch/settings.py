"""How a folder is watched."""

from __future__ import annotations

from dataclasses import dataclass

from freezenet.edge_runtime.settings import Settings, setting


@dataclass(frozen=True)
class WatchSettings(Settings):
    """The settings of a watcher.

    Args:
        settle: Seconds for which a file must not change before it counts as finished.
        interval: Seconds between two looks at the inbox.
        overlay: Write the class activation map laid over each image, too.
        names: Sentences may name files; their names may hold names of patients.
    """

    settle: float = setting(2.0, low=0, help="How long a file must stay unchanged to count as finished.")
    interval: float = setting(1.0, low=0.001, help="Time between two looks at the inbox.")
    overlay: bool = False
    names: bool = False
