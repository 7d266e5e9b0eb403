"""Classify one X-ray with one model file."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freezenet.edge_runtime.card import CARD_FILE, ModelCard, read_associated
from freezenet.edge_runtime.decision import NOT_CHEST, DecisionRule
from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.interpreter import Interpreter

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Prediction:
    """The answer for one image.

    Args:
        label: The most probable class; for multi-label models every class above its threshold, joined by ";"; None where
            the model abstains.
        probabilities: Class to calibrated probability 0..1, in the model's order; they mean nothing where `chest_xray` is
            False, and `to_dict` leaves them out there.
        timings_ms: Wall milliseconds of decode, preprocess, invoke, and overlay where one was asked for.
        reason: Why there is no label: "not a chest X-ray" or "uncertain"; None where there is one.
        overlay: The class activation map laid over the image, the bytes of a PNG file; None where none was asked for, or
            where this is not a chest X-ray.
        gated: Whether the model has an OOD gate, which looked at the image.
    """

    label: str | None
    probabilities: dict[str, float]
    timings_ms: dict[str, float]
    reason: str | None = None
    overlay: bytes | None = field(default=None, repr=False)
    gated: bool = False

    @property
    def abstained(self) -> bool:
        """Whether the model gives no label."""
        return self.reason is not None

    @property
    def chest_xray(self) -> bool | None:
        """Whether the model takes the image for a chest X-ray; None where it has no OOD gate that could say so."""
        return False if self.reason == NOT_CHEST else self.gated or None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types only, without the overlay, and without probabilities of what is no chest X-ray."""
        meant = None if self.chest_xray is False else self.probabilities
        return {
            "label": self.label,
            "probabilities": meant and {label: round(score, 6) for label, score in meant.items()},
            "chest_xray": self.chest_xray,
            "abstained": self.abstained,
            "reason": self.reason,
            "timings_ms": {stage: round(value, 3) for stage, value in self.timings_ms.items()},
        }


class Classifier:
    """A model file ready to answer; not thread-safe: one per worker.

    Args:
        model: Path of a .tflite file written by `freezenet convert`.
        threads: CPU threads of one inference.
        runtime: A key of `freezenet.edge_runtime.interpreter.RUNTIMES`, or None for the first that is installed.
        trust_tags: Refuse a DICOM file whose tags say that it shows no frontal chest X-ray.

    Raises:
        ModelError: The file is missing, damaged, without a card, or the runtime cannot run it.
        MissingExtraError: No runtime is installed.

        >>> Classifier("models/int8.tflite").predict("chest.png").label
        'Normal'
    """

    def __init__(
        self, model: str | Path, threads: int = 1, *, runtime: str | None = None, trust_tags: bool = True
    ) -> None:
        """Load the model and its card."""
        self.path = Path(model)
        self.trust_tags = trust_tags
        self.card = ModelCard.read(self.path)
        self.rule = DecisionRule.from_card(self.card)
        self.interpreter = Interpreter(self.path, threads=threads, runtime=runtime)
        self._input_dtype = self.interpreter.inputs[0]["dtype"]
        self._outputs = {name: number for number, name in enumerate(self.card.content.get("outputs", ["scores"]))}
        scores = self.interpreter.outputs[0]["shape"][-1]
        if scores != len(self.card.labels):
            raise ModelError(
                f"A model with one score for each of its {len(self.card.labels)} labels is required. "
                f"Got: {scores} scores."
            )
        if self.rule.gate is not None and "features" not in self._outputs:
            raise ModelError(
                "A model that gives features is required by the OOD gate in its card. "
                f"Got: {self.path.name} with {', '.join(self._outputs)}; use the file of profile edge."
            )

    def another(self) -> Classifier:
        """Return a second one of the same file and settings, for another worker."""
        return Classifier(
            self.path, self.interpreter.threads, runtime=self.interpreter.runtime, trust_tags=self.trust_tags
        )

    @property
    def runtime(self) -> str:
        """Name and version of the interpreter, e.g. "ai-edge-litert 2.3.0"."""
        return self.interpreter.name

    @property
    def has_cam(self) -> bool:
        """Whether the model gives a class activation map."""
        return "cam" in self._outputs

    def require_cam(self) -> None:
        """Raise ModelError where the model gives no class activation map."""
        if not self.has_cam:
            raise ModelError(
                f"A model with a class activation map (profile edge) is required. Got: {self.path.name} with "
                f"{', '.join(self._outputs)}."
            )

    @cached_property
    def identity(self) -> dict[str, str]:
        """What stands beside every answer, so that it can be traced: file name and SHA-256 of model and card, runtime."""
        import hashlib

        from freezenet.edge_runtime.integrity.hashes import sha256_file

        return {
            "model": self.path.name,
            "model_sha256": sha256_file(self.path),
            "card_sha256": hashlib.sha256(read_associated(self.path, CARD_FILE)).hexdigest(),
            "runtime": self.runtime,
        }

    def predict(self, image: str | Path | bytes | NDArray, overlay: bool = False) -> Prediction:
        """Classify a path, the bytes of an image file, or a decoded array (OpenCV's channel order).

        Args:
            image: Path, the bytes of a file, or gray (h, w) or colour (h, w, 3) values, uint8 or uint16.
            overlay: Also draw the class activation map of the most probable class.

        Raises:
            DataError: The image cannot be used.
            MissingExtraError: It is a DICOM file, and the extra for these is not installed.
            ModelError: An overlay is asked for of a model without a class activation map.
        """
        if overlay:
            self.require_cam()
        spec = self.card.preprocess
        started = time.perf_counter()
        gray = spec.decode(image, self.trust_tags)
        decoded = time.perf_counter()
        pixels = spec.resized(gray)
        tensor = spec.network_input(pixels, self._input_dtype)
        preprocessed = time.perf_counter()
        outputs = self.interpreter.invoke(tensor)
        features = outputs[self._outputs["features"]][0] if "features" in self._outputs else None
        decision = self.rule.decide(outputs[0][0], features)
        answered = time.perf_counter()
        timings = {
            "decode": (decoded - started) * 1e3,
            "preprocess": (preprocessed - decoded) * 1e3,
            "invoke": (answered - preprocessed) * 1e3,
        }
        # No OOD gate is needed to see that there is nothing to see.
        label, reason = (None, NOT_CHEST) if pixels.min() == pixels.max() else (decision.label, decision.reason)
        picture = None
        if overlay and reason != NOT_CHEST:
            strongest = int(decision.probabilities.argmax())
            from freezenet.edge_runtime.images.overlay import overlay_png

            picture = overlay_png(gray, outputs[self._outputs["cam"]][0, ..., strongest])
            timings["overlay"] = (time.perf_counter() - answered) * 1e3
        return Prediction(
            label=label,
            probabilities=dict(zip(self.card.labels, decision.probabilities.tolist(), strict=True)),
            timings_ms=timings,
            reason=reason,
            overlay=picture,
            gated=self.rule.gate is not None,
        )

    def scores(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the scores (n, classes) float32 of already preprocessed pixels (n, h, w) uint8."""
        spec, dtype = self.card.preprocess, self._input_dtype
        return np.concatenate([self.interpreter.invoke(spec.network_input(image, dtype))[0] for image in pixels])


def answer_line(
    name: str,
    prediction: Prediction,
    classifier: Classifier,
    overlay: str | PathLike[str] | None = None,
    *,
    trace: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the answer for an image as the JSON object that `freezenet predict --json` prints and `freezenet watch` writes.

    Args:
        name: Of the image.
        prediction: What was answered.
        classifier: Which answered.
        overlay: Where the picture with the class activation map was written; the key is absent where none was.
        trace: The record by a `freezenet.edge_runtime.integrity.trace.Tracer`; the key is absent where none is given.
    """
    shown = {} if overlay is None else {"overlay": fspath(overlay)}
    traced = {} if trace is None else {"trace": trace}
    return {"file": name, **prediction.to_dict(), **shown, **classifier.identity, **traced}
