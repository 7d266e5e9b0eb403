"""Folds of a cross-validation as tasks on a Ray cluster, for those who outgrow one machine.

The images travel through Ray's object store once; a worker trains a fold in a folder of its own and returns its files. Ray runs a
task again whose worker or machine died. Weights given as a file, and this package, must be there on every machine.
"""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from freezenet.edge_runtime.errors import FreezenetError, SettingError, one_line
from freezenet.edge_runtime.files import write_bytes
from freezenet.train.crossval.plan import CrossValidation, Engine, Fold
from freezenet.train.data.training_data import TrainingData
from freezenet.train.run_folder import RunFolder

#: How often a fold is tried again whose worker died.
RETRIES = 3
#: Seconds for the cluster to take a connection.
_PATIENCE = 10


def on_ray(address: str, threads: int) -> Engine:
    """Return the engine that trains folds on the cluster at `address` ("local" starts one on this machine).

    threads: cores of one training; as many trainings run at a time as the cluster has room for.
    """

    _require(address)

    def run(asked: CrossValidation, data: dict[str, TrainingData], folds: list[Fold], out: Path) -> Iterator[Fold]:
        import ray
        from ray.exceptions import RayError, RayTaskError

        _connect(address, threads)
        try:
            shared = {id(one): ray.put(one) for one in data.values()}
            remote = ray.remote(num_cpus=threads, max_retries=RETRIES)(train_remotely)
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


def _connect(address: str, threads: int) -> None:
    import ray

    # Read when TensorFlow starts in a worker: otherwise each of them takes all cores.
    environment = {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "2"}
    # Started by `uv run`, Ray would copy the working directory, and with it perhaps all images, to each machine.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    try:
        ray.init(
            address=None if address == "local" else address,
            runtime_env={"env_vars": environment},
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False if address == "local" else None,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise _no_cluster(address, error) from None


def _require(address: str) -> None:
    """Raise SettingError where nobody listens at host:port; Ray itself tries for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if host and port.isdigit():
            socket.create_connection((host, int(port)), _PATIENCE).close()
    except OSError as error:
        raise _no_cluster(address, error) from None


def _no_cluster(address: str, error: Exception) -> SettingError:
    return SettingError(f"A Ray cluster at {address} is required. Got: {one_line(error)}.")


def _keep(files: dict[str, bytes], run: RunFolder) -> None:
    """Write the files of a finished fold, the one that says "finished" last."""
    run.folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=lambda name: name == run.metrics_file.name):
        write_bytes(run.folder / name, files[name])
