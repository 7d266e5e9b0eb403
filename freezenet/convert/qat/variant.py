"""The variant `int8-qat` of a run: quantization-aware training on the run's images, and its manifest."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from freezenet.convert.acceptance import ValidationScores
from freezenet.convert.converter import Converter
from freezenet.convert.float.outputs import show_classifier
from freezenet.convert.options import QatSettings
from freezenet.convert.ptq.calibration import read_checked
from freezenet.convert.qat.training import QatResult, TaughtImages, train_quantized
from freezenet.train.network.predict import predict
from freezenet.train.run import Run

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class QuantizedTraining:
    """How `int8-qat` is trained.

    model: the trained network, teacher of its own integers. validation: the validation images, by which the epoch is chosen.
    data: where DATA lies now, if it was moved.
    """

    run: Run
    model: keras.Model
    validation: ValidationScores
    settings: QatSettings
    data: Path | None

    def to_tflite(self, converter: Converter) -> tuple[bytes, dict[str, Any]]:
        """Return the file's bytes with all outputs, and the manifest of the training (JSON types).

        The manifest holds accuracy and macro-F1 of Keras and of the network with rounding inside, before and after, on
        the images and in the form of the verdict, which has those of the file itself: so it shows which step lost what.
        """
        pixels = read_checked(self.run.paths("train", self.data), self.run.recipe.preprocess)
        result = train_quantized(
            converter.corrected,
            converter.layer_ranges,
            TaughtImages(pixels, predict(self.model, pixels, self.run.recipe.preprocess)),
            TaughtImages(self.validation.pixels, self.validation.expected),
            [layer.name for layer in self.model.layers if layer.trainable_weights],
            self.settings,
            self.run.recipe.preprocess,
            # Not beside the models: images must not stay in a folder that is handed on, whenever this is killed.
            Path(tempfile.gettempdir()),
        )
        show_classifier(result.model)
        manifest = self._manifest(result)
        stages = ", ".join(f"{one['value']:.3f} {name.replace('_', ' ')}" for name, one in manifest["macro_f1"].items())
        logger.info(f"int8-qat: macro-F1 {stages}")
        return converter.to_int8(result.model), manifest

    def _manifest(self, result: QatResult) -> dict[str, Any]:
        stages = {
            "keras": self.validation.expected,
            "fake_quantized_start": result.start_scores,
            "fake_quantized": result.scores,
        }
        figures = {name: self.validation.evaluate(self.validation.answers(scores)) for name, scores in stages.items()}
        return {
            "settings": asdict(self.settings),
            "best_epoch": result.best_epoch,
            "history": result.history,
            "compressed": list(result.compressed),
            **{key: {name: one[key] for name, one in figures.items()} for key in ("accuracy", "macro_f1")},
        }
