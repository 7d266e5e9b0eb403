"""The process of quantization-aware training: `python -m freezenet.convert.qat.worker FOLDER`.

tensorflow-model-optimization knows tf_keras only, and TensorFlow decides on its first import which Keras it uses; so this
runs in a process of its own. Nothing here may import Keras 3.

Read from FOLDER     task.json (nodes, settings, preprocessing), weights.npz, and of both splits
                     train-pixels.npy, train-teacher.npy, validation-pixels.npy, validation-teacher.npy
Written to FOLDER    result.json and result.npz, or error.json with one sentence
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.system.talk import show_talk
from freezenet.train.files import read_json, write_atomically, write_json
from freezenet.train.progress import track
from freezenet.train.quiet import quiet

logger = logging.getLogger(__name__)

#: What stands in place of weights in the name of an array: layer, colon, position.
_SEPARATOR = ":"


def main(folder: Path) -> int:
    """Train what the folder describes; return the exit code."""
    try:
        write_result(folder, *run(folder))
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        reason = str(error) if isinstance(error, FreezenetError) else f"{type(error).__name__}: {error}"
        write_json(folder / "error.json", {"foreseen": isinstance(error, FreezenetError), "reason": reason})
        if os.environ.get("FREEZENET_DEBUG"):
            raise
        return 1
    return 0


def run(folder: Path) -> tuple[Any, Any]:
    """Return the trained `Network` and the `Outcome` of the task in a folder."""
    task = read_json(folder / "task.json")
    settings, spec = task["settings"], PreprocessSpec.from_dict(task["preprocess"])
    import_tf_keras()
    from freezenet.convert.qat.features import Features
    from freezenet.convert.qat.fit import TaughtFeatures, fit
    from freezenet.convert.qat.graph import cut_of

    network = build(folder, task)
    cut = cut_of(list(network.nodes.values())) if task["cache"] else next(iter(network.nodes))

    def taught(name: str) -> TaughtFeatures:
        pixels = np.load(folder / f"{name}-pixels.npy")
        # Whenever this process is killed from now on, no image is left behind.
        (folder / f"{name}-pixels.npy").unlink()
        teacher = np.load(folder / f"{name}-teacher.npy")
        return TaughtFeatures(Features(network, cut, pixels, spec, track), teacher)

    return network, fit(network, cut, taught("train"), taught("validation"), settings, task["head"], logger.info)


def build(folder: Path, task: dict[str, Any]) -> Any:
    """Return the `Network` of a task."""
    import_tf_keras()
    from freezenet.convert.qat.graph import Node
    from freezenet.convert.qat.network import Network

    nodes = [
        Node(**{**node, "inputs": tuple(node["inputs"]), "limits": node["limits"] and tuple(node["limits"])})
        for node in task["nodes"]
    ]
    settings = task["settings"]
    spec = PreprocessSpec.from_dict(task["preprocess"])
    weights = unpacked(folder / "weights.npz")
    return Network(nodes, weights, spec, bool(settings["sparsity"] or settings["clusters"]))


def import_tf_keras() -> None:
    """Import the training stack with everything that depends on the seed or the order of additions pinned."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    with quiet():
        import tensorflow as tf
        import tensorflow_model_optimization  # noqa: F401

        tf.config.list_physical_devices()  # without a GPU the CUDA libraries report an error that is none, once
        tf.config.experimental.enable_op_determinism()
        tf.random.set_seed(0)


def write_result(folder: Path, network: Any, outcome: Any) -> None:
    """Write what training found; result.json is written last."""
    arrays = packed(outcome.weights) | {"logits": outcome.logits, "start_logits": outcome.start_logits}
    write_atomically(folder / "result.npz", partial(_save, arrays=arrays))
    write_json(
        folder / "result.json",
        {"history": outcome.history, "best_epoch": outcome.best_epoch, "compressed": network.compressed},
    )


def packed(weights: dict[str, list[NDArray[np.float32]]]) -> dict[str, NDArray]:
    """Return layers' weights as arrays with names "layer:0", "layer:1"."""
    return {f"{name}{_SEPARATOR}{i}": one for name, values in weights.items() for i, one in enumerate(values)}


def unpacked(path: Path) -> dict[str, list[NDArray[np.float32]]]:
    """Read layers' weights from a file of arrays named by `packed`; other arrays are left out."""
    found: dict[str, list[NDArray[np.float32]]] = {}
    with np.load(path) as arrays:
        for key in sorted(key for key in arrays.files if _SEPARATOR in key):
            found.setdefault(key.rpartition(_SEPARATOR)[0], []).append(arrays[key])
    return found


def _save(path: Path, arrays: dict[str, NDArray]) -> None:
    np.savez(path, allow_pickle=False, **arrays)


def _end_with_parent() -> None:
    """End this process when the parent's end of stdin is closed: also where the parent was killed without a word."""

    def wait() -> None:
        os.read(0, 1)  # not sys.stdin, whose lock would be held when the process ends
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    show_talk()
    _end_with_parent()
    sys.exit(main(Path(sys.argv[1])))
