"""The siege, small: promises are kept beside some malicious files and idle sockets, and broken ones are named."""

from __future__ import annotations

import sys

import pytest

from studies.stress.siege.documents import DOCUMENTS
from studies.stress.siege.pictures import PICTURES
from studies.stress.siege.run import broken, siege

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


def test_good_clients_are_served_in_a_small_siege(models, phantoms):
    images = sorted(phantoms.parent.rglob("*.png"))[:4]
    chosen = {"dicom/deflated-elements", "tiff/aliased-strips", "png/blank", "jpeg/progressive-scans", "dicom/tiles"}
    files = {name: make(200_000) for name, make in {**PICTURES, **DOCUMENTS}.items() if name in chosen}
    assert set(files) == chosen
    result = siege(models / "int8.tflite", images, files, workers=1, seconds=3, sockets=700, clients=2)
    assert result["good_beside_files"]["failures"] == result["good_beside_sockets"]["failures"] == 0
    assert result["good_beside_files"]["answers"] and result["good_beside_sockets"]["answers"]
    assert result["malicious"]["answers"] and set(result["malicious"]["statuses"]) <= {
        "200",
        "413",
        "422",
        "503",
        "504",
    }
    assert result["memory_mb"]["peak"] < 1074 and result["log_lines"] < 100
    assert result["exit_code"] == 0 and result["end_seconds"] < 30


def test_broken_promises_are_named():
    told = {"failures": 0, "answers": 5, "seconds": {"most": 1.0}}
    kept = {"good_beside_files": told, "good_beside_sockets": told, "memory_mb": {"peak": 900}, "end_seconds": 3.0,
            "exit_code": 0, "log_lines": 2}  # fmt: skip
    assert broken(kept) == []
    late = {**told, "seconds": {"most": 5.5}}
    assert broken({**kept, "good_beside_files": late}) == ["good_beside_files: 0 failures, slowest 5.5 s"]
    assert broken({**kept, "memory_mb": {"peak": 1100}, "log_lines": 100, "end_seconds": 31}) == [
        "memory: 1100 MB", "end: 31 s, exit code 0", "log: 100 lines",
    ]  # fmt: skip
