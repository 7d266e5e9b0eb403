"""Where the network is trained: one GPU, all of them, or the CPU, on the backend that Keras was started with.

KERAS_BACKEND chooses TensorFlow (the default), JAX or PyTorch for training; conversion stays on TensorFlow.
"""

from __future__ import annotations

import contextlib

import keras

from freezenet.edge_runtime.errors import SettingError
from freezenet.train.quiet import quiet
from freezenet.train.recipes.recipe import Recipe


def configure_devices(recipe: Recipe) -> int:
    """Return how many GPUs the run uses, and share the work out among them where the recipe asks for all.

    Raises SettingError where the device cannot compute in the recipe's precision, or share the work.
    """
    with keras.device("cpu:0") if recipe.devices == "cpu" else contextlib.nullcontext():
        error = convolution_error(recipe.precision)
    if error is not None:
        raise SettingError(
            f"A device that convolves in {recipe.precision.removeprefix('mixed_')} is required by precision={recipe.precision}. Got: one "
            "without, as processors before AVX-512 are under oneDNN; choose float32 or mixed_float16, or set TF_ENABLE_ONEDNN_OPTS=0."
        ) from error
    if recipe.devices == "cpu":
        return 0
    count = _gpus()
    if recipe.devices == "auto":
        return min(1, count)
    if keras.backend.backend() == "torch":
        raise SettingError("devices = all is required to run on TensorFlow or JAX. Got: PyTorch; choose auto or cpu.")
    if keras.backend.backend() == "jax":
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    return count


def convolution_error(precision: str) -> Exception | None:
    """Return why the current device cannot convolve in a precision, tried on one pixel; None where it can, as all can in float32.

    Args:
        precision: "float32", "mixed_float16" or "mixed_bfloat16".
    """
    if precision == "float32":
        return None
    with quiet():
        try:
            ones = keras.ops.ones((1, 1, 1, 1), precision.removeprefix("mixed_"))
            keras.ops.conv(ones, ones)
        except Exception as error:  # each backend has its own, and TensorFlow's is no subclass of anything narrower
            return error
    return None


def device_scope(recipe: Recipe) -> contextlib.AbstractContextManager:
    """Return the scope in which model and training live: a strategy over all devices, one GPU, or the CPU."""
    if recipe.devices == "cpu":
        return keras.device("cpu:0")
    if recipe.devices == "all" and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.distribute.MirroredStrategy().scope()
    return contextlib.nullcontext()


def replicas_of(model: keras.Model) -> int:
    """Return how many devices share a batch of this model."""
    if keras.backend.backend() == "tensorflow":
        return model.distribute_strategy.num_replicas_in_sync
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else distribution.device_mesh.devices.size


def compiles(has_gpu: bool) -> bool | str:
    """Return Keras' `jit_compile`; XLA is 10 to 20 times slower than TensorFlow's own kernels on a CPU for these networks."""
    return has_gpu if keras.backend.backend() == "tensorflow" else "auto"


def _gpus() -> int:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with quiet():  # without a GPU the CUDA libraries report an error that is none
            return len(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return sum(device.platform == "gpu" for device in jax.devices())
    import torch

    return torch.cuda.device_count()
