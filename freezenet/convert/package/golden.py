"""Golden vectors: small images inside the model file with the pixels, scores and answers that a device must reproduce.

The images are generated phantoms and no patient's, because they leave the hospital with every copy of the model.
Each is exactly twice the input size: the area resize of a factor 2 is integer arithmetic, equal on every processor.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping

import cv2
import numpy as np

from freezenet.edge_runtime.card import Golden, GoldenVector
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.images.preprocess import PreprocessSpec, pixel_hash
from freezenet.edge_runtime.integrity.answers import golden_answer
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.train.data.phantoms import PATTERNS, draw_phantom


def golden_images(spec: PreprocessSpec) -> dict[str, bytes]:
    """Return file name -> PNG bytes, one phantom of each pattern, without noise so that the files stay small."""
    images = {}
    for number, pattern in enumerate(PATTERNS):
        phantom = draw_phantom(pattern, 2 * max(spec.size), np.random.default_rng(number), noise=0.0)
        phantom = phantom[: 2 * spec.size[0], : 2 * spec.size[1]] // 64 * 64  # 4 gray levels compress well
        encoded = cv2.imencode(".png", phantom, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
        images[f"golden-{number}.png"] = encoded.tobytes()
    return images


def golden_vectors(interpreter: Interpreter, spec: PreprocessSpec, labels: tuple[str, ...]) -> Golden:
    """Record what this machine computes: runtime, and image, pixels' SHA-256 and scores of each vector."""
    vectors: list[GoldenVector] = []
    for name, content in golden_images(spec).items():
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
    """Return the vectors with the whole answer to each image, as the finished file gives it through the runtime's own code.

    Args:
        golden: As `golden_vectors` returns it.
        classifier: Of the file, whose outputs and OOD gate are those of its profile.
        images: File name -> PNG bytes.
    """
    vectors: list[GoldenVector] = []
    for vector in golden["vectors"]:
        _, decision = classifier.decide(classifier.card.preprocess.pixels(images[vector["image"]]))
        vectors.append({**vector, "answer": golden_answer(decision, classifier.rule)})
    return {**golden, "vectors": vectors, "rule_sha256": classifier.card.rule_sha256}
