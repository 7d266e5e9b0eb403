"""What only runs beside tf_keras, which needs a process of its own: one child computes, the tests compare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, log_softmax, rel_entr, softmax

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import json, sys
import numpy as np
from freezenet.convert.qat.worker import import_tf_keras
import_tf_keras()
import tensorflow as tf, tf_keras
from freezenet.convert.qat.fit import ScaledAdam, distance, logit_rms, options
from freezenet.convert.qat.quantizers import KernelQuantizer
from freezenet.convert.qat.schedule import Compression

given = {key: np.array(value, np.float32) for key, value in json.loads(sys.argv[1]).items()}
found = {}

def descend(make):
    variable = tf.Variable(given["kernel"])
    apply = make(variable)
    for _ in range(5):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum((variable - 1) ** 2)
        apply(tape.gradient(value, variable))
    return variable.numpy().tolist()

ones = np.ones((1, 1), np.float32)
ours = lambda units: lambda variable: (lambda adam: lambda gradient: adam.apply([gradient]))(ScaledAdam([variable], [units], 0.1, 100))
theirs = lambda variable: (lambda adam: lambda gradient: adam.apply_gradients([(gradient, variable)]))(
    tf_keras.optimizers.Adam(
        tf_keras.optimizers.schedules.CosineDecay(0.1, 100), epsilon=1e-8, jit_compile=False))
found["ours"], found["theirs"] = descend(ours(ones)), descend(theirs)
found["halves"] = descend(ours(ones / 2))

found["distance"] = float(distance(given["logits"], given["teacher"], 3.0))
found["rms"] = logit_rms(given["logits"], given["logits"] + given["teacher"][:, :1])

labels = options(given["logits"], "sigmoid")
chances = 1 / (1 + np.exp(-given["teacher"]))
found["distance of labels"] = float(distance(labels, np.log(np.stack([chances, 1 - chances], -1)), 3.0))

kernel = tf.constant(given["kernel"])
with tf.GradientTape() as tape:
    tape.watch(kernel)
    rounded = KernelQuantizer(1, False)(kernel, training=True, weights={})
    value = tf.reduce_sum(rounded * given["upstream"])
found["rounded"], found["gradient"] = rounded.numpy().tolist(), tape.gradient(value, kernel).numpy().tolist()
largest = np.abs(given["kernel"]).max(0)
found["rounded by TensorFlow"] = tf.quantization.fake_quant_with_min_max_vars_per_channel(
    kernel, -largest, largest, narrow_range=True).numpy().tolist()

class Network:
    compressed = ["layer"]
    def __init__(self): self.mask = tf.Variable(np.ones((10, 10), np.float32)); self.table = tf.Variable(np.zeros(255, np.float32))
    def kernel(self, name): return np.arange(1, 101, dtype=np.float32).reshape(10, 10)
    def integers(self, name): return np.arange(-50, 50)
    def compression(self, name, part): return getattr(self, part)

for clusters in (0, 8):
    network = Network()
    compression = Compression(network, 0.8, clusters, epochs=4, epoch_steps=8)
    found[f"shares {clusters}"], found[f"finished {clusters}"], found[f"codes {clusters}"] = [], [], []
    for step in range(32):
        compression.before(step)
        found[f"shares {clusters}"].append(float(np.mean(network.mask.numpy() == 0)))
        found[f"finished {clusters}"].append(compression.finished)
        found[f"codes {clusters}"].append(len(np.unique(network.table.numpy())))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def given():
    rng = np.random.default_rng(0)
    shapes = {"kernel": (6, 4), "upstream": (6, 4), "logits": (5, 3), "teacher": (5, 3)}
    return {name: rng.normal(0, 2, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def found(given):
    argument = json.dumps({name: values.tolist() for name, values in given.items()})
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-c", PROGRAM, argument]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_with_units_of_one_it_is_the_adam_of_keras(found):
    np.testing.assert_allclose(found["ours"], found["theirs"], rtol=1e-5)


def test_half_the_unit_is_half_the_way(given, found):
    """Adam does not see the size of the gradient: as long as its sign stays, the way is the rate times the number of updates."""
    far = np.abs(given["kernel"] - 1) > 1
    for name, way in (("ours", 0.5), ("halves", 0.25)):
        moved = np.abs(np.array(found[name]) - given["kernel"])[far]
        np.testing.assert_allclose(moved, way, rtol=0.1)


def test_the_loss_is_the_divergence_of_both_softened(given, found):
    teacher, student = (softmax(given[name].astype(np.float64) / 3, -1) for name in ("teacher", "logits"))
    assert found["distance"] == pytest.approx(9 * rel_entr(teacher, student).sum(1).mean(), rel=1e-5)


def test_the_loss_of_labels_is_the_sum_of_their_binary_divergences(given, found):
    teacher, student = (expit(given[name].astype(np.float64) / 3) for name in ("teacher", "logits"))
    expected = rel_entr(teacher, student) + rel_entr(1 - teacher, 1 - student)
    assert found["distance of labels"] == pytest.approx(9 * expected.sum(1).mean(), rel=1e-5)


def test_a_constant_on_all_logits_of_an_image_is_no_difference(found):
    assert found["rms"] == pytest.approx(0, abs=1e-6)


def test_log_probabilities_are_logits_but_for_a_constant(given):
    """Which is why a teacher's scores are enough."""
    difference = given["logits"] - log_softmax(given["logits"], -1)
    np.testing.assert_allclose(difference, difference[:, :1].repeat(3, 1), atol=1e-5)


def test_kernels_are_rounded_as_by_tensorflow_and_pass_the_gradient(given, found):
    np.testing.assert_allclose(found["rounded"], found["rounded by TensorFlow"], atol=1e-5)
    np.testing.assert_allclose(found["gradient"], given["upstream"], rtol=1e-6)
    integers = np.array(found["rounded"]) / (np.abs(given["kernel"]).max(0) / 127)
    np.testing.assert_allclose(integers, np.rint(integers), atol=1e-3)
    assert np.abs(np.array(found["rounded"]) - given["kernel"]).max() > 1e-4


@pytest.mark.parametrize("clusters", [0, 8])
def test_zeros_grow_to_half_way_and_codes_come_then(found, clusters):
    """32 steps, so that half-way is step 16; Zhu & Gupta (2017), equation 1, gives the share in between."""
    shares = found[f"shares {clusters}"]
    assert shares[0] == 0 and shares == sorted(shares)
    assert shares[8] == pytest.approx(0.8 * (1 - (1 - 8 / 16) ** 3), abs=0.01)
    assert set(shares[16:]) == {0.8} and shares[12] < 0.8
    assert found[f"finished {clusters}"] == [step >= 16 for step in range(32)]
    codes = found[f"codes {clusters}"]
    assert set(codes[:16]) == {1}
    assert all(count == 1 if clusters == 0 else 3 < count <= 8 for count in codes[16:])
