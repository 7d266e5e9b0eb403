"""What a model file scores: computed once where it is made, and kept for whoever compares the files later."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.files import write_atomically
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter


def score_images(interpreter: Interpreter, spec: PreprocessSpec, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the scores (n, classes) of pixels (n, h, w) uint8."""
    dtype = interpreter.inputs[0]["dtype"]
    return np.concatenate([interpreter.invoke(spec.network_input(image, dtype))[0] for image in pixels])


@dataclass(frozen=True)
class StoredScores:
    """The scores of one variant for the test images, in the order of their rows in splits.csv.

    Numbers and digests alone: what was scored can be told only by whoever has the splits.csv and the files themselves.

    Args:
        scores: (n, classes).
        models: SHA-256 of the files that give them: of each profile.
        splits: SHA-256 of the splits.csv, which holds that of each image.
        runtime: name and version, e.g. "ai-edge-litert 2.3.0".
    """

    scores: NDArray[np.float32]
    models: tuple[str, ...]
    splits: str
    runtime: str

    def write(self, path: Path) -> None:
        """Write a file for `read`, and its folder."""
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, self._save)

    @classmethod
    def read(cls, path: Path) -> StoredScores | None:
        """Return what `write` wrote, or None where there is no such file or a damaged one: scores can be computed again."""
        try:
            with np.load(path, allow_pickle=False) as found:
                models = tuple(found["models"].tolist())
                return cls(found["scores"], models, str(found["splits"]), str(found["runtime"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def hold_for(self, model: str, splits: str, runtime: str) -> bool:
        """Return whether these are the scores of a model file (its SHA-256) for the images of a splits.csv (its SHA-256)."""
        return model in self.models and (splits, runtime) == (self.splits, self.runtime)

    def _save(self, path: Path) -> None:
        with path.open("wb") as file:  # a name without .npz would get a second ending
            np.savez(file, scores=self.scores, models=self.models, splits=self.splits, runtime=self.runtime)
