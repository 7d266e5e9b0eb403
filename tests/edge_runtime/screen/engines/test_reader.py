"""A process that answers: a file that kills it is named, all others are answered, whoever kills it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.screen.engines.answers import Answering
from freezenet.edge_runtime.screen.engines.reader import Reader
from freezenet.edge_runtime.screen.inputs.item import Item


@pytest.fixture
def reader(models):
    made = Reader(Answering(Classifier(models / "int8.tflite")))
    yield made
    made.end()


def taken(items: list[Item]):
    left = iter(items)
    return lambda _may_wait: next(left, None)


def test_a_file_that_kills_its_process_is_named_and_the_others_are_answered(reader, phantoms, serve):
    image = next(phantoms.parent.rglob("*.png")).read_bytes()
    deaths = []

    def content(path: str) -> bytes:
        if path == "/5.png":  # as a decoder does with a file that it cannot stand
            deaths.append(path)
            os.kill(reader.pid, signal.SIGKILL)
        return image

    address = serve(content)
    rows = list(reader.rows(taken([Item(number, f"{address}/{number}.png") for number in range(8)])))
    assert [row["number"] for row in rows] == list(range(8))
    assert [row["status"] for row in rows] == ["answered"] * 5 + ["killed the reader"] + ["answered"] * 2
    assert "3 processes ended, one after the other (SIGKILL)" in rows[5]["error"]
    assert len(deaths) >= 3 and len({row["label"] for row in rows if row["status"] == "answered"}) == 1


def test_a_killed_process_costs_no_file(reader, phantoms):
    paths = sorted(phantoms.parent.rglob("*.png"))[:60]
    items = [Item(number, str(path)) for number, path in enumerate(paths)]
    rows, quiet = [], []
    for number, row in enumerate(reader.rows(taken(items))):
        rows.append(row)
        if number in (10, 30):
            os.kill(reader.pid, signal.SIGKILL)
    quiet = list(reader.rows(taken(items)))
    content = ("number", "uri", "status", "label", "sha256")
    assert [[row[key] for key in content] for row in rows] == [[row[key] for key in content] for row in quiet]


def test_a_process_that_cannot_start_is_one_sentence(models, monkeypatch):
    classifier = Classifier(models / "int8.tflite")
    monkeypatch.setattr("freezenet.edge_runtime.screen.engines.reader.module_command", lambda _: ["false"])
    reader = Reader(Answering(classifier))
    with pytest.raises(
        ModelError, match=r"A process that loads the model is required\. Got: 5 that ended at once \(code 1\)"
    ):
        list(reader.rows(taken([Item(0, "/nothing.png")])))
    reader.end()


def test_no_file_and_no_answer_are_rows(reader, tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    names = [*(str(tmp_path / name) for name in ("missing.png", "folder.png", "empty.png")), "nosuch://bucket/a.png"]
    rows = list(reader.rows(taken([Item(number, name) for number, name in enumerate(names)])))
    assert [row["status"] for row in rows] == ["not fetched", "not fetched", "refused", "not fetched"]
    assert "A URL that fsspec knows is required" in rows[3]["error"]
    assert "no such file" in rows[0]["error"] and "a folder" in rows[1]["error"] and "an empty file" in rows[2]["error"]


def test_a_folder_with_a_queue_py_does_not_take_a_modules_place(models, tmp_path, phantoms, monkeypatch):
    (tmp_path / "queue.py").write_text("raise SystemExit(7)")
    (tmp_path / "pickle.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    reader = Reader(Answering(Classifier(models / "int8.tflite")))
    image = Path(next(phantoms.parent.rglob("*.png"))).resolve()
    assert [row["status"] for row in reader.rows(taken([Item(0, str(image))]))] == ["answered"]
    reader.end()
