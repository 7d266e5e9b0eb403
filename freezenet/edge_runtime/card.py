"""The model card: what a `.tflite` file says about itself, in `card.json` inside the file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict, get_args, get_origin, get_type_hints, is_typeddict

from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.integrity.model_file import ModelFile

#: Version of the card's layout; a reader refuses a newer one.
CARD_VERSION = 1
CARD_FILE = "card.json"
#: What an output tensor of a name holds.
OUTPUTS = {
    "scores": "Probability of each class, 0 to 1.",
    "cam": "Class activation map: what each place of the last feature map adds to each class before pooling and softmax.",
    "features": "Mean of the trunk's last feature map, for a gate that asks whether an image is a chest X-ray.",
}


class GoldenReading(TypedDict):
    """What an OOD gate reads, a distance or a probability, and the threshold that it is compared with."""

    score: float
    threshold: float


class GoldenAnswer(TypedDict):
    """The whole answer for a golden image: of label and reason one is null; a reading for each OOD gate in the file."""

    label: Any
    reason: Any
    probabilities: dict[str, float]
    ood: list[GoldenReading]


class _GoldenNumbers(TypedDict):
    image: str
    pixels_sha256: str
    scores: dict[str, float]


class GoldenVector(_GoldenNumbers, total=False):
    """An image inside the model file, the SHA-256 of its preprocessed pixels, the score of each label, and the answer.

    Files of an earlier version hold no answers.
    """

    answer: GoldenAnswer


class _GoldenVectors(TypedDict):
    runtime: str
    vectors: list[GoldenVector]


class GoldenDecision(TypedDict):
    """Scores, and features or null, with the answer that a rule of its own, the keys of a card, makes of them."""

    name: str
    rule: dict[str, Any]
    scores: list[float]
    features: Any
    answer: GoldenAnswer


class Golden(_GoldenVectors, total=False):
    """The golden vectors, the interpreter, version and processor that recorded them, and `ModelCard.rule_sha256` then.

    Beside them stand decisions, which need no picture and no network.
    """

    rule_sha256: str
    decisions: list[GoldenDecision]


class Network(TypedDict):
    """The flatbuffer in front of the archive that the card lies in: its length and its SHA-256."""

    bytes: int
    sha256: str


class _RunDigests(TypedDict):
    recipe: str
    seed: int
    images: int
    data_sha256: str
    splits_sha256: str
    model_sha256: str


class TrainedOn(_RunDigests, total=False):
    """What identifies the run behind a model: counts and digests only, no name of a file or a patient.

    `adopted`, the SHA-256 of the file that it came in ("" of a folder), is there for a network of another maker: then the images are those of
    the run's split, and nothing here says which ones it was trained on, or how.
    """

    adopted: str


class CalibratedOn(TypedDict, total=False):
    """How many training images the integer ranges were measured on, and one digest over all of their hashes.

    No image can be told from it; the list stays in the RUN folder. Without images there is no digest. The first files had a list
    under "images".
    """

    images: Any
    sha256: str


class Sources(TypedDict):
    """What the figures and the promise of a risk were measured on, and what they do not show; sources have numbers, no names.

    `validation` counts the images of each source that abstention was chosen on, `test` those of the figures, `one_source_only` gives the
    source of each class that has no other, and `elsewhere` is the sentence that belongs beside every figure, "" where each class has two.
    """

    validation: dict[str, int]
    test: dict[str, int]
    one_source_only: dict[str, str]
    elsewhere: str


class Audited(TypedDict):
    """What an audit of the data found before the model was converted: of how many images, the verdict, and what gives the class away.

    `flags` names what tells the class and shows nothing of a disease: source, stored_size, file_format, marks.
    """

    images: int
    verdict: str
    flags: list[str]


class CardContent(TypedDict, total=False):
    """`card.json`, in the order in which it is written.

    A reader must find card_version, variant, labels and preprocess; "gate" is the OOD gate's (`freezenet.edge_runtime.ood`),
    "output" stands in files whose outputs are integers. "task", "thresholds" and "confidence" are those of `freezenet.edge_runtime.decision`; "reference" counts what the file reads in its
    validation images, for the drift of an archive, and is missing in files of an earlier version; "audit" is there where `freezenet
    pipeline` made the model.
    """

    card_version: int
    name: str
    variant: str
    arithmetic: str
    notice: str
    labels: list[str]
    preprocess: dict[str, Any]
    input: dict[str, str]
    output: dict[str, str]
    task: str
    thresholds: dict[str, float]
    confidence: dict[str, Any]
    gate: dict[str, Any]
    trained_on: TrainedOn
    calibration: CalibratedOn
    against_keras: dict[str, Any]
    accuracy: dict[str, Any]
    sources: Sources
    audit: Audited
    localized: dict[str, Any]
    golden: Golden
    outputs: list[str]
    made: dict[str, Any]
    network: Network
    reference: dict[str, Any]


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
    def read(cls, model: str | Path | ModelFile) -> ModelCard:
        """Read the card inside a .tflite file; ModelError with one sentence where there is none."""
        file = model if isinstance(model, ModelFile) else ModelFile.read(model)
        file.check_format()
        try:
            content = json.loads(file.associated(CARD_FILE))
        except (KeyError, ValueError, RecursionError):
            raise ModelError(
                f"A model with a {CARD_FILE} inside is required. Got: {file.path.name} without one; write it with "
                "`freezenet convert`, or fetch it again if it was cut off."
            ) from None
        return cls.from_dict(content, file.path)

    @classmethod
    def from_dict(cls, content: CardContent, path: Path | None = None) -> ModelCard:
        """Make a card from its JSON object."""
        if not isinstance(content, dict):
            raise ModelError(f"A card that is a JSON object is required. Got: {type(content).__name__}.")
        if content.get("card_version") != CARD_VERSION:
            raise ModelError(
                f"A card of version {CARD_VERSION} is required. Got: {content.get('card_version')!r:.80}; update freezenet."
            )
        found = misfit(content, CardContent)
        if found:
            raise ModelError(f"A card with values of the known types is required. Got: {found:.200}.")
        labels, outputs = content.get("labels", ["-"]), content.get("outputs", ["scores"])
        if not labels or len(set(labels)) < len(labels) or "\n" in "".join(labels):
            raise ModelError(f"A card with labels, each once and on one line, is required. Got: {labels!r:.200}.")
        if outputs[:1] != ["scores"] or len(set(outputs)) < len(outputs) or not set(outputs) <= set(OUTPUTS):
            raise ModelError(f"A card with outputs of {', '.join(OUTPUTS)} is required. Got: {outputs!r:.200}.")
        try:
            return cls(
                variant=content["variant"],
                labels=tuple(content["labels"]),
                preprocess=PreprocessSpec.from_dict(content["preprocess"]),
                content=content,
                path=path,
            )
        except KeyError as error:
            raise ModelError(f"A card with the key {error} is required. Got: none.") from None

    @property
    def adopted(self) -> bool:
        """Whether the network came from another maker, so that nothing is known of its training."""
        return "adopted" in self.content.get("trained_on", {})

    @property
    def outputs(self) -> list[str]:
        """The names of the model's outputs, in their order; scores come first."""
        return self.content.get("outputs", ["scores"])

    @cached_property
    def rule_sha256(self) -> str:
        """SHA-256 of all that decides, but for the network: what an image and a score become."""
        import hashlib

        keys = ("labels", "preprocess", "task", "thresholds", "confidence", "gate", "arithmetic", "outputs")
        rule = {key: self.content[key] for key in keys if key in self.content}  # type: ignore[literal-required]
        return hashlib.sha256(json.dumps(rule, sort_keys=True).encode()).hexdigest()

    @cached_property
    def golden(self) -> list[GoldenVector]:
        """The golden vectors: image file name inside the model, pixel hash, scores."""
        golden = self.content.get("golden")
        return list(golden["vectors"]) if golden else []


def misfit(value: Any, kind: Any, where: str = "card") -> str:
    """Return what is wrong with a JSON value, "" where it is of a kind: Any, a type, list[...], dict[str, ...] or a TypedDict.

    Keys that the TypedDict does not know are nobody's concern.
    """
    if kind is Any:
        return ""
    if is_typeddict(kind):
        if not isinstance(value, dict):
            return f"{where} of the type {type(value).__name__}"
        hints = get_type_hints(kind)
        missing = sorted(kind.__required_keys__ - value.keys())
        if missing:
            return f"{where} without {missing[0]}"
        found = (misfit(value[key], hint, f"{where}: {key}") for key, hint in hints.items() if key in value)
        return next(filter(None, found), "")
    outer: type = get_origin(kind) or kind
    # False and True are no numbers here.
    if isinstance(value, bool) or not isinstance(value, (int, float) if outer is float else outer):
        return f"{where} of the type {type(value).__name__}"
    inner = get_args(kind)[-1:]
    items: list[Any] = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return next(filter(None, (misfit(one, inner[0], f"{where}: an item") for one in items if inner)), "")
