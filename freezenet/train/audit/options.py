"""What an audit is asked for beside DATA."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from freezenet.edge_runtime.settings import Settings, setting


@dataclass(frozen=True)
class AuditOptions(Settings):
    """How `freezenet.audit` goes about it.

    Args:
        weights: "imagenet", "none", or a file of Keras for MobileNetV2 of any width.
        masks: folder of lung masks, named as the images are; None: the two views of the lungs are left out.
        seed: of the folds, the random draws and random weights.
        folds: of the cross-validation, at most; fewer where a class has fewer patients.
        most_images: more images than these are drawn from, whole patients at a time, and it is said.
        alpha: width of the network; None: the narrowest that the weights fit.
        image_size: side of what the network sees, in pixels.
    """

    weights: str = setting("imagenet", convert=os.fspath, expected="imagenet, none, or the path of a file of Keras")
    masks: Path | None = setting(None, convert=Path, expected="a path")
    seed: int = setting(0, low=0, high=2**31 - 1, help="Seed of folds and draws.")
    folds: int = setting(5, low=2, high=20, help="Folds of the cross-validation.")
    most_images: int = setting(4000, low=20, high=10**6, help="Most images that are looked at.")
    alpha: float | None = setting(None, low=0.05, high=2.0)
    image_size: int = setting(224, low=32, high=512, help="Side of what the network sees, in pixels.")
