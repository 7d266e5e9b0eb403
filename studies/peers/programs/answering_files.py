"""One way from a file to scores, kept ready: reads {"file", "times"} a line, writes {"ms", "scores"} a line.

Started with the request as JSON: {"way", "cores", ...} and what the way's function below takes. Each file is answered once
more than `times`, and the first is not timed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

Answer = Callable[[str], Sequence[float] | None]


def freezenet(model: str) -> Answer:
    """`freezenet.Classifier`, as a user calls it; OpenCV held to one thread as the others are."""
    import cv2

    from freezenet import Classifier

    cv2.setNumThreads(1)
    classifier = Classifier(model)
    return lambda path: list(classifier.predict(path).probabilities.values())


def by_hand(model: str) -> Answer:
    """The least that must be done: decode the JPEG at the scale of the runtime, invoke the interpreter. No answer."""
    import cv2
    import numpy as np
    from PIL import Image

    run, dtype, (height, width) = _interpreter(model)
    tensor = np.zeros((1, height, width, 3), dtype)
    reduced = {8: cv2.IMREAD_REDUCED_GRAYSCALE_8, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4, 2: cv2.IMREAD_REDUCED_GRAYSCALE_2}
    flags: dict[str, int] = {}

    def answer(path: str) -> None:
        if path.endswith(".dcm"):
            raise ValueError("OpenCV reads no DICOM")
        if path not in flags:
            with Image.open(path) as image:
                room = min(image.size) / max(height, width) if image.format == "JPEG" else 0
            flags[path] = next((flag for factor, flag in reduced.items() if room / factor >= 2), cv2.IMREAD_GRAYSCALE)
        cv2.imdecode(np.fromfile(path, np.uint8), flags[path])
        run(tensor)

    return answer


def assembled(model: str, engine: str, pixels: str, mean: float, std: float) -> Answer:
    """A reader ("Pillow" or "freezenet") before an engine of ENGINES."""
    import numpy as np

    run, dtype, size = ENGINES[engine](model)
    read = {"Pillow": _pillow, "freezenet": _freezenet}[pixels](size)

    def answer(path: str) -> list[float]:
        gray = read(path)
        if dtype != np.uint8:
            gray = (gray.astype(np.float32) - np.float32(mean)) / np.float32(std)
        return run(np.stack([gray] * 3, axis=-1)[None]).tolist()

    return answer


def mediapipe(model: str) -> Answer:
    """MediaPipe Tasks with its own reader; the model wants three channels, so gray is repeated."""
    import mediapipe
    import numpy as np
    from mediapipe.tasks.python import BaseOptions
    from mediapipe.tasks.python.vision import ImageClassifier, ImageClassifierOptions

    options = ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model))
    classifier = ImageClassifier.create_from_options(options)

    def answer(path: str) -> list[float]:
        if path.endswith(".dcm"):  # its reader ends the process
            raise ValueError("MediaPipe reads no DICOM")
        image = mediapipe.Image.create_from_file(path)
        if image.channels == 1:
            gray = image.numpy_view()[..., 0] if image.numpy_view().ndim == 3 else image.numpy_view()
            rgb = np.stack([gray] * 3, axis=-1)
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
        categories = classifier.classify(image).classifications[0].categories
        return [one.score for one in sorted(categories, key=lambda one: one.index)]

    return answer


def _pillow(size: tuple[int, int]) -> Callable[[str], Any]:
    """As tutorials have it: Pillow opens, converts to gray and resizes; for DICOM, pydicom and the window in NumPy."""
    import numpy as np
    from PIL import Image

    def read(path: str) -> Any:
        if path.endswith(".dcm"):
            import pydicom

            data = pydicom.dcmread(path)
            center, width = float(data.WindowCenter), float(data.WindowWidth)
            windowed = (data.pixel_array - (center - 0.5)) / (width - 1) + 0.5
            image = Image.fromarray((windowed.clip(0, 1) * 255).astype(np.uint8))
        else:
            image = Image.open(path).convert("L")
        return np.asarray(image.resize((size[1], size[0])))

    return read


def _freezenet(size: tuple[int, int]) -> Callable[[str], Any]:
    import cv2

    from freezenet import PreprocessSpec

    cv2.setNumThreads(1)
    return PreprocessSpec(size=size).pixels


def _interpreter(model: str) -> tuple[Callable[[Any], Any], Any, tuple[int, int]]:
    from ai_edge_litert.interpreter import Interpreter

    engine = Interpreter(model_path=model, num_threads=1)
    engine.allocate_tensors()
    entry, scores = engine.get_input_details()[0], engine.get_output_details()[0]

    def run(tensor: Any) -> Any:
        engine.set_tensor(entry["index"], tensor)
        engine.invoke()
        return engine.get_tensor(scores["index"])[0]

    return run, entry["dtype"], (int(entry["shape"][1]), int(entry["shape"][2]))


def _onnxruntime(model: str) -> tuple[Callable[[Any], Any], Any, tuple[int, int]]:
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    engine = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    entry = engine.get_inputs()[0]
    dtype = np.uint8 if entry.type == "tensor(uint8)" else np.float32
    return lambda tensor: engine.run(None, {entry.name: tensor})[0][0], dtype, tuple(entry.shape[1:3])


def _openvino(model: str) -> tuple[Callable[[Any], Any], Any, tuple[int, int]]:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    request, entry = compiled.create_infer_request(), compiled.input(0)
    return lambda tensor: request.infer([tensor])[0][0], entry.element_type.to_dtype(), tuple(entry.shape)[1:3]


def _keras(model: str) -> tuple[Callable[[Any], Any], Any, tuple[int, int]]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    network = keras.saving.load_model(model, compile=False)
    return lambda tensor: network.predict_on_batch(tensor)[0], np.float32, tuple(network.input_shape[1:3])


ENGINES: dict[str, Callable[[str], tuple[Callable[[Any], Any], Any, tuple[int, int]]]] = {
    "interpreter": _interpreter,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "keras": _keras,
}

WAYS: dict[str, Callable[..., Answer]] = {
    "freezenet": freezenet,
    "by_hand": by_hand,
    "assembled": assembled,
    "mediapipe": mediapipe,
}


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(". ") or type(error).__name__


def main() -> None:
    """Answer files until stdin ends; what cannot be answered is answered with {"cannot": why}."""
    request = json.loads(sys.argv[1])
    cores = request.pop("cores")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    # Engines may write to stdout, which carries the answers.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    answer, failure = None, ""
    try:
        answer = WAYS[request.pop("way")](**request)
    except Exception as error:  # whatever an engine raises is what its user would read
        failure = _sentence(error)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if answer is None:
                raise RuntimeError(failure)
            scores, times = answer(asked["file"]), []
            for _ in range(asked["times"]):
                started = time.perf_counter()
                answer(asked["file"])
                times.append((time.perf_counter() - started) * 1e3)
            reply: dict[str, Any] = {"ms": times, "scores": scores}
        except Exception as error:
            reply = {"cannot": _sentence(error)}
        out.write(json.dumps(reply) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
