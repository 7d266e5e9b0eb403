"""What runs on the device: read an image, run the model, answer.

Imports nothing but NumPy, OpenCV and a TFLite interpreter, and each of them only when it is needed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from freezenet.edge_runtime.images.limits import MAX_PIXELS, OPENCV_LIMIT

if TYPE_CHECKING:
    from freezenet.edge_runtime.card import ModelCard
    from freezenet.edge_runtime.classifier import Classifier, Prediction
    from freezenet.edge_runtime.errors import FreezenetError, RefusedError
    from freezenet.edge_runtime.images.preprocess import PreprocessSpec

# Here, because it must be set before the first import of OpenCV, whichever module makes it.
os.environ.setdefault(OPENCV_LIMIT, str(MAX_PIXELS))

__all__ = ["Classifier", "FreezenetError", "ModelCard", "Prediction", "PreprocessSpec", "RefusedError"]

_HOME = {
    "Classifier": "freezenet.edge_runtime.classifier",
    "FreezenetError": "freezenet.edge_runtime.errors",
    "ModelCard": "freezenet.edge_runtime.card",
    "Prediction": "freezenet.edge_runtime.classifier",
    "PreprocessSpec": "freezenet.edge_runtime.images.preprocess",
    "RefusedError": "freezenet.edge_runtime.errors",
}


def __getattr__(name: str):
    """Import a public name on first use, so that `freezenet --help` costs no OpenCV."""
    if name not in _HOME:
        raise AttributeError(f"module 'edge_runtime' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
