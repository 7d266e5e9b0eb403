"""A model of another maker behind the same door as ours, so that evaluation, comparison and verdicts are the same code."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from scipy.special import expit, softmax

from freezenet.convert.foreign.reading import Reading
from freezenet.edge_runtime.card import CARD_FILE, CARD_VERSION, CardContent, ModelCard
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.train.task import MultiLabel

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: How far beyond 0 and 1 a probability may be rounded.
_ROUNDING = 0.01


class ForeignClassifier(Classifier):
    """A model file that freezenet did not write, ready to answer.

    It has no card, so it abstains from nothing and has no OOD gate; the most probable class is its answer, or every label that reaches its
    threshold.

    Args:
        model: The file.
        reading: How it is read.
        threads: CPU threads of one inference.
        runtime: See `Classifier`.
        trust_tags: See `Classifier`.
    """

    def __init__(
        self,
        model: str | Path | ModelFile,
        reading: Reading,
        threads: int = 1,
        *,
        runtime: str | None = None,
        trust_tags: bool = True,
    ) -> None:
        """Load the model."""
        self.reading = reading
        super().__init__(model, threads, runtime=runtime, trust_tags=trust_tags)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as bytes and settings; what runs here needs no trial there."""
        settings = (self.interpreter.threads, self.interpreter.runtime, self.trust_tags)
        return _loaded, (replace(self.file, proven=True), self.reading, *settings)

    @cached_property
    def identity(self) -> dict[str, str]:
        """See `Classifier`; in place of a card there is a digest of how the model is read."""
        content = json.dumps(asdict(self.reading), sort_keys=True).encode()
        return {
            "model": self.path.name,
            "model_sha256": self.file.sha256,
            "reading_sha256": hashlib.sha256(content).hexdigest(),
            "runtime": self.runtime,
        }

    def _read_card(self) -> ModelCard:
        labels, meaning = self.reading.labels, self.reading.meaning
        content: dict[str, Any] = {"card_version": CARD_VERSION, "variant": self.path.stem, "labels": list(labels)}
        content["task"] = meaning.task
        if meaning.thresholds:
            content["thresholds"] = dict(zip(labels, meaning.thresholds, strict=True))
        return ModelCard(self.path.stem, labels, self.reading.preprocess, cast(CardContent, content), self.path)

    def _open_shape(self) -> tuple[int, ...] | None:
        spec, first = self.reading.preprocess, self.reading.channels_first
        shape = (1, spec.channels, *spec.size) if first else (1, *spec.size, spec.channels)
        return None if self.reading.input.shape == shape else shape

    def _check_tensors(self) -> None:
        """Refuse what gives another number of scores, given the size that was asked for."""
        shape, labels = self.interpreter.outputs[self.reading.output]["shape"], self.reading.labels
        if np.prod(shape) != (1 if self.reading.is_single else len(labels)):
            raise ModelError(
                f"One score for each of {len(labels)} labels is required for one image. Got: {self.path.name} with an output of "
                f"{' x '.join(map(str, shape))}."
            )

    def _tensor(self, pixels: NDArray[np.uint8]) -> NDArray:
        values = self.reading.preprocess.exact(pixels)
        if self.reading.channels_first:
            values = np.moveaxis(values, -1, 0)
        one = self.reading.input
        if one.dtype == "float32":
            return values[None].astype(np.float32)
        limits = np.iinfo(one.dtype)
        scale, zero_point = (one.scales[0], one.zero_points[0]) if one.scales and one.scales[0] else (1.0, 0)
        return np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max)[None].astype(one.dtype)

    def _invoke(self, tensor: NDArray) -> list[NDArray]:
        outputs = self.interpreter.invoke(np.ascontiguousarray(tensor))
        found: NDArray = outputs[self.reading.output].ravel().astype(np.float32)
        if not np.isfinite(found).all():
            raise ModelError(
                f"A model that gives finite scores is required. Got: {self.path.name} with NaN or infinity."
            )
        is_single, meaning = self.reading.is_single, self.reading.meaning
        if meaning.end == "logits":
            found = expit(found) if is_single or meaning.task == MultiLabel.name else softmax(found)
        elif found.min() < -_ROUNDING or found.max() > 1 + _ROUNDING:
            raise ModelError(
                f"Probabilities from 0 to 1 are required. Got: {self.path.name} with {found.min():.3g} to {found.max():.3g}; pass "
                "--preprocess scores=logits."
            )
        if is_single:
            found = np.concatenate([1 - found, found])
        return [found[None].astype(np.float32)]


def _loaded(file: ModelFile, reading: Reading, threads: int, runtime: str, trust_tags: bool) -> ForeignClassifier:
    return ForeignClassifier(file, reading, threads, runtime=runtime, trust_tags=trust_tags)


def is_ours(file: ModelFile) -> bool:
    """Whether a file has a card, by which this project reads it."""
    try:
        file.associated(CARD_FILE)
    except KeyError:
        return False
    return True
