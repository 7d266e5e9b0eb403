"""What a client is asked: images, as pixels and as input tensors, and the scores that the model file promises."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.edge_runtime.interpreter import Interpreter


@dataclass(frozen=True)
class Question:
    """Images for one model file.

    variant: e.g. "int8". card: that of the file. pixels: (n, h, w) uint8, already of the input's size.
    tensors: (n, h, w, 3) in the dtype of the model's input. expected: (n, classes) float32, in the order of the labels.
    """

    variant: str
    model: Path
    card: ModelCard
    pixels: NDArray[np.uint8]
    tensors: NDArray
    expected: NDArray[np.float32]

    @classmethod
    def golden(cls, model: Path, variant: str) -> Question:
        """Ask for the golden vectors inside the file: the scores that it was shipped with."""
        file = ModelFile.read(model)
        card = ModelCard.read(file)
        if not card.golden:
            raise ModelError(f"A model with golden vectors is required. Got: {model.name} without any.")
        pixels = np.stack([card.preprocess.pixels(file.associated(one["image"])) for one in card.golden])
        expected = np.array([[one["scores"][label] for label in card.labels] for one in card.golden], np.float32)
        return cls(variant, model, card, pixels, _tensors(model, card, pixels), expected)

    @classmethod
    def of_pixels(cls, model: Path, variant: str, pixels: NDArray[np.uint8]) -> Question:
        """Ask for what the edge runtime on this machine answers to pixels (n, h, w) uint8 of the input's size."""
        file = ModelFile.read(model)
        card = ModelCard.read(file)
        expected = np.asarray(Classifier(model).scores(pixels), np.float32)
        return cls(variant, model, card, pixels, _tensors(model, card, pixels), expected)


def questions(models: Path, app: bool = False) -> list[Question]:
    """Return the golden question of every variant that the folder's conversion.json names.

    app: take the file of the profile "app", which has scores as its only output, where the folder has it.
    """
    return [Question.golden(path, name) for name, path in model_files(models, app).items()]


def model_files(models: Path, app: bool = False) -> dict[str, Path]:
    """Return variant -> model file of a MODELS folder; `app` as in `questions`."""
    files = {}
    for name, one in conversion(models)["variants"].items():
        chosen = one["profiles"].get("app", one) if app else one
        files[name] = models / chosen["file"]
    return files


def conversion(models: Path) -> dict[str, Any]:
    """Return what stands in the folder's conversion.json."""
    from freezenet.train.files import read_json

    return read_json(models / "conversion.json")


def _tensors(model: Path, card: ModelCard, pixels: NDArray[np.uint8]) -> NDArray:
    dtype = Interpreter(model).inputs[0]["dtype"]
    return np.concatenate([card.preprocess.network_input(image, dtype) for image in pixels])
