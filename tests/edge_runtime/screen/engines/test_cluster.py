"""A Ray cluster writes the rows that one machine writes, also when a node dies; and the actor serves pipelines of others."""

from __future__ import annotations

import threading
import time

import pyarrow.parquet as pq
import pytest

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import DataError, SettingError
from freezenet.edge_runtime.screen.engines import cluster as module
from freezenet.edge_runtime.screen.engines.actor import ScreenActor
from freezenet.edge_runtime.screen.engines.answers import Answering
from freezenet.edge_runtime.screen.engines.cluster import RayEngine
from freezenet.edge_runtime.screen.engines.local import LocalEngine

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("ray.data", reason="Ray Data is not installed")


@pytest.fixture
def two_nodes():
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 150 << 20})
    second = cluster.add_node(num_cpus=1, object_store_memory=150 << 20)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster, second
    ray.shutdown()
    cluster.shutdown()


def test_the_rows_are_those_of_one_machine_although_a_node_dies(
    models, fill, tmp_path, two_nodes, screen, comparable, monkeypatch
):
    cluster, second = two_nodes
    monkeypatch.setattr(module, "_BLOCK", 10)
    monkeypatch.setattr(module, "_ACTOR_BYTES", 200 << 20)
    fill(tmp_path / "archive", 600)
    model = models / "int8.tflite"
    died = []

    def kill() -> None:
        end = time.monotonic() + 120
        while not list((tmp_path / "ray" / "rows").glob("shard-*")) and time.monotonic() < end:
            time.sleep(0.05)
        died.append(len(list((tmp_path / "ray" / "rows").glob("shard-*"))))
        cluster.remove_node(second, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    outcome = screen(model, tmp_path / "archive", tmp_path / "ray", lambda one: RayEngine(one, None, 2), shard=50)
    killer.join()
    assert outcome.finished and 1 <= died[0] < 12
    screen(model, tmp_path / "archive", tmp_path / "local", lambda one: LocalEngine(one, 2), shard=50)
    assert comparable(tmp_path / "ray") == comparable(tmp_path / "local")
    names = [path.name for path in sorted((tmp_path / "ray" / "rows").iterdir())]
    assert names == [path.name for path in sorted((tmp_path / "local" / "rows").iterdir())]
    assert pq.read_schema(tmp_path / "ray" / "rows" / names[0]) == pq.read_schema(
        tmp_path / "local" / "rows" / names[0]
    )


def test_the_actor_answers_a_batch_of_names(models, archive, predict_columns):
    paths = sorted(path for path in archive.rglob("*") if path.is_file())[:6]
    actor = ScreenActor(models / "int8.tflite")
    found = actor({"uri": [str(path) for path in paths]}).to_pylist()
    assert [row["uri"] for row in found] == [str(path) for path in paths]
    for row, path in zip(found, paths, strict=True):
        expected = predict_columns(models / "int8.tflite", path.read_bytes())
        assert {key: row[key] for key in expected} == expected
    with pytest.raises(DataError, match="A batch with a column uri is required"):
        actor({"path": ["a"]})


def test_the_actor_is_public():
    import freezenet

    assert freezenet.ScreenActor is ScreenActor


def test_no_cluster_is_one_sentence(models):
    with pytest.raises(SettingError, match=r"A Ray cluster at 127\.0\.0\.1:1 is required"):
        RayEngine(Answering(Classifier(models / "int8.tflite")), "127.0.0.1:1")
