"""JAX and PyTorch give what TensorFlow gives: the losses' values, and a training whose model TensorFlow reads."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from freezenet.train.losses.focal import BinaryFocalCrossentropy, FocalCrossentropy
from freezenet.train.losses.weighted import WeightedCrossentropy

PROGRAM = """
import json, sys
import numpy as np, keras
from keras import ops
assert keras.backend.backend() == sys.argv[1]
content = json.load(open(sys.argv[2]))
y, p = np.array(content["y"], "float32"), np.array(content["p"], "float32")
import freezenet.train.losses.focal
print(json.dumps([ops.convert_to_numpy(keras.losses.deserialize(one)(y, p)).item() for one in content["losses"]]))
"""


@pytest.fixture(params=["jax", "torch"])
def backend(request):
    """The name of a backend that is installed here."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed (freezenet[{request.param}] brings it)")
    return request.param


def on(backend: str, *words: object) -> str:
    environment = {**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, *map(str, words)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_losses_have_the_same_values(backend, tmp_path):
    rng = np.random.default_rng(0)
    y = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 20)]
    p = rng.dirichlet(np.ones(4), 20).astype(np.float32)
    weights = [0.5, 1.0, 1.5, 1.0]
    losses = [
        WeightedCrossentropy(weights, 0.1),
        WeightedCrossentropy(weights),
        FocalCrossentropy(weights, 1.5),
        BinaryFocalCrossentropy(0.3, 1.5),
    ]
    file = tmp_path / "losses.json"
    file.write_text(json.dumps({
        "y": y.tolist(), "p": p.tolist(), "losses": [keras.losses.serialize(loss) for loss in losses],
    }))  # fmt: skip
    found = json.loads(on(backend, "-c", PROGRAM, backend, file).splitlines()[-1])
    np.testing.assert_allclose(found, [float(loss(y, p)) for loss in losses], rtol=1e-5)


def test_a_model_trained_there_answers_the_same_here(backend, phantoms, tmp_path):
    out = tmp_path / "run"
    keys = ("image_size=64", "alpha=.35", "epochs=2", "batch_size=32", "learning_rate=1e-3", "schedule=cosine")
    settings = [word for key in keys for word in ("--set", key)]
    on(
        backend,
        "-m",
        "freezenet",
        "train",
        phantoms,
        "--out",
        out,
        "--weights",
        "none",
        *settings,
        "--cache",
        tmp_path / "c",
    )
    assert json.loads((out / "run.json").read_text())["backend"] == backend
    from freezenet.train.data.images import read_images
    from freezenet.train.data.loading import load
    from freezenet.train.network.predict import predict
    from freezenet.train.run import Run

    run = Run.open(out)
    with (out / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    written = np.array([[float(row[label]) for label in run.labels] for row in rows])
    images = read_images(load(phantoms), run.recipe.preprocess)
    np.testing.assert_allclose(predict(run.model(), images.pixels, run.recipe.preprocess), written, atol=2e-3)
    with (out / "history.csv").open(newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0]
