"""The counts of the validation images in a card: those of the device's own answers, and nothing else."""

from __future__ import annotations

from collections import Counter

import numpy as np

from freezenet.convert.package.reference import reference_counts
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.screen.summary.histogram import Histogram


def test_the_card_counts_the_answers_to_the_validation_images(models, run):
    for name in ("int8", "int8-app", "float32"):
        classifier = Classifier(models / f"{name}.tflite")
        reference = classifier.card.content["reference"]
        answers = [classifier.predict(path) for path, _ in run.paths("validation")]
        assert reference["split"] == "validation" and reference["images"] == len(answers)
        assert reference["answers"] == Counter(one.label or one.reason for one in answers)
        for label, counts in reference["probabilities"].items():
            values = np.array([one.probabilities[label] for one in answers])
            assert Histogram.from_dict(counts) == Histogram.of_probabilities(values)


def test_readings_of_gates_are_counted_and_gated_images_have_no_probabilities(phone_model, run):
    classifier = Classifier(phone_model)
    reference = classifier.card.content["reference"]
    paths = [path for path, _ in run.paths("validation")]
    readings = np.array([classifier.predict(path).ood for path in paths])
    assert [Histogram.from_dict(one).total for one in reference["ood"]] == [len(paths)] * readings.shape[1]
    assert readings.shape[1] >= 1
    noise = np.random.default_rng(0).integers(0, 256, (2, 96, 96), np.uint8)
    found = reference_counts(classifier, np.concatenate([noise, np.zeros((1, 96, 96), np.uint8)]))
    refused = found["answers"].get("not a chest X-ray", 0)
    assert refused >= 1 and all(sum(one["counts"]) == 3 - refused for one in found["probabilities"].values())
