"""The ways from a file to an answer that are compared, and what each needs before it can start."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.card import ModelCard
from studies.clients import mediapipe
from studies.clients.runtimes import installed_version
from studies.peers.networks import Networks


@dataclass(frozen=True)
class Setting:
    """What the ways are made from: the network in every form, and the folder of the clients' environments."""

    networks: Networks
    tools: Path


@dataclass(frozen=True)
class Start:
    """How a way's process is started: its Python, and the request for programs/answering_files.py."""

    python: Path
    request: dict[str, Any]


@dataclass(frozen=True)
class Way:
    """One way; `start` raises MissingToolError with the reason where it cannot be taken here.

    pixels: who decodes and resizes. network: its arithmetic, and who made integers of it where that is not the file that is
    measured. packages: what must be installed for it; none of what has an environment of its own.
    """

    name: str
    pixels: str
    network: str
    start: Callable[[Setting], Start]
    packages: tuple[str, ...] = ()


#: The way that the others are compared with, and its float32 file, whose answers those of all are compared with.
OURS, FLOAT = "freezenet", "freezenet, float32"
_FLOAT32 = "float32"
#: Who reads and resizes -> the packages that this takes.
_READERS = {"Pillow": ("pillow",), "freezenet": ("freezenet",)}


def ways(card: ModelCard) -> list[Way]:
    """Return the ways for a model file of this card."""
    own = card.variant
    onnx, openvino = ("ONNX Runtime", "onnxruntime"), ("OpenVINO", "openvino")
    by_onnx, by_openvino = _quantized("quantize_static"), _quantized("NNCF")
    found = [
        Way(OURS, "freezenet", own, lambda setting: _this_python("freezenet", setting.networks.model), ("freezenet",)),
        Way(FLOAT, "freezenet", _FLOAT32, _our_float32, ("freezenet",)),
        Way("decode and invoke by hand", "OpenCV, no resize", own, _by_hand, ("ai-edge-litert", "opencv-python-headless")),
        Way("Pillow + numpy + Interpreter", "Pillow", own, _plain, ("ai-edge-litert", "pillow")),
        Way(f"MediaPipe Tasks {mediapipe.VERSION}", "MediaPipe", own, _mediapipe),
        *_engine("LiteRT", "interpreter", "ai-edge-litert", [_quantized("ai-edge-quantizer")], ["freezenet"]),
        *_engine("Keras", "keras", "tensorflow", [(_FLOAT32, Networks.keras)]),
        *_engine(*onnx, "onnxruntime", [(_FLOAT32, lambda networks: networks.onnx(_FLOAT32)), by_onnx]),
        *_engine(*openvino, "openvino", [(_FLOAT32, lambda networks: networks.variant(_FLOAT32, app=True)), by_openvino]),
    ]  # fmt: skip
    if own != _FLOAT32:
        given = f"the {own} file"
        found += _engine(*onnx, "onnxruntime", [(given, lambda networks: networks.onnx(own))], ["freezenet"])
        found += _engine(*openvino, "openvino", [(given, lambda networks: networks.variant(own, app=True))], ["freezenet"])  # fmt: skip
    return found


def _engine(
    label: str,
    engine: str,
    package: str,
    networks: Iterable[tuple[str, Callable[[Networks], Path]]],
    readers: Iterable[str] = tuple(_READERS),
) -> list[Way]:
    """Return an engine with each of these networks, named with the file that holds it, behind each reader."""
    return [
        Way(f"{label}, {network}, {pixels}", pixels, network, _behind(pixels, engine, package, made), (package, *_READERS[pixels]))
        for network, made in networks
        for pixels in readers
    ]  # fmt: skip


def _quantized(quantizer: str) -> tuple[str, Callable[[Networks], Path]]:
    return f"int8 by {quantizer}", lambda networks: networks.quantized(quantizer)


def _this_python(way: str, model: Path, **request: Any) -> Start:
    return Start(Path(sys.executable), {"way": way, "model": str(model), **request})


def _our_float32(setting: Setting) -> Start:
    return _this_python("freezenet", setting.networks.variant(_FLOAT32))


def _by_hand(setting: Setting) -> Start:
    return _this_python("by_hand", setting.networks.model)


def _plain(setting: Setting) -> Start:
    return _behind("Pillow", "interpreter", "ai-edge-litert", lambda networks: networks.model)(setting)


def _mediapipe(setting: Setting) -> Start:
    model = setting.networks.variant(setting.networks.card.variant, app=True)
    return Start(mediapipe.mediapipe_python(setting.tools), {"way": "mediapipe", "model": str(model)})


def _behind(pixels: str, engine: str, package: str, made: Callable[[Networks], Path]) -> Callable[[Setting], Start]:
    """Return what starts an engine behind a reader."""

    def start(setting: Setting) -> Start:
        for one in (package, *_READERS[pixels]):
            installed_version(one)
        spec = setting.networks.card.preprocess
        request = {"engine": engine, "pixels": pixels, "mean": spec.mean, "std": spec.std}
        return _this_python("assembled", made(setting.networks), **request)

    return start
