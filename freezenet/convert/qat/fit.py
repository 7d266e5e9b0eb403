"""Train a network with rounding inside towards the answers of the float network it came from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import NDArray

from freezenet.convert.qat.features import Features
from freezenet.convert.qat.network import Network
from freezenet.convert.qat.schedule import Compression
from freezenet.edge_runtime.errors import SettingError

_BATCH = 64

#: What is known of an epoch, by name.
Figures = dict[str, Any]


@dataclass(frozen=True)
class TaughtFeatures:
    """Images of one split: features, and the teacher's log-probabilities (n, classes) float32."""

    features: Features
    teacher: NDArray[np.float32]


@dataclass(frozen=True)
class Outcome:
    """history: figures of each epoch, 0 before the first step. logits: (n, classes) of the validation images."""

    history: list[Figures]
    best_epoch: int
    start_logits: NDArray[np.float32]
    logits: NDArray[np.float32]
    weights: dict[str, list[NDArray[np.float32]]]


@dataclass(frozen=True)
class _Epoch:
    """The best epoch so far."""

    number: int
    figures: Figures
    logits: NDArray[np.float32]
    weights: dict[str, list[NDArray[np.float32]]]


class ScaledAdam:
    """Keras' Adam on weights that are counted in multiples of a unit, with half a cosine from the given rate to 0.

    A fused kernel's channels differ in size by orders of magnitude, and with them what a change by the same amount does:
    where one weight jumps over many integers another never reaches the next. So a learning rate of r moves each weight by
    about r of its own channel's scales, and each bias by r scales of the activation it is added to. Only the given variables
    are changed. Adam: Kingma & Ba 2015; cosine: Loshchilov & Hutter 2017, equation 5.
    """

    def __init__(self, variables: list[Any], units: list[NDArray[np.float32]], rate: float, updates: int) -> None:
        """Keep the variables and a second set of them, in units.

        Args:
            variables: what is trained.
            units: the unit of each, of a shape that broadcasts to the variable's.
            rate: learning rate at the start.
            updates: number of updates after which it is 0.
        """
        self._variables = variables
        self._units = [tf.constant(unit, tf.float32) for unit in units]
        self._counts = [tf.Variable(variable / unit) for variable, unit in zip(variables, self._units, strict=True)]
        schedule = tf_keras.optimizers.schedules.CosineDecay(rate, updates)
        self._adam = tf_keras.optimizers.Adam(schedule, epsilon=1e-8, jit_compile=False)
        self._adam.build(self._counts)  # outside of the traced step, which may make no variables

    def apply(self, gradients: list[Any]) -> None:
        """Change the variables by one update."""
        scaled = [gradient * unit for gradient, unit in zip(gradients, self._units, strict=True)]
        self._adam.apply_gradients(zip(scaled, self._counts, strict=True))
        for variable, unit, count in zip(self._variables, self._units, self._counts, strict=True):
            variable.assign(count * unit)


def options(logits: Any, head: str) -> Any:
    """Return the logits of the options of each decision: (n, classes) for softmax, (n, labels, 2) for sigmoid.

    logits: (n, classes). A sigmoid decides about each label between "yes" and "no": sigmoid(z) is the first of softmax(z, 0).
    """
    return logits if head == "softmax" else tf.stack([logits, tf.zeros_like(logits)], -1)


def distance(logits: Any, teacher: Any, temperature: float) -> Any:
    """Return T^2 KL(teacher || student), summed over decisions, averaged over images: both are softened by the temperature T.

    logits, teacher: (n, ..., options) logits or log-probabilities, see `options`. Hinton et al., Distilling the Knowledge in a
    Neural Network, 2015, section 2: T^2 keeps the gradient's size.
    """
    wanted = tf.nn.log_softmax(teacher / temperature)
    found = tf.nn.log_softmax(logits / temperature)
    divergence = tf.exp(wanted) * (wanted - found)
    return temperature**2 * tf.reduce_mean(tf.reduce_sum(divergence, list(range(1, divergence.shape.rank))))


def fit(
    network: Network,
    cut: str,
    training: TaughtFeatures,
    validation: TaughtFeatures,
    settings: dict[str, Any],
    head: str,
    report: Callable[[str], None],
) -> Outcome:
    """Train the network's trained layers above the cut and return the weights of the best epoch.

    settings: see `freezenet.convert.options.QatSettings`. head: "softmax" or "sigmoid". The best epoch is the one of least validation loss among those that agree with
    the teacher on at least as many validation images as the start does, the start being one of them. Of a network that is
    to be pruned or clustered it is the one of least validation loss once it is.
    """
    _, suffix = network.split(cut)
    steps = math.ceil(len(training.teacher) / settings["batch_size"])
    total = steps * settings["epochs"]
    optimizer = ScaledAdam(network.trained, network.units(), settings["learning_rate"], total)
    answer = tf.function(lambda inputs: suffix(inputs, training=False), reduce_retracing=True)

    @tf.function(reduce_retracing=True)
    def step(inputs, teacher):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(network.trained)
            value = distance(options(suffix(inputs, training=False), head), teacher, settings["temperature"])
        optimizer.apply(tape.gradient(value, network.trained))
        return value

    def validate(epoch: int, trained_loss: float | None) -> tuple[Figures, NDArray[np.float32]]:
        starts = range(0, len(validation.teacher), _BATCH)
        batches = [answer(tf.constant(validation.features.batch(slice(one, one + _BATCH)))) for one in starts]
        logits = np.concatenate([batch.numpy() for batch in batches])
        found, teacher = np.asarray(options(logits, head)), validation.teacher
        same = (found.argmax(-1) == teacher.argmax(-1)).reshape(len(teacher), -1).all(1)
        figures: Figures = {
            "epoch": epoch,
            "loss": trained_loss,
            "validation_loss": float(distance(found, teacher, settings["temperature"])),
            "validation_agreement": float(np.mean(same)),
            "validation_logit_rms": logit_rms(found, teacher),
        }
        return figures, logits

    figures, start_logits = validate(0, None)
    history = [figures]
    report(_line(figures))
    compression = Compression(network, settings["sparsity"], settings["clusters"], settings["epochs"], steps)
    # What is compressed cannot be measured by a start that is not.
    start = None if network.compressed else figures
    best = None if network.compressed else _Epoch(0, figures, start_logits, network.weights())
    done = 0
    for epoch in range(1, settings["epochs"] + 1):
        order = np.random.default_rng([settings["seed"], epoch]).permutation(len(training.teacher))
        sum_of_losses = 0.0
        for first in range(0, len(order), settings["batch_size"]):
            compression.before(done)
            rows = order[first : first + settings["batch_size"]]
            value = step(tf.constant(training.features.batch(rows)), tf.constant(training.teacher[rows]))
            sum_of_losses += float(value) * len(rows)
            done += 1
        figures, logits = validate(epoch, sum_of_losses / len(order))
        history.append(figures)
        report(_line(figures))
        if not np.isfinite(logits).all() or not math.isfinite(sum_of_losses):
            raise SettingError(
                f"A finite loss is required in quantization-aware training. Got: NaN or infinity in epoch {epoch}; lower "
                f"learning_rate ({settings['learning_rate']:g})."
            )
        if compression.finished and (best is None or _better(figures, best.figures, start)):
            best = _Epoch(epoch, figures, logits, network.weights())
    assert best is not None  # compression is finished in the last epoch
    return Outcome(history, best.number, start_logits, best.logits, best.weights)


def logit_rms(logits: NDArray, teacher: NDArray) -> float:
    """Return the root of the mean squared difference of logits (n, ..., options), each decision's mean difference taken off.

    teacher: logits or log-probabilities, which differ from logits by one number for each decision.
    """
    difference = (logits - teacher).astype(np.float64)
    difference -= difference.mean(-1, keepdims=True)
    return float(np.sqrt((difference**2).mean()))


def _better(figures: Figures, best: Figures, start: Figures | None) -> bool:
    if start is not None and figures["validation_agreement"] < start["validation_agreement"]:
        return False
    return figures["validation_loss"] < best["validation_loss"]


def _line(figures: Figures) -> str:
    return (
        f"quantized epoch {figures['epoch']}: validation loss {figures['validation_loss']:.4f}, "
        f"agreement with the float network {figures['validation_agreement']:.1%}"
    )
