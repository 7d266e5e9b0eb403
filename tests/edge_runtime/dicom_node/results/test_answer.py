"""What the answer of a received image says beside the results: the trace, and remarks without the patient's values."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.dicom_node.results.inherited import remarks
from freezenet.edge_runtime.watch.settings import WatchSettings
from freezenet.edge_runtime.watch.watcher import Watcher
from studies.stress.dicom_corpus import CASES, image


@pytest.fixture
def answered(models, tmp_path):
    """A function that gives images to a watcher as the node has one and returns the answers' bytes by name."""

    def answer(**contents: bytes) -> dict[str, bytes]:
        (tmp_path / "received").mkdir(exist_ok=True)
        for name, content in contents.items():
            (tmp_path / "received" / f"{name}.dcm").write_bytes(content)
        watcher = Watcher(
            Classifier(models / "int8.tflite"),
            tmp_path / "received",
            tmp_path / "answers",
            WatchSettings(settle=0, interval=0.01),
            service="dicom-node WARD3",
            about=remarks,
        )
        assert watcher.run_out(threading.Event()) == 0
        return {path.name.split(".")[0]: path.read_bytes() for path in (tmp_path / "answers").glob("*.dcm.json")}

    return answer


def test_an_answer_says_what_was_repaired_and_who_gave_it(answered):
    odd = replace(CASES[0], tags={"PatientSex": b"U", "PatientName": "Иванов".encode(), "StudyTime": b"12:00:00"})
    found = answered(odd=image(odd, 1), plain=image(replace(CASES[0], tags={}), 2))
    answer = json.loads(found["odd"])
    assert answer["remarks"] == [
        "(0010,0010) 'Patient's Name' has no declared character set and was read as UTF-8.",
        "(0010,0040) 'Patient's Sex' is none of M, F and O and was left out.",
        "(0008,0030) 'Study Time' is not written as DICOM asks and was rewritten.",
    ]
    assert answer["trace"]["service"] == "dicom-node WARD3"
    assert (answer["trace"]["input_sha256"], answer["trace"]["time"]) == (answer["input_sha256"], answer["time"])
    assert "Иванов" not in found["odd"].decode() and "u0418" not in found["odd"].decode()
    assert "remarks" not in json.loads(found["plain"])


def test_an_image_without_a_study_is_answered_and_says_why_it_has_no_result(answered):
    lost = next(case for case in CASES if case.refused == "StudyInstanceUID")
    answer = json.loads(answered(lost=image(lost))["lost"])
    assert answer["remarks"][0].startswith("A UID in (0020,000D) 'Study Instance UID' is required for a result")
    assert "label" in answer


def test_a_restart_changes_no_answer(answered):
    first = answered(one=image(CASES[0], 1))
    assert answered(one=image(CASES[0], 1), two=image(CASES[0], 2))["one"] == first["one"]
