"""Golden vectors: small images inside the model file with the pixels, scores and answers that a device must reproduce.

The images are those of `freezenet.convert.package.golden_pictures`.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping

from freezenet.convert.package.golden_decisions import golden_decisions
from freezenet.convert.package.golden_pictures import golden_images
from freezenet.edge_runtime.card import Golden, GoldenVector
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.images.preprocess import PreprocessSpec, pixel_hash
from freezenet.edge_runtime.integrity.answers import golden_answer
from freezenet.edge_runtime.interpreter import Interpreter


def golden_vectors(
    interpreter: Interpreter, spec: PreprocessSpec, labels: tuple[str, ...], images: Mapping[str, bytes] | None = None
) -> Golden:
    """Record what this machine computes: runtime, and image, pixels' SHA-256 and scores of each vector.

    Args:
        interpreter: Of the network.
        spec: Of the model.
        labels: In score order.
        images: File name -> content, those that lie in a file; None draws them.
    """
    vectors: list[GoldenVector] = []
    for name, content in (golden_images(spec) if images is None else images).items():
        pixels = spec.pixels(content)
        scores = interpreter.invoke(spec.network_input(pixels, interpreter.inputs[0]["dtype"]))[0][0]
        vectors.append({
            "image": name,
            "pixels_sha256": pixel_hash(pixels),
            "scores": dict(zip(labels, [float(score) for score in scores], strict=True)),
        })  # fmt: skip
    runtime = f"{interpreter.name} {platform.machine()}"
    return {"runtime": runtime, "vectors": vectors}


def with_answers(golden: Golden, classifier: Classifier, images: Mapping[str, bytes]) -> Golden:
    """Return the vectors with the whole answer to each image, and decisions beside them, as the finished file gives it through the runtime's own code.

    Args:
        golden: As `golden_vectors` returns it.
        classifier: Of the file, whose outputs and OOD gate are those of its profile.
        images: File name -> PNG bytes.
    """
    vectors: list[GoldenVector] = []
    for vector in golden["vectors"]:
        _, decision = classifier.decide(classifier.card.preprocess.pixels(images[vector["image"]]))
        vectors.append({**vector, "answer": golden_answer(decision, classifier.rule)})
    card = classifier.card
    return {
        **golden,
        "vectors": vectors,
        "rule_sha256": card.rule_sha256,
        "decisions": golden_decisions(card.content),
    }
