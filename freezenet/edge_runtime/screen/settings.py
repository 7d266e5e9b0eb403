"""What a user may set for a screening."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from freezenet.edge_runtime.settings import Settings, setting


@dataclass(frozen=True)
class ScreenSettings(Settings):
    """How an archive is screened; all but `workers` must be the same to go on with one.

    Args:
        shard: Inputs whose rows become one file, and what a kill can cost.
        workers: Processes or actors; None: as many as there is room for.
        column: Of a table, which holds the names of the images.
        cam: Write the class activation maps.
        only: Write them where this label is answered, and nowhere else.
        plain_uids: Keep the UIDs of DICOM files as they are, and not their hashes.
    """

    noun: ClassVar[str] = "Setting of screen"

    shard: int = setting(10_000, low=1, high=1_000_000, help="Images whose rows become one file.")
    workers: int | None = setting(
        None, low=1, high=4096, help="Processes or Ray actors; default: one for each core that there is memory for."
    )
    column: str | None = setting(None, help="Column of a table that holds the images' names.")
    cam: bool = setting(False, help="Also write class activation maps, below OUT/cam.")
    only: str | None = setting(
        None, help="With --cam: for images with this answer only. With --summary: the worklist is that of this label."
    )
    plain_uids: bool = setting(False, help="Keep the UIDs of DICOM files as they are; default: their hashes.")
