"""The network in the form that each engine reads: the files of the MODELS folder, and what current converters make of them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.files import write_atomically
from studies.clients.question import model_files
from studies.clients.runtimes import installed_version
from studies.tools import MissingToolError, run_tool

if TYPE_CHECKING:
    from freezenet.train.run import Run

#: Version of ONNX's operators.
_OPSET = "17"
#: Training images that ranges are measured on: what `freezenet convert` takes without being told.
_CALIBRATION_IMAGES = 100
_PROGRAM = Path(__file__).parent / "programs" / "quantizing.py"
#: Quantizer in programs/quantizing.py -> its package and how its files end.
QUANTIZERS = {
    "quantize_static": ("onnxruntime", ".onnx"),
    "NNCF": ("nncf", ".xml"),
    "ai-edge-quantizer": ("ai-edge-quantizer", ".tflite"),
}


@dataclass(frozen=True)
class Networks:
    """One network as files; what is converted is converted once.

    Every method raises MissingToolError with the reason where there is no such file.

    Args:
        model: the file that is measured, in a MODELS folder.
        card: that of the file.
        work: folder for what is converted.
        run: what it was converted from, for those that calibrate or are Keras's; None leaves them out.
        data: where the run's DATA lies now, if it was moved.
    """

    model: Path
    card: ModelCard
    work: Path
    run: Run | None = None
    data: Path | None = None

    def variant(self, name: str, app: bool = False) -> Path:
        """Return the file of a variant in the folder of the model; `app` is the one that has scores as its only output."""
        if not (self.model.parent / "conversion.json").is_file():
            raise MissingToolError(f"A MODELS folder with conversion.json is required. Got: {self.model.name} alone.")
        files = model_files(self.model.parent, app=app)
        if name not in files or not files[name].is_file():
            raise MissingToolError(f"The variant {name} beside {self.model.name} is required. Got: none.")
        return files[name]

    def onnx(self, name: str) -> Path:
        """Return what tf2onnx makes of a variant."""
        installed_version("tf2onnx")
        model = self.variant(name, app=True)
        target = self.work / f"{model.stem}.onnx"
        if not target.is_file():
            command = [sys.executable, "-m", "tf2onnx.convert", "--tflite", str(model), "--output", str(target)]
            run_tool([*command, "--opset", _OPSET], f"A conversion of {model.name} by tf2onnx")
        return target

    def quantized(self, quantizer: str) -> Path:
        """Return the int8 network that one of QUANTIZERS makes of the float32 one, with its usual settings.

        Ranges are measured on the training images that `freezenet convert` measured those of the model's folder on.
        """
        package, suffix = QUANTIZERS[quantizer]
        installed_version(package)
        source = self.onnx("float32") if suffix == ".onnx" else self.variant("float32", app=True)
        target = self.work / f"{quantizer}{suffix}"
        if not target.is_file():
            request = {"quantizer": quantizer, "model": source, "target": target, "tensors": self._calibration}
            asked = json.dumps({key: str(value) for key, value in request.items()})
            run_tool([sys.executable, str(_PROGRAM), asked], f"A quantization by {quantizer}")
        return target

    def keras(self) -> Path:
        """Return the trained network as Keras saved it."""
        installed_version("keras")
        file = self._run.model_file
        if not file.is_file():
            raise MissingToolError(f"A RUN with {file.name} is required. Got: {self._run.folder.name} without one.")
        return file

    @property
    def _run(self) -> Run:
        if self.run is None:
            raise MissingToolError("The RUN of the model is required; name it with --run. Got: none.")
        return self.run

    @cached_property
    def _calibration(self) -> Path:
        """A file with the calibration images as the float32 network takes them, (n, h, w, 3) float32."""
        from freezenet.convert.ptq.calibration import choose_calibration

        chosen = choose_calibration(self._run, _CALIBRATION_IMAGES, self.data)
        own = self.card.content["calibration"].get("sha256", chosen.sha256)
        if own != chosen.sha256:
            raise MissingToolError(
                f"The RUN that {self.model.name} was converted from, with {_CALIBRATION_IMAGES} calibration images, is required for a fair "
                f"comparison. Got: {self._run.folder.name}, of which others would be chosen."
            )
        spec = self.card.preprocess
        tensors = np.concatenate([spec.network_input(image, np.float32) for image in chosen.pixels])
        file = self.work / "calibration.npy"
        write_atomically(file, lambda temporary: _save(temporary, tensors))
        return file


def _save(path: Path, tensors: np.ndarray) -> None:
    # np.save appends .npy to a name that lacks it, as a temporary one does.
    with path.open("wb") as file:
        np.save(file, tensors)
