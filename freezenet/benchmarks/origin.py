"""The RUN folder that model files come from: it alone knows which images were used for what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.errors import DataError
from freezenet.train.files import sha256_file
from freezenet.train.run_folder import RunFolder


def find_run(models: Path, card: ModelCard, run: Path | None = None) -> RunFolder | None:
    """Return the RUN folder of a model by the digest of its splits.csv, or None where none lies beside the model's folder.

    Args:
        models: the folder of the model file. `freezenet pipeline` puts `run` beside `models`.
        card: of the model.
        run: where RUN lies, if it is known.

    Raises:
        DataError: `run` is no RUN folder, or not the one that the model comes from.
    """
    expected = card.content["trained_on"]["splits_sha256"]
    if run is None:
        beside = (folder for folder in _beside(models) if _splits_sha256(folder) == expected)
        return next(beside, None)
    found = RunFolder(run)
    found.read_splits()  # says what is missing
    if _splits_sha256(found) != expected:
        name = card.path.name if card.path else card.variant
        raise DataError(
            f"The RUN folder that {name} was converted from is required. Got: {run}, whose splits.csv is another; name "
            "the right one."
        )
    return found


def _beside(models: Path) -> Iterator[RunFolder]:
    """Yield the folders around that of the models: the one that holds it, and its neighbours."""
    home = models.resolve().parent
    yield RunFolder(home)
    try:
        yield from (RunFolder(path) for path in sorted(home.iterdir()) if path.is_dir())
    except OSError:  # a folder whose names are not for this user
        return


def _splits_sha256(run: RunFolder) -> str | None:
    try:
        return sha256_file(run.splits_file)
    except OSError:
        return None
