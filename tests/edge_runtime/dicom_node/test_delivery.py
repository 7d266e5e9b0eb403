"""Results are written beside the answer and put into the queue; what cannot be made is named."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pydicom
import pytest

from freezenet.edge_runtime.dicom_node import delivery as delivering
from freezenet.edge_runtime.dicom_node.archive import Archive
from freezenet.edge_runtime.dicom_node.delivery import KINDS, Delivery
from freezenet.edge_runtime.dicom_node.outgoing import Outgoing
from freezenet.edge_runtime.dicom_node.results import make_result
from freezenet.edge_runtime.errors import DataError

AWAY = Archive("AWAY", "127.0.0.1", 9, "FREEZENET")


@pytest.fixture
def said():
    return []


@pytest.fixture
def deliver(tmp_path, said):
    outgoing = Outgoing(tmp_path, [AWAY])
    outgoing.load()
    return Delivery(outgoing, KINDS, said.append)


@pytest.fixture
def shown(deliver, answer):
    """An answer with an overlay."""
    deliver.answers.mkdir()
    cv2.imwrite(str(deliver.answers / "x.cam.png"), np.zeros((100, 100, 3), np.uint8))
    return {**answer, "overlay": "x.cam.png"}


def rejected(deliver):
    return {path.name: json.loads(path.read_text()) for path in (deliver.answers / "rejected").glob("*")}


def test_results_are_written_and_wait_for_the_archive(deliver, chest_file, shown):
    deliver(chest_file(), shown, "x")
    read = {kind: pydicom.dcmread(deliver.answers / f"x.{kind}.dcm") for kind in KINDS}
    assert [read[kind].Modality for kind in KINDS] == ["SR", "OT"]
    assert {task.kind: task.sop_class for task in deliver.outgoing.due(AWAY)} == {
        kind: result.SOPClassUID for kind, result in read.items()
    }
    assert not rejected(deliver)


def test_a_repetition_makes_the_same_objects_and_sends_nothing_twice(deliver, chest_file, shown, tmp_path):
    deliver(chest_file(), shown, "x")
    before = pydicom.dcmread(deliver.answers / "x.report.dcm").SOPInstanceUID
    (deliver.answers / "x.report.dcm").unlink()
    Delivery(Outgoing(tmp_path, []), KINDS)(chest_file(), shown, "x")
    assert pydicom.dcmread(deliver.answers / "x.report.dcm").SOPInstanceUID == before
    deliver(chest_file(), shown, "x")
    assert len(deliver.outgoing.due(AWAY)) == 2


def test_an_answer_without_an_overlay_gets_a_report_alone(deliver, chest_file, answer):
    deliver(chest_file(), answer, "x")
    assert [task.kind for task in deliver.outgoing.due(AWAY)] == ["report"]


@pytest.mark.parametrize(
    ("error", "words"),
    [(DataError("A Study ID (0020,0010) is required."), "(0020,0010)"), (KeyError("odd"), "KeyError: 'odd'")],
)
def test_a_result_that_cannot_be_made_is_named_and_the_other_is_delivered(
    deliver, chest_file, shown, said, monkeypatch, error, words
):
    def fail(kind, *others):
        if kind == "report":
            raise error
        return make_result(kind, *others)

    monkeypatch.setattr(delivering, "make_result", fail)
    for name in "xy":
        deliver(chest_file(), shown, name)
    assert set(rejected(deliver)) == {"x.report.json", "y.report.json"}
    (refusal,) = rejected(deliver)["x.report.json"]["refusals"]
    assert words in refusal["error"] and refusal["archive"] is None
    assert {task.kind for task in deliver.outgoing.due(AWAY)} == {"capture"}
    assert len(said) == 1 and "answers/rejected" in said[0]


def test_a_full_disk_is_for_later(deliver, chest_file, shown, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(delivering, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        deliver(chest_file(), shown, "x")
    monkeypatch.undo()
    deliver(chest_file(), shown, "x")
    assert len(deliver.outgoing.due(AWAY)) == 2 and not rejected(deliver)
