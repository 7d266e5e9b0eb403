"""From a folder of imbalanced chest X-rays to a verified int8 model on a phone or a Raspberry Pi.

    from freezenet import Classifier
    print(Classifier("int8.tflite").predict("chest.png").label)

Each name is imported when it is first used: a device that predicts never loads what trains.
"""

from __future__ import annotations

#: True for type checkers alone. Not from `typing`, which could be a file of the folder that `python -m freezenet` is run in.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from freezenet.benchmarks.compare import compare
    from freezenet.convert.models import convert
    from freezenet.edge_runtime.card import ModelCard
    from freezenet.edge_runtime.classifier import Classifier, Prediction
    from freezenet.edge_runtime.errors import FreezenetError, RefusedError
    from freezenet.edge_runtime.images.preprocess import PreprocessSpec
    from freezenet.edge_runtime.integrity.verify import verify
    from freezenet.edge_runtime.screen.engines.actor import ScreenActor
    from freezenet.train.audit.audit import audit
    from freezenet.train.audit.options import AuditOptions
    from freezenet.train.options import TrainingOptions
    from freezenet.train.recipes.recipe import Recipe, load_recipe
    from freezenet.train.run import Run
    from freezenet.train.training import train

__all__ = [
    "AuditOptions",
    "Classifier",
    "FreezenetError",
    "ModelCard",
    "Prediction",
    "PreprocessSpec",
    "Recipe",
    "RefusedError",
    "Run",
    "ScreenActor",
    "TrainingOptions",
    "audit",
    "compare",
    "convert",
    "load_recipe",
    "train",
    "verify",
]

#: Public name -> the module that holds it. `train` and `convert` are packages that can be called.
_HOME = {
    "AuditOptions": "train.audit.options",
    "Classifier": "edge_runtime.classifier",
    "FreezenetError": "edge_runtime.errors",
    "ModelCard": "edge_runtime.card",
    "Prediction": "edge_runtime.classifier",
    "PreprocessSpec": "edge_runtime.images.preprocess",
    "Recipe": "train.recipes.recipe",
    "RefusedError": "edge_runtime.errors",
    "Run": "train.run",
    "ScreenActor": "edge_runtime.screen.engines.actor",
    "TrainingOptions": "train.options",
    "audit": "train.audit.audit",
    "compare": "benchmarks.compare",
    "load_recipe": "train.recipes.recipe",
    "verify": "edge_runtime.integrity.verify",
}


def __getattr__(name: str):
    """Import a public name on first use."""
    from importlib import import_module

    if name in ("train", "convert"):
        return import_module(f"freezenet.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'freezenet' has no attribute {name!r}")
    return getattr(import_module(f"freezenet.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """Name what is imported on first use, too."""
    return sorted({*globals(), *__all__})
