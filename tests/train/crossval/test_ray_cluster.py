"""Folds on a Ray cluster of this machine give what one process gives, also when a worker dies."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.crossval import ray_cluster as module
from freezenet.train.crossval.plan import CrossValidation, Engine, Fold
from freezenet.train.crossval.ray_cluster import on_ray
from freezenet.train.crossval.validation import cross_validate, in_this_process, read_data_by_arm
from freezenet.train.options import TrainingOptions
from freezenet.train.recipes.recipe import load_arms

ray = pytest.importorskip("ray", reason="Ray is not installed")

SMALL = ("image_size=64", "alpha=.35", "epochs=1", "batch_size=32")
MARK = "FREEZENET_TEST_MARK"


@pytest.fixture(autouse=True)
def _by_value(monkeypatch):
    """Workers cannot import this file; what it defines travels as code."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def compare(data: Path, cache: Path, out: Path, engine: Engine) -> None:
    asked = CrossValidation(data, load_arms("mobile-freezenet", SMALL), 2, (0,), TrainingOptions("none", cache))
    cross_validate(asked, out, data=read_data_by_arm(data, asked.recipes), engine=engine)


def dying(original, mark: str):
    """Train a fold, but let the first worker that is asked die."""

    def train(*arguments):
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return original(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    return train


def test_equals_the_plain_run_although_a_worker_dies(few_phantoms, tmp_path, monkeypatch):
    mark = tmp_path / "died"
    monkeypatch.setattr(module, "train_remotely", dying(module.train_remotely, str(mark)))
    compare(few_phantoms, tmp_path / "cache", tmp_path / "ray", on_ray("local", 1))
    assert mark.exists()
    compare(few_phantoms, tmp_path / "cache", tmp_path / "plain", in_this_process)
    for number in (1, 2):
        one, other = (Fold("mobile-freezenet", 0, number).run(tmp_path / home).folder for home in ("ray", "plain"))
        assert (one / "splits.csv").read_text() == (other / "splits.csv").read_text()
        found, expected = (json.loads((folder / "metrics.json").read_text()) for folder in (one, other))
        for key in ("accuracy", "macro_f1", "per_class", "confusion_matrix", "loss_weights"):
            assert found[key] == expected[key]
        assert not (one / "model.keras").exists()


def failing(*_):
    raise FreezenetError("A fold is required. Got: none.")


def test_a_workers_failure_is_its_sentence(few_phantoms, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "train_remotely", failing)
    with pytest.raises(FreezenetError, match=r"^A fold is required\. Got: none\.$"):
        compare(few_phantoms, tmp_path / "cache", tmp_path / "out", on_ray("local", 1))


def test_no_cluster_is_one_sentence(few_phantoms, tmp_path):
    with pytest.raises(FreezenetError, match=r"A Ray cluster at 127\.0\.0\.1:1 is required"):
        compare(few_phantoms, tmp_path / "cache", tmp_path / "out", on_ray("127.0.0.1:1", 1))
