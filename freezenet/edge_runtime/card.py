"""The model card: what a `.tflite` file says about itself, in `card.json` inside the file.

TFLite metadata stores associated files as a ZIP archive behind the flatbuffer, so any ZIP reader opens them.
"""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec

#: Version of the card's layout; a reader refuses a newer one.
CARD_VERSION = 1
CARD_FILE = "card.json"


class GoldenVector(TypedDict):
    """An image inside the model file, the SHA-256 of its preprocessed pixels, and the score of each label."""

    image: str
    pixels_sha256: str
    scores: dict[str, float]


class Golden(TypedDict):
    """The golden vectors, and the interpreter, version and processor that recorded them."""

    runtime: str
    vectors: list[GoldenVector]


class TrainedOn(TypedDict):
    """What identifies the run behind a model: counts and digests only, no name of a file or a patient."""

    recipe: str
    seed: int
    images: int
    data_sha256: str
    splits_sha256: str
    model_sha256: str


class CalibratedOn(TypedDict, total=False):
    """How many training images the integer ranges were measured on, and one digest over all of their hashes.

    No image can be told from it; the list stays in the RUN folder. Without images there is no digest.
    """

    images: int
    sha256: str


class CardContent(TypedDict, total=False):
    """`card.json`, in the order in which it is written.

    A reader must find card_version, variant, labels and preprocess; "gate" is the OOD gate's (`freezenet.edge_runtime.ood`),
    "task", "thresholds" and "confidence" are those of `freezenet.edge_runtime.decision`.
    """

    card_version: int
    name: str
    variant: str
    arithmetic: str
    notice: str
    labels: list[str]
    preprocess: dict[str, Any]
    input: dict[str, str]
    task: str
    thresholds: dict[str, float]
    confidence: dict[str, Any]
    gate: dict[str, Any]
    trained_on: TrainedOn
    calibration: CalibratedOn
    against_keras: dict[str, Any]
    accuracy: dict[str, Any]
    golden: Golden
    outputs: list[str]
    made: dict[str, Any]


@dataclass(frozen=True)
class ModelCard:
    """The parsed card.

    Args:
        variant: For example "int8".
        labels: Class names in score order.
        preprocess: The spec.
        content: The whole card.
        path: Of the model file that the card came from.
    """

    variant: str
    labels: tuple[str, ...]
    preprocess: PreprocessSpec
    content: CardContent = field(repr=False)
    path: Path | None = None

    @classmethod
    def read(cls, model: str | Path) -> ModelCard:
        """Read the card inside a .tflite file; ModelError with one sentence where there is none."""
        path = Path(model)
        try:
            content = json.loads(read_associated(path, CARD_FILE))
        except (KeyError, ValueError):
            raise ModelError(
                f"A model with a {CARD_FILE} inside is required. Got: {path.name} without one; write it with "
                "`freezenet convert`, or fetch it again if it was cut off."
            ) from None
        return cls.from_dict(content, path)

    @classmethod
    def from_dict(cls, content: CardContent, path: Path | None = None) -> ModelCard:
        """Make a card from its JSON object."""
        if not isinstance(content, dict):
            raise ModelError(f"A card that is a JSON object is required. Got: {type(content).__name__}.")
        if content.get("card_version") != CARD_VERSION:
            raise ModelError(
                f"A card of version {CARD_VERSION} is required. Got: {content.get('card_version')!r:.80}; update freezenet."
            )
        try:
            if not all(isinstance(label, str) for label in content["labels"]):
                raise TypeError("labels that are not text")
            return cls(
                variant=content["variant"],
                labels=tuple(content["labels"]),
                preprocess=PreprocessSpec.from_dict(content["preprocess"]),
                content=content,
                path=path,
            )
        except KeyError as error:
            raise ModelError(f"A card with the key {error} is required. Got: none.") from None
        except TypeError as error:
            raise ModelError(f"A card with values of the known types is required. Got: {error}.") from None

    @cached_property
    def golden(self) -> list[GoldenVector]:
        """The golden vectors: image file name inside the model, pixel hash, scores."""
        golden = self.content.get("golden")
        return list(golden["vectors"]) if golden and "vectors" in golden else []


def read_associated(model: Path, name: str) -> bytes:
    """Return the bytes of an associated file of a .tflite model.

    Raises KeyError where the model has no such file, ModelError where there is no model.
    """
    # Here, because it takes as long to import as the rest of this module.
    import struct
    import zipfile
    import zlib

    # What zipfile raises for a damaged archive: of its own, for features it does not know (NotImplementedError is a
    # RuntimeError), from decompression, from numbers out of range, and from a seek before the start (EINVAL).
    damaged = (zipfile.BadZipFile, RuntimeError, zlib.error, EOFError, ValueError, OverflowError, struct.error, OSError)
    try:
        file = model.open("rb")
    except FileNotFoundError:
        raise ModelError(f"A model file is required. Got: {model}, which does not exist.") from None
    except IsADirectoryError:
        raise ModelError(f"One .tflite file is required. Got: {model}, a folder; name a file in it.") from None
    try:
        with file, zipfile.ZipFile(file) as archive:
            return archive.read(name)
    except damaged as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        if model.read_bytes()[4:8] != b"TFL3":
            raise ModelError(
                f"A TensorFlow Lite model (.tflite) is required. Got: {model.name}, a file of another format."
            ) from None
        raise KeyError(name) from None
