"""The TFLite interpreter behind one door: ai-edge-litert, tflite-runtime or TensorFlow, whichever is installed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freezenet.edge_runtime.errors import MissingExtraError, ModelError, SettingError, one_line, require_type
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.edge_runtime.system.chatter import without_chatter

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: More wait for each other on any device that this is for.
MOST_THREADS = 256
#: Interpreters in order of preference: name -> module that holds `Interpreter`.
RUNTIMES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
    "tensorflow": "tensorflow.lite.python.interpreter",  # the package tensorflow.lite itself holds no names
}


class Interpreter:
    """One loaded model; not thread-safe: one per worker.

    Args:
        model: Path of a .tflite file, which is read once, or its bytes, which several interpreters may share.
        threads: CPU threads of one inference; more than one can be slower on a busy machine, so measure.
        runtime: A key of RUNTIMES, or None for the first that is installed.
        shape: Of the input, for a model that leaves sides of it open.

    Raises:
        MissingExtraError: No runtime is installed, or it cannot start.
        ModelError: The model is missing, or the runtime cannot read it.
        SettingError: There is no such runtime, or no thread.
    """

    def __init__(
        self,
        model: str | Path | bytes,
        threads: int = 1,
        *,
        runtime: str | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        """Load the model and allocate its tensors."""
        require_type("threads", threads, int)
        if not 1 <= threads <= MOST_THREADS:
            raise SettingError(f"From 1 to {MOST_THREADS} threads are required. Got: {threads}.")
        if runtime is not None and runtime not in RUNTIMES:
            raise SettingError(f"A runtime of {', '.join(RUNTIMES)} is required. Got: {runtime}.")
        self.runtime = runtime or installed_runtime()
        self.threads = threads
        file = ModelFile(Path("bytes"), model) if isinstance(model, bytes) else ModelFile.read(model)
        file.check_format()
        # Kept, because the runtime reads the weights where they lie. Never the path: a mapped file changes under the process.
        self._content = file.content
        try:
            engine = import_module(RUNTIMES[self.runtime]).Interpreter
            # XNNPACK greets each model on stderr; what is wrong with one is said by an exception.
            with without_chatter():
                self._engine = engine(num_threads=threads, model_content=self._content)
                if shape is not None:
                    self._engine.resize_tensor_input(self._engine.get_input_details()[0]["index"], shape)
                self._engine.allocate_tensors()
        except (SystemError, AttributeError, ImportError) as error:
            raise MissingExtraError(_start_failure(self.runtime, error)) from None
        except (ValueError, RuntimeError) as error:
            reason = one_line(error, 200)
            raise ModelError(
                f"A model that {self.name} can run is required. Got: {reason} "
                "(a damaged file, or operators newer than the runtime)."
            ) from None
        self.inputs: list[dict[str, Any]] = self._engine.get_input_details()
        self.outputs: list[dict[str, Any]] = self._engine.get_output_details()

    @property
    def name(self) -> str:
        """Name and version of the runtime, e.g. "ai-edge-litert 2.3.0"."""
        return f"{self.runtime} {runtime_version(self.runtime)}"

    def invoke(self, tensor: NDArray) -> list[NDArray]:
        """Run one input tensor of the model's shape and dtype; return copies of all outputs, in model order.

        Integer outputs with a scale are returned as the float32 numbers that they stand for, scale * (integer - zero_point).
        ModelError where the network cannot be computed, as a damaged one cannot.
        """
        try:
            self._engine.set_tensor(self.inputs[0]["index"], tensor)
            self._engine.invoke()
        except (ValueError, RuntimeError) as error:
            raise ModelError(
                f"A network that can be computed for an input of {' x '.join(map(str, tensor.shape))} is required. "
                f"Got: {one_line(error, 200)} (a damaged file, or another input than the model's)."
            ) from None
        return [dequantized(self._engine.get_tensor(output["index"]), output) for output in self.outputs]

    def again(self) -> None:
        """Run once more on the tensor that was given last and copy nothing, for who measures time."""
        self._engine.invoke()

    def resize(self, shape: tuple[int, ...]) -> None:
        """Give the input a shape, of a model that leaves sides of it open; ModelError where the network cannot have it."""
        try:
            self._engine.resize_tensor_input(self.inputs[0]["index"], shape)
            self._engine.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(
                f"A size that the model can take is required. Got: {' x '.join(map(str, shape))}: {one_line(error, 200)}."
            ) from None
        self.inputs, self.outputs = self._engine.get_input_details(), self._engine.get_output_details()

    def zero_others(self) -> None:
        """Set every input but the first to zeros, of a network that takes more than the image."""
        for one in self.inputs[1:]:
            self._engine.set_tensor(one["index"], np.zeros(one["shape"], one["dtype"]))

    def operators(self) -> list[dict[str, Any]]:
        """Return a dictionary for each operator of the model, with its name under "op_name"."""
        return self._engine._get_ops_details()  # the runtimes offer no public way


def dequantized(tensor: NDArray, details: dict[str, Any]) -> NDArray:
    """Return the float32 numbers that an integer tensor stands for; one without a scale as it is.

    Args:
        tensor: Of the network.
        details: What the runtime says about it: "quantization" is (scale, zero_point).
    """
    scale, zero_point = details["quantization"]
    if not scale or tensor.dtype.kind not in "iu":
        return tensor
    return (tensor.astype(np.int32) - np.int32(zero_point)).astype(np.float32) * np.float32(scale)


def installed_runtime() -> str:
    """Return the first installed key of RUNTIMES."""
    for name, module in RUNTIMES.items():
        if find_spec(module.partition(".")[0]) is not None:
            return name
    raise MissingExtraError(
        "A TFLite interpreter is required. Got: none installed; run: pip install ai-edge-litert "
        "(on 32-bit ARM: pip install tflite-runtime 'numpy<2')."
    )


def runtime_version(runtime: str) -> str:
    """Return the installed version of a key of RUNTIMES, e.g. "2.3.0"."""
    package = import_module(RUNTIMES[runtime].partition(".")[0])
    version = getattr(package, "__version__", None)
    if version is None:  # importlib.metadata takes longer to import than a model to answer, so only as a fallback
        from importlib.metadata import version as installed_version

        version = installed_version(runtime)
    return str(version)


def _start_failure(runtime: str, error: Exception) -> str:
    if isinstance(error, ImportError) and runtime.replace("-", "_") in str(error):
        return f"The runtime {runtime} is required. Got: it is not installed; run: pip install {runtime}."
    if runtime == "tflite-runtime" and int(np.__version__.partition(".")[0]) >= 2:
        return (
            f"tflite-runtime requires NumPy 1. Got: NumPy {np.__version__}; run: pip install 'numpy<2', "
            "or use ai-edge-litert."
        )
    return f"A working {runtime} is required. Got: {type(error).__name__}: {one_line(error, 200)}."
