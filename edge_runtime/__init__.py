"""What runs on the device: read an image, run the model, answer.

Imports nothing but NumPy, OpenCV and a TFLite interpreter, and each of them only when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_runtime.card import ModelCard
    from edge_runtime.classifier import Classifier, Prediction
    from edge_runtime.errors import FreezenetError, RefusedError
    from edge_runtime.preprocess import PreprocessSpec

__all__ = ["Classifier", "FreezenetError", "ModelCard", "Prediction", "PreprocessSpec", "RefusedError"]

_HOME = {
    "Classifier": "edge_runtime.classifier",
    "FreezenetError": "edge_runtime.errors",
    "ModelCard": "edge_runtime.card",
    "Prediction": "edge_runtime.classifier",
    "PreprocessSpec": "edge_runtime.preprocess",
    "RefusedError": "edge_runtime.errors",
}


def __getattr__(name: str):
    """Import a public name on first use, so that `freezenet --help` costs no OpenCV."""
    if name not in _HOME:
        raise AttributeError(f"module 'edge_runtime' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
