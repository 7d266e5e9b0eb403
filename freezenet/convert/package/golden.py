"""Golden vectors: small images inside the model file with the pixels and scores that a device must reproduce.

The images are generated phantoms and no patient's, because they leave the hospital with every copy of the model.
Each is exactly twice the input size: the area resize of a factor 2 is integer arithmetic, equal on every processor.
"""

from __future__ import annotations

import platform
from typing import Any

import cv2
import numpy as np

from freezenet.edge_runtime.images.preprocess import PreprocessSpec, pixel_hash
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


def golden_vectors(interpreter: Interpreter, spec: PreprocessSpec, labels: tuple[str, ...]) -> dict[str, Any]:
    """Record what this machine computes: runtime, and image, pixels' SHA-256 and scores of each vector."""
    vectors = []
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
