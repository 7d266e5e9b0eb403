"""The DICOM node between senders and archives under SIGKILL, with fewer of all than the benchmark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studies.stress.dicom_node.siege import besiege
from studies.stress.dicom_node.stress import Stress, make_images
from studies.tools import MissingToolError, executable


@pytest.fixture(scope="module")
def images(phantoms, tmp_path_factory):
    try:
        executable(["/usr/bin/storescu"], "dcmtk")
    except MissingToolError as error:
        pytest.skip(str(error))
    files = sorted(phantoms.parent.rglob("*.png"))[:5]
    return make_images(files, tmp_path_factory.mktemp("stress") / "images", stores=24, uids=4)


@pytest.fixture
def stress(models, images, tmp_path):
    return Stress(models / "int8.tflite", tmp_path, images, senders=4, kills=2, seed=1)


def test_nothing_is_lost_mixed_or_forgotten_and_the_tally_would_see_it(stress, tmp_path, monkeypatch):
    tally = stress.run()
    assert tally.passed, tally
    assert (tally.acknowledged, tally.uids, tally.reports, tally.kills) == (24, 4, 24, 2)
    # Reports at CAPTURES; reports and captures of one patient of four, and the reports twice, at PICKY.
    assert tally.refused == 24 + 6 + sum(
        1 for one in (tmp_path / "node" / "answers").glob("*.report.dcm") if capture(one)
    )

    # What is taken away afterwards is missed.
    answers = tmp_path / "node" / "answers"
    next((answers / "processed").iterdir()).unlink()
    next(answers.glob("*.json")).unlink()
    next((answers / "rejected").glob("*.json")).unlink()
    next((tmp_path / "all").iterdir()).unlink()
    (tmp_path / "node" / "received" / "left.dcm").touch()
    found = stress._tally(Fake(tmp_path / "node"), 0.0)
    assert (found.lost, found.left_over, found.undelivered) == (1, 1, 1)
    assert found.unanswered >= 1 and found.unnamed >= 1 and not found.passed
    assert replace(tally, seconds=0.0).passed


class Fake:
    """A node of which only the folder is looked at."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder.with_suffix(".log")


def capture(report: Path) -> bool:
    """Whether the report's image is of the refused patient and has a capture too."""
    import pydicom

    return pydicom.dcmread(report).PatientID == "P0" and Path(str(report).replace(".report.", ".capture.")).exists()


def test_a_good_sender_is_served_in_a_siege(models, images, tmp_path):
    found = besiege(models / "int8.tflite", tmp_path, images[:4], idle=200, silent=20)
    assert found.passed and found.good == 3, found
    assert found.memory_mb - found.memory_mb_before < 100


def test_the_images_share_uids_and_differ_in_their_pixels(images):
    import pydicom

    read = [pydicom.dcmread(path) for path in images]
    assert len({one.SOPInstanceUID for one in read}) == 4 and len({one.PixelData for one in read}) == 24
    assert {(one.SOPInstanceUID, one.PatientID) for one in read} == {
        (one.SOPInstanceUID, one.PatientID) for one in read[:4]
    }
    assert {one.PatientID for one in read} == {"P0", "P1", "P2", "P3"}
