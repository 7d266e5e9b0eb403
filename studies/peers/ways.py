"""The ways from a file to an answer that are compared, and what each needs before it can start."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.card import ModelCard
from studies.clients import mediapipe
from studies.clients.question import model_files
from studies.clients.runtimes import installed_version
from studies.tools import MissingToolError, run_tool, virtual_environment

#: Version of ONNX's operators.
_OPSET = "17"


@dataclass(frozen=True)
class Setting:
    """What the ways are made from.

    model: the file that is measured. card: that of the file. tools: folder of the clients' environments.
    work: folder for what is converted.
    """

    model: Path
    card: ModelCard
    tools: Path
    work: Path

    def app_file(self, variant: str) -> Path:
        """Return the file of a variant that has scores as its only output, from the folder of the model."""
        if not (self.model.parent / "conversion.json").is_file():
            raise MissingToolError(f"A MODELS folder with conversion.json is required. Got: {self.model.name} alone.")
        files = model_files(self.model.parent, app=True)
        if variant not in files or not files[variant].is_file():
            raise MissingToolError(f"The variant {variant} beside {self.model.name} is required. Got: none.")
        return files[variant]


@dataclass(frozen=True)
class Start:
    """How a way's process is started: its Python, and the request for programs/answering_files.py."""

    python: Path
    request: dict[str, Any]


@dataclass(frozen=True)
class Way:
    """One way; `start` raises MissingToolError with the reason where it cannot be taken here.

    pixels: who decodes and resizes. network: "int8" where it runs the file that is measured, else "float32".
    """

    name: str
    pixels: str
    network: str
    start: Callable[[Setting], Start]


#: The way that the others are compared with.
OURS = "freezenet"


def ways(card: ModelCard) -> list[Way]:
    """Return the ways for a model file of this card."""
    own = card.variant
    peers = [
        Way(f"{label}, {variant}, {pixels}", pixels, variant, _peer(engine, variant, pixels))
        for label, engine in (("ONNX Runtime", "onnxruntime"), ("OpenVINO", "openvino"))
        for variant in dict.fromkeys(("float32", own))
        for pixels in ("Pillow", "freezenet")
    ]
    return [
        Way(OURS, "freezenet", own, _this_python("freezenet")),
        Way("decode and invoke by hand", "OpenCV, no resize", own, _this_python("by_hand")),
        Way("Pillow + numpy + Interpreter", "Pillow", own, _plain),
        Way(f"MediaPipe Tasks {mediapipe.VERSION}", "MediaPipe", own, _mediapipe),
        *peers,
    ]


def _this_python(way: str) -> Callable[[Setting], Start]:
    return lambda setting: Start(Path(sys.executable), {"way": way, "model": str(setting.model)})


def _plain(setting: Setting) -> Start:
    installed_version("pillow")
    return _assembled(setting, setting.model, "interpreter", "Pillow")


def _mediapipe(setting: Setting) -> Start:
    model = setting.app_file(setting.card.variant)
    packages = [f"mediapipe=={mediapipe.VERSION}"]
    python = virtual_environment(setting.tools / f"mediapipe-{mediapipe.VERSION}", packages, newest_python=(3, 13))
    return Start(python, {"way": "mediapipe", "model": str(model)})


def _peer(engine: str, variant: str, pixels: str) -> Callable[[Setting], Start]:
    def start(setting: Setting) -> Start:
        installed_version(engine)
        installed_version("pillow")
        model = setting.app_file(variant)
        return _assembled(setting, _onnx(model, setting.work) if engine == "onnxruntime" else model, engine, pixels)

    return start


def _assembled(setting: Setting, model: Path, engine: str, pixels: str) -> Start:
    spec = setting.card.preprocess
    request = {"model": str(model), "engine": engine, "pixels": pixels, "mean": spec.mean, "std": spec.std}
    return Start(Path(sys.executable), {"way": "assembled", **request})


def _onnx(model: Path, work: Path) -> Path:
    """Return the ONNX file of a .tflite file, converted once; MissingToolError with the converter's reason."""
    installed_version("tf2onnx")
    target = work / f"{model.stem}.onnx"
    if not target.is_file():
        command = [sys.executable, "-m", "tf2onnx.convert", "--tflite", str(model), "--output", str(target)]
        run_tool([*command, "--opset", _OPSET], f"A conversion of {model.name} by tf2onnx")
    return target
