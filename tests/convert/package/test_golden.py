from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest
import tensorflow as tf

from freezenet.convert.package.golden import golden_images, golden_vectors
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter

SPEC = PreprocessSpec(size=(96, 96))


@pytest.fixture(scope="module")
def images():
    return golden_images(SPEC)


def decoded(content: bytes) -> np.ndarray:
    return tf.io.decode_png(content, channels=0).numpy()


def test_equal_bytes_every_time(images):
    assert golden_images(SPEC) == images


def test_one_small_gray_image_of_twice_the_size_for_each_pattern(images):
    assert list(images) == [f"golden-{number}.png" for number in range(4)]
    for content in images.values():
        assert decoded(content).shape == (192, 192, 1)
        assert len(content) < 40_000
    assert len(set(images.values())) == 4


def test_images_of_an_oblong_input():
    for content in golden_images(PreprocessSpec(size=(64, 96))).values():
        assert decoded(content).shape == (128, 192, 1)


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
        pixels = halved(decoded(images[vector["image"]]))
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


def test_nothing_of_a_patient_leaves_with_the_model(images, phantoms):
    """No golden image is one of the data set, also not after the resize."""
    of_data = {cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).tobytes() for path in phantoms.parent.rglob("*.png")}
    for content in images.values():
        assert halved(decoded(content)).tobytes() not in of_data
