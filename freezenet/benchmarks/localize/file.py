"""The new model file: the same network to the bit, or all of it but its last layer, with another card."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.localize.head.sentences import SOURCE_TELLS, head_notes, place_of
from freezenet.benchmarks.localize.images import LocalImages
from freezenet.benchmarks.localize.targets import Targets
from freezenet.convert.package.golden import golden_vectors, with_answers
from freezenet.convert.package.metadata import described_by, with_files, without_files
from freezenet.edge_runtime.card import CARD_FILE, CardContent
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import RefusedError
from freezenet.edge_runtime.integrity.verify import verify
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.edge_runtime.names import counted


def localized_file(
    classifier: Classifier,
    rule: DecisionRule,
    images: LocalImages,
    targets: Targets,
    shown: Mapping[str, Any],
    network: bytes | None = None,
    head: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> bytes:
    """Return the bytes of the model with this rule in its card; all other files inside are what they were.

    Args:
        classifier: of the model.
        rule: to put in the card.
        images: that it was chosen on; only counts and a digest of them go into the card.
        targets: that it was chosen for.
        shown: accuracy figures of the rule, cross-fitted, as of `freezenet.train.task.Task.evaluate`.
        network: with another last layer; None leaves network and scores what they are, to the bit.
        head: what the card says of that layer, with the verdict on it under "acceptance" (JSON types).
        notes: sentences that have to be said of the images.

    Raises:
        RefusedError: a file with another last layer does not give its golden vectors.
    """
    content: dict[str, Any] = {**classifier.card.content}
    # Its answers are by the old rule, of images that are not here.
    content.pop("reference", None)
    old = content.get("localized", {})
    fitted = head or old.get("head")
    sentence = _sentence(images, head, old.get("head"))
    content["confidence"] = confidence_of(rule, content.get("confidence") or {}, len(images.files), targets)
    content["notice"] = f"{content['notice'].replace(old.get('sentence') or sentence, '').strip()} {sentence}"
    content["accuracy"] = {"side": "local, cross-fitted", "runtime": classifier.runtime, **shown}
    content["localized"] = {
        "from_sha256": classifier.file.sha256,
        "targets": targets.texts(),
        "images": len(images.files),
        "patients": len(set(images.patients)),
        "patients_known": images.patients_known,
        "classes": dict(sorted(Counter(images.labels[number] for number in images.truth).items())),
        "refused": int(images.refused.sum()),
        "data_sha256": images.digest,
        "training_excluded": images.run_known,
        "accuracy_before": old.get("accuracy_before") or classifier.card.content.get("accuracy"),
        "sentence": sentence,
        "notes": [*notes, *(head_notes(fitted) if fitted else [])],
    }
    own, files = without_files(classifier.file.content)
    if network is not None:
        own = _with_other_scores(content, network, files, classifier, dict(head or {}))
    elif "head" in old:
        # An earlier refit, whose images the layer still knows.
        content["localized"]["head"] = old["head"]

    def packed(card: Mapping[str, Any]) -> bytes:
        return with_files(own, {**files, CARD_FILE: json.dumps(card, separators=(",", ":")).encode()})

    if content.get("golden"):
        renewed = Classifier(replace(classifier.file, content=packed(content), proven=False))
        content["golden"] = with_answers(content["golden"], renewed, files)
    made = packed(content)
    if network is not None and content.get("golden"):
        _check(Classifier(replace(classifier.file, content=made, proven=False)))
    return made


def _sentence(images: LocalImages, head: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> str:
    """Return what stands beside every answer; head: what is said of a layer that the same images fitted; before: what a card says of an earlier refit."""
    places = len(set(images.sources))
    on = f"on {counted(len(images.files), 'labelled image')} of {place_of(places)}"
    if head:
        again = "once more " if before else ""
        chosen = f"The last layer was refitted {again}and thresholds were chosen {on}"
    elif before:
        fitted = f"{counted(before['images'], 'labelled image')} of {place_of(before['places'])}"
        chosen = f"The last layer was refitted on {fitted}, and then thresholds were chosen {on}"
    else:
        chosen = f"Thresholds were chosen {on}"
    whose = "its" if places == 1 else "their"
    held = f"{chosen}; they hold there, for as long as {whose} patients and devices stay the same."
    return f"{held} {SOURCE_TELLS}" if (head or before or {}).get("source_tells") else held


def _with_other_scores(
    content: dict[str, Any], network: bytes, files: Mapping[str, bytes], classifier: Classifier, head: dict[str, Any]
) -> bytes:
    """Renew what a card says of a network that gives other scores; return the network with metadata that say it, too."""
    content["against_keras"] = head.pop("acceptance")
    content["localized"]["head"] = head
    own = described_by(cast(CardContent, {**content, "outputs": classifier.card.outputs}), network)
    content["network"] = {"bytes": len(own), "sha256": hashlib.sha256(own).hexdigest()}
    if content.get("golden"):
        pictures = {one["image"]: files[one["image"]] for one in content["golden"]["vectors"]}
        spec, labels = classifier.card.preprocess, classifier.card.labels
        content["golden"] = golden_vectors(Interpreter(own), spec, labels, pictures)
    return own


def _check(made: Classifier) -> None:
    found = verify(made)
    if not found.passed:
        raise RefusedError(
            f"A file that gives its golden vectors is required. Got: {found.labels_equal} of {found.vectors} labels equal, largest difference "
            f"{found.largest_difference:.4f}, {found.answers_said}."
        )


def confidence_of(rule: DecisionRule, old: Mapping[str, Any], images: int, targets: Targets) -> dict[str, Any]:
    """Return a rule as a card's "confidence" (JSON types); old: what stood there, for a risk that was not asked for anew."""
    assert rule.bias is not None

    def named(values: NDArray[np.float64]) -> dict[str, float]:
        return {label: one for label, one in zip(rule.labels, values.tolist(), strict=True) if not np.isnan(one)}

    found: dict[str, Any] = {
        "temperature": rule.temperature,
        "abstain_below": rule.abstain_below,
        "risk": old.get("risk") if targets.risk is None else targets.risk,
        "images": images,
        "bias": named(rule.bias),
    }
    if rule.class_abstain_below is not None:
        found["abstain_below_class"] = named(rule.class_abstain_below)
    if rule.answer_from is not None:
        found["answer_from"] = named(rule.answer_from)
    return {key: value for key, value in found.items() if value is not None}
