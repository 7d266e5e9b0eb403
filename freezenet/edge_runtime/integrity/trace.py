"""The record that lets an answer be traced: who gave it, with which model, by which rule, to which input, and when.

It stands beside each answer as `trace`; docs/trace.md documents its fields.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

from freezenet.edge_runtime.ood import LogisticGate, single_gates

if TYPE_CHECKING:
    from freezenet.edge_runtime.classifier import Classifier

#: Names the installation, where the machine's own name says too much or too little.
INSTALLATION = "FREEZENET_INSTALLATION"


class Tracer:
    """Writes the record of one classifier's answers.

    Args:
        classifier: Which answers.
        service: Which part of the software asks it, such as "predict", "watch", or "dicom-node" with its AE title.
    """

    def __init__(self, classifier: Classifier, service: str) -> None:
        """Nothing is computed yet."""
        self.classifier, self.service = classifier, service

    def __call__(self, *, input_sha256: str | None = None, time: str | None = None) -> dict[str, Any]:
        """Return the record of one answer (JSON types).

        Args:
            input_sha256: SHA-256 of the image file's bytes; None where the answer names the file alone.
            time: When it was answered, ISO 8601 in UTC; None: now.
        """
        return {
            **self._constant,
            "input_sha256": input_sha256,
            "time": time or datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }

    @cached_property
    def _constant(self) -> dict[str, Any]:
        import platform  # takes as long to import as an image to be answered

        identity, rule = self.classifier.identity, rule_record(self.classifier)
        return {
            "software": f"freezenet {_version()}",
            "installation": os.environ.get(INSTALLATION) or platform.node(),
            "service": self.service,
            "model_sha256": identity["model_sha256"],
            "card_sha256": identity["card_sha256"],
            "runtime": identity["runtime"],
            "rule": rule,
            "rule_sha256": _digest(rule),
        }


def rule_record(classifier: Classifier) -> dict[str, Any]:
    """Return how scores become an answer, as applied: task, temperature, thresholds, OOD gate, DICOM tags."""
    rule = classifier.rule
    gates = single_gates(rule.gate)
    ood = {
        "kinds": ["logistic" if isinstance(gate, LogisticGate) else "one-class" for gate in gates],
        "thresholds": [gate.threshold for gate in gates],
        "sha256": _digest(classifier.card.content.get("gate")),
    }
    thresholds = None if rule.thresholds is None else dict(zip(rule.labels, rule.thresholds.tolist(), strict=True))
    by_class = rule.class_abstain_below
    return {
        "task": "multi-class" if thresholds is None else "multi-label",
        "temperature": rule.temperature,
        "abstain_below": rule.abstain_below,
        "abstain_below_class": None if by_class is None else dict(zip(rule.labels, by_class.tolist(), strict=True)),
        "bias": None if rule.bias is None else dict(zip(rule.labels, rule.bias.tolist(), strict=True)),
        "answer_from": classifier.card.content.get("confidence", {}).get("answer_from"),
        "thresholds": thresholds,
        "ood": ood if gates else None,
        "dicom_tags": "checked" if classifier.trust_tags else "ignored",
    }


def _digest(content: object) -> str:
    """SHA-256 of JSON with sorted keys and without blanks, in hexadecimal."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("freezenet")
    except PackageNotFoundError:  # run from a folder of sources
        return "of unknown version"
