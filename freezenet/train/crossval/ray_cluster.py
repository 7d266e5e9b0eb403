"""Folds of a cross-validation as tasks on a Ray cluster, for those who outgrow one machine.

The images travel through Ray's object store once; a worker trains a fold in a folder of its own and returns its files. Ray runs a
task again whose worker or machine died. Weights given as a file, and this package, must be there on every machine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import FreezenetError, one_line
from freezenet.edge_runtime.files import write_bytes
from freezenet.edge_runtime.system.cluster import connect, require_listener
from freezenet.train.crossval.plan import CrossValidation, Engine, Fold
from freezenet.train.data.training_data import TrainingData
from freezenet.train.run_folder import RunFolder

#: How often a fold is tried again whose worker died.
RETRIES = 3


def on_ray(address: str, threads: int) -> Engine:
    """Return the engine that trains folds on the cluster at `address` ("local" starts one on this machine).

    threads: cores of one training; as many trainings run at a time as the cluster has room for.
    """

    require_listener(address)

    def run(asked: CrossValidation, data: dict[str, TrainingData], folds: list[Fold], out: Path) -> Iterator[Fold]:
        import ray
        from ray.exceptions import ObjectLostError, RayError, RayTaskError

        # Read when TensorFlow starts in a worker: otherwise each of them takes all cores.
        connect(address, {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "2"})
        try:
            shared = {id(one): ray.put(one) for one in data.values()}
            # The images count as lost, too, where a machine under load did not answer in time.
            tries: dict[str, Any] = {"max_retries": RETRIES, "retry_exceptions": [ObjectLostError]}
            remote = ray.remote(num_cpus=threads, **tries)(train_remotely)
            waiting = {remote.remote(asked, shared[id(data[fold.arm])], fold): fold for fold in folds}
            while waiting:
                for finished in ray.wait(list(waiting))[0]:
                    fold = waiting.pop(finished)
                    _keep(ray.get(finished), fold.run(out))
                    yield fold
        except RayTaskError as error:
            raise error.cause from None  # what the worker said, without Ray's story of how it got here
        except RayError as error:
            raise FreezenetError(f"A cluster that finishes its folds is required. Got: {one_line(error)}.") from None
        finally:
            ray.shutdown()

    return run


def train_remotely(asked: CrossValidation, data: TrainingData, fold: Fold) -> dict[str, bytes]:
    """Train one fold in a temporary folder and return its files by their names."""
    from freezenet.train.crossval.validation import train_fold

    with tempfile.TemporaryDirectory() as home:
        run = RunFolder(Path(home) / "run")
        train_fold(asked, data, fold, run)
        return {path.name: path.read_bytes() for path in run.folder.iterdir() if path.is_file()}


def _keep(files: dict[str, bytes], run: RunFolder) -> None:
    """Write the files of a finished fold, the one that says "finished" last."""
    run.folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=lambda name: name == run.metrics_file.name):
        write_bytes(run.folder / name, files[name])
