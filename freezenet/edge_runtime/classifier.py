"""Classify one X-ray with one model file."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freezenet.edge_runtime.card import CARD_FILE, ModelCard
from freezenet.edge_runtime.decision import NOT_CHEST, Decision, DecisionRule
from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.edge_runtime.integrity.soundness import check_network, check_tensors
from freezenet.edge_runtime.interpreter import Interpreter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from freezenet.edge_runtime.images.photo.reading import Photo


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
        ood: What each OOD gate reads, in their order: a distance or a probability.
        photo: What was found in a photograph; None where the image was not given as one.
    """

    label: str | None
    probabilities: dict[str, float]
    timings_ms: dict[str, float]
    reason: str | None = None
    overlay: bytes | None = field(default=None, repr=False)
    gated: bool = False
    ood: tuple[float, ...] = ()
    photo: Photo | None = None

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
            **({} if self.photo is None else {"photo": self.photo.to_dict()}),
        }


class Classifier:
    """A model file ready to answer; not thread-safe: one per worker.

    Args:
        model: Path of a .tflite file written by `freezenet convert`, read once; or such a file that was read.
        threads: CPU threads of one inference.
        runtime: A key of `freezenet.edge_runtime.interpreter.RUNTIMES`, or None for the first that is installed.
        trust_tags: Refuse a DICOM file whose tags say that it shows no frontal chest X-ray.
        accept_changed: Also take a file whose network is not the one that its card was written for.

    Raises:
        ModelError: The file is missing, damaged, without a card, or the runtime cannot run it.
        RefusedError: Its network is not the one that its card was written for.
        MissingExtraError: No runtime is installed.

        >>> Classifier("models/int8.tflite").predict("chest.png").label
        'Normal'
    """

    def __init__(
        self,
        model: str | Path | ModelFile,
        threads: int = 1,
        *,
        runtime: str | None = None,
        trust_tags: bool = True,
        accept_changed: bool = False,
    ) -> None:
        """Load the model and its card."""
        self.file = model if isinstance(model, ModelFile) else ModelFile.read(model)
        self.path = self.file.path
        self.trust_tags, self._accept_changed = trust_tags, accept_changed
        self.card = self._read_card()
        self.rule = DecisionRule.from_card(self.card)
        check_network(self.file, self.card, runtime, accept_changed)
        self.interpreter = Interpreter(self.file.content, threads=threads, runtime=runtime, shape=self._open_shape())
        self._check_tensors()
        self._outputs = {name: number for number, name in enumerate(self.card.outputs)}

    def another(self) -> Classifier:
        """Return a second one of the same bytes and settings, for another worker."""
        # What runs here needs no trial there.
        load, settings = self.__reduce__()
        return load(*settings)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as bytes and settings, and be loaded there."""
        settings = (self.interpreter.threads, self.interpreter.runtime, self.trust_tags, self._accept_changed)
        return _loaded, (replace(self.file, proven=True), *settings)

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
        """What stands beside every answer, so that it can be traced: file name and SHA-256 of model and card, runtime.

        The digests are those of the bytes that were loaded, whatever lies under the name by now.
        """
        import hashlib

        return {
            "model": self.path.name,
            "model_sha256": self.file.sha256,
            "card_sha256": hashlib.sha256(self.file.associated(CARD_FILE)).hexdigest(),
            "runtime": self.runtime,
        }

    def predict(self, image: str | Path | bytes | NDArray, overlay: bool = False, *, photo: bool = False) -> Prediction:
        """Classify a path, the bytes of an image file, or a decoded array (OpenCV's channel order).

        Args:
            image: Path, the bytes of a file, or gray (h, w) or colour (h, w, 3) values, uint8 or uint16.
            overlay: Also draw the class activation map of the label, of the most probable class where there is none.
            photo: The image is a photograph: find the film in it and straighten that, or read all of it where none is found.

        Raises:
            DataError: The image cannot be used.
            MissingExtraError: It is a DICOM file, and the extra for these is not installed.
            ModelError: An overlay is asked for of a model without a class activation map.
        """
        if overlay:
            self.require_cam()
        spec = self.card.preprocess
        started = time.perf_counter()
        found = None
        if photo:
            from freezenet.edge_runtime.images.photo.reading import read_photo

            gray, found = read_photo(image)
        else:
            gray = spec.decode(image, self.trust_tags)
        decoded = time.perf_counter()
        pixels = spec.resized(gray)
        tensor = self._tensor(pixels)
        preprocessed = time.perf_counter()
        outputs = self._invoke(tensor)
        decision = self._decided(pixels, outputs)
        answered = time.perf_counter()
        timings = {
            "decode": (decoded - started) * 1e3,
            "preprocess": (preprocessed - decoded) * 1e3,
            "invoke": (answered - preprocessed) * 1e3,
        }
        picture = None
        if overlay and decision.reason != NOT_CHEST:
            from freezenet.edge_runtime.images.overlay import overlay_png

            picture = overlay_png(gray, outputs[self._outputs["cam"]][0, ..., self.rule.mapped(decision)])
            timings["overlay"] = (time.perf_counter() - answered) * 1e3
        return Prediction(
            label=decision.label,
            probabilities=dict(zip(self.card.labels, decision.probabilities.tolist(), strict=True)),
            timings_ms=timings,
            reason=decision.reason,
            overlay=picture,
            gated=self.rule.gate is not None,
            ood=decision.ood,
            photo=found,
        )

    def decide(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], Decision]:
        """Return the scores (classes,) and the decision for already preprocessed pixels (h, w) uint8."""
        outputs = self._invoke(self._tensor(pixels))
        return outputs[0][0], self._decided(pixels, outputs)

    def _decided(self, pixels: NDArray[np.uint8], outputs: list[NDArray]) -> Decision:
        features = outputs[self._outputs["features"]][0] if "features" in self._outputs else None
        decision = self.rule.decide(outputs[0][0], features)
        # No OOD gate is needed to see that there is nothing to see.
        return replace(decision, label=None, reason=NOT_CHEST) if pixels.min() == pixels.max() else decision

    def scores(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the scores (n, classes) float32 of already preprocessed pixels (n, h, w) uint8."""
        return np.concatenate([self._invoke(self._tensor(image))[0] for image in pixels])

    def _read_card(self) -> ModelCard:
        return ModelCard.read(self.file)

    def _open_shape(self) -> tuple[int, ...] | None:
        """Return the shape that the input is to be given; None where the file says it."""
        return None

    def _check_tensors(self) -> None:
        check_tensors(self.card, self.rule, self.interpreter, self.path.name)

    def _tensor(self, pixels: NDArray[np.uint8]) -> NDArray:
        """Return the input of the network for the pixels (h, w) of one image."""
        return self.card.preprocess.network_input(pixels, self.interpreter.inputs[0]["dtype"])

    def _invoke(self, tensor: NDArray) -> list[NDArray]:
        """Return the outputs in the order of the card, scores (1, classes) first."""
        return self.interpreter.invoke(tensor)


def _loaded(file: ModelFile, threads: int, runtime: str, trust_tags: bool, accept_changed: bool) -> Classifier:
    return Classifier(file, threads, runtime=runtime, trust_tags=trust_tags, accept_changed=accept_changed)


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
