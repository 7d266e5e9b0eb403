"""Random processes of a screening are killed, again and again: nothing is lost, nothing doubled, and every row is that of a quiet run."""

from __future__ import annotations

import cv2

from studies.stress.screen import measure


def test_every_row_is_there_once_after_kills(models, phantoms, dicom, tmp_path):
    pictures = sorted(phantoms.parent.rglob("*.png"))[:12]
    images = list(pictures)
    for number, path in enumerate(pictures[:4]):
        images.append(tmp_path / f"{number}.dcm")
        images[-1].write_bytes(dicom(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)))
    home = tmp_path / "home"
    found = measure(models / "int8.tflite", images, home, files=700, kills=8, workers=2, shard=25, seed=5, pause=0.2)
    assert found.passed, found
    # A quick machine is done before the last one.
    assert found.kills >= 3
