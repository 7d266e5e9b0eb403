"""Whether a model is the one that was shipped, asked when it is loaded and of the bytes that are loaded."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

from freezenet.edge_runtime.errors import RefusedError
from freezenet.edge_runtime.integrity.hashes import check_listed
from freezenet.edge_runtime.integrity.model_file import ModelFile

logger = logging.getLogger(__name__)


def shipped_model(path: str | Path, *, public_key: Path | None = None, accept_changed: bool = False) -> ModelFile:
    """Read a model file and compare it with what lies beside it: its SHA-256 in conversion.json, the signature of its folder.

    Args:
        path: Of a .tflite file.
        public_key: Require the folder's signature by this key.
        accept_changed: Do not look at conversion.json.

    Raises:
        RefusedError: The file differs, or the signature does not hold.
        ModelError: It is missing, or conversion.json is damaged.
    """
    # Here, because most models are not signed.
    from freezenet.edge_runtime.integrity.signature import check_models, signed_folder

    file = ModelFile.read(path)
    folder = signed_folder(file.path)
    if public_key is not None:
        signed = check_models([file.path], folder, public_key)
        name = (
            Path(os.path.abspath(file.path)).relative_to(folder or Path(os.path.abspath(file.path.parent))).as_posix()
        )
        # The file may have been exchanged since it was read.
        if signed[name] != file.sha256:
            raise RefusedError(f"The file that was signed is required. Got: {path}, which changed while it was read.")
    elif folder is not None:
        logger.info(f"The signature of {folder} was not checked; pass --public-key KEY.pub.")
    listed = not accept_changed and check_listed(file.path, file.sha256)
    return replace(file, proven=listed or public_key is not None)
