"""The new model file: the same network to the bit, with another card."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.localize.images import LocalImages
from freezenet.benchmarks.localize.targets import Targets
from freezenet.convert.package.golden import with_answers
from freezenet.convert.package.metadata import with_files
from freezenet.edge_runtime.card import CARD_FILE
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.edge_runtime.names import counted


def localized_file(
    classifier: Classifier, rule: DecisionRule, images: LocalImages, targets: Targets, shown: Mapping[str, Any]
) -> bytes:
    """Return the bytes of the model with this rule in its card; the network, its scores and all other files inside are what they were.

    Args:
        classifier: of the model.
        rule: to put in the card.
        images: that it was chosen on; only counts and a digest of them go into the card.
        targets: that it was chosen for.
        shown: accuracy figures of the rule, cross-fitted, as of `freezenet.train.task.Task.evaluate`.
    """
    content: dict[str, Any] = {**classifier.card.content}
    old = content.get("localized", {})
    sentence = (
        f"Thresholds were chosen on {counted(len(images.files), 'labelled image')} of one place; they hold there, for as long as its patients and devices stay the "
        "same."
    )
    content["confidence"] = confidence_of(rule, content.get("confidence") or {}, len(images.files), targets)
    content["notice"] = f"{content['notice'].replace(old.get('sentence') or sentence, '').strip()} {sentence}"
    content["accuracy"] = {"side": "local, cross-fitted", "runtime": classifier.runtime, **shown}
    content["localized"] = {
        "from_sha256": classifier.file.sha256,
        "targets": targets.texts(),
        "images": len(images.files),
        "patients": len(set(images.patients)),
        "classes": dict(sorted(Counter(images.labels[number] for number in images.truth).items())),
        "refused": int(images.refused.sum()),
        "data_sha256": images.digest,
        "training_excluded": images.run_known,
        "accuracy_before": old.get("accuracy_before") or classifier.card.content.get("accuracy"),
        "sentence": sentence,
    }
    network, files = _taken_apart(classifier.file)

    def packed(card: Mapping[str, Any]) -> bytes:
        return with_files(network, {**files, CARD_FILE: json.dumps(card, separators=(",", ":")).encode()})

    if content.get("golden"):
        renewed = Classifier(replace(classifier.file, content=packed(content)))
        content["golden"] = with_answers(content["golden"], renewed, files)
    return packed(content)


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


def _taken_apart(file: ModelFile) -> tuple[bytes, dict[str, bytes]]:
    """Return the flatbuffer in front of the archive, and what the archive holds by name, in its order."""
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        start = min(entry.header_offset for entry in archive.infolist())
        return file.content[:start], {entry.filename: archive.read(entry) for entry in archive.infolist()}
