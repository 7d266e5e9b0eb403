"""What a model file reads in its validation images, as counts for its card: whoever screens an archive compares with them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.decision import NOT_CHEST
from freezenet.edge_runtime.ood import single_gates
from freezenet.edge_runtime.screen.summary.histogram import Histogram, answer_of


def reference_counts(classifier: Classifier, pixels: NDArray[np.uint8]) -> dict[str, Any]:
    """Return the card's `reference` (JSON types): counts alone, from which no image can be told.

    Args:
        classifier: Of the finished file, with the outputs of its profile.
        pixels: (n, h, w) uint8, of the validation images.
    """
    decisions = [classifier.decide(image)[1] for image in pixels]
    rule, labels = classifier.rule, classifier.card.labels
    # Of what is no chest X-ray the probabilities mean nothing.
    meant = [one.probabilities for one in decisions if one.reason != NOT_CHEST]
    probabilities = np.array(meant).reshape(-1, len(labels))
    gates = single_gates(rule.gate) if any(one.ood for one in decisions) else ()
    return {
        "split": "validation",
        "images": len(decisions),
        "answers": dict(Counter(answer_of(one.label, one.reason) for one in decisions).most_common()),
        "probabilities": {
            label: Histogram.of_probabilities(probabilities[:, number]).to_dict() for number, label in enumerate(labels)
        },
        "ood": [
            Histogram.of_readings(gate, np.array([one.ood[number] for one in decisions])).to_dict()
            for number, gate in enumerate(gates)
        ],
    }
