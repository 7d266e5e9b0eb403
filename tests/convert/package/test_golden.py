from __future__ import annotations

import hashlib

import numpy as np
import pytest
import tensorflow as tf

from freezenet.convert.package.golden import golden_vectors
from freezenet.convert.package.golden_pictures import golden_images
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter

SPEC = PreprocessSpec(size=(96, 96))


@pytest.fixture(scope="module")
def images():
    return golden_images(SPEC)


def decoded(content: bytes) -> np.ndarray:
    return tf.io.decode_png(content, channels=0).numpy()


def halved(image: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels, half up, in integers."""
    whole = image[..., 0].astype(np.int64)
    return ((whole[::2, ::2] + whole[1::2, ::2] + whole[::2, 1::2] + whole[1::2, 1::2] + 2) // 4).astype(np.uint8)


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_vectors_hold_what_tensorflow_computes(models, run, images, variant):
    path = models / f"{variant}.tflite"
    found = golden_vectors(Interpreter(path), SPEC, run.labels)
    assert found["runtime"].startswith("ai-edge-litert ")
    assert [vector["image"] for vector in found["vectors"]] == list(images)
    reference = tf.lite.Interpreter(model_path=str(path))
    reference.allocate_tensors()
    one, out = reference.get_input_details()[0], reference.get_output_details()[0]
    for vector in found["vectors"]:
        pixels = SPEC.pixels(images[vector["image"]])
        if vector["image"] == "golden-half.png":
            np.testing.assert_array_equal(pixels, halved(decoded(images[vector["image"]])))
        assert vector["pixels_sha256"] == hashlib.sha256(pixels.tobytes()).hexdigest()
        tensor = np.repeat(pixels[..., None], 3, -1)[None]
        if variant == "float32":
            tensor = ((tensor.astype(np.float64) - 128) / 127.5).astype(np.float32)
        reference.set_tensor(one["index"], tensor)
        reference.invoke()
        expected = reference.get_tensor(out["index"])[0]
        assert list(vector["scores"]) == list(run.labels)
        np.testing.assert_allclose(
            list(vector["scores"].values()), expected, atol=1e-4 if variant == "float32" else 0.02
        )
