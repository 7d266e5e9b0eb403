"""Results sent to Orthanc, the archive of many hospitals."""

from __future__ import annotations

import numpy as np
import pytest

from freezenet.edge_runtime.dicom_node.archive import Archive
from freezenet.edge_runtime.dicom_node.results import secondary_capture, structured_report
from freezenet.edge_runtime.errors import FreezenetError


@pytest.fixture
def results(chest, answer):
    picture = np.zeros((100, 100, 3), np.uint8)
    return [structured_report(chest(), answer), secondary_capture(chest(), answer, picture)]


def test_an_archive_keeps_each_result_once(orthanc, results):
    archive = Archive.from_text(f"ORTHANC@127.0.0.1:{orthanc.port}", "FREEZENET")
    archive.send(results)
    archive.send(results)
    assert orthanc.modalities() == ["OT", "SR"]
    found = {orthanc.get(f"/instances/{one}/simplified-tags")["SOPInstanceUID"] for one in orthanc.get("/instances")}
    assert found == {result.SOPInstanceUID for result in results}


def test_an_archive_of_another_title_is_one_sentence(orthanc, results):
    with pytest.raises(FreezenetError, match=r"Got: WRONG@127\.0\.0\.1:\d+: it refused the association\."):
        Archive.from_text(f"WRONG@127.0.0.1:{orthanc.port}", "FREEZENET").send(results)


def test_an_archive_that_is_away_is_one_sentence(results):
    with pytest.raises(
        FreezenetError, match=r"^An archive that answers is required\. Got: AWAY@127\.0\.0\.1:9: no answer"
    ):
        Archive.from_text("AWAY@127.0.0.1:9", "FREEZENET").send(results)


@pytest.mark.parametrize(
    ("text", "title", "host", "port"),
    [("ORTHANC@10.0.0.5:4242", "ORTHANC", "10.0.0.5", 4242), ("A B@[::1]:104", "A B", "::1", 104)],
)
def test_an_address_is_read(text, title, host, port):
    assert Archive.from_text(text, "ME") == Archive(title, host, port, "ME")


@pytest.mark.parametrize(
    "text", ["", "ORTHANC", "ORTHANC@host", "@host:1", "A@host:0", "A@host:65536", "A" * 17 + "@host:1"]
)
def test_what_is_no_address_is_one_sentence(text):
    with pytest.raises(FreezenetError, match=r"^An archive as TITLE@HOST:PORT is required"):
        Archive.from_text(text, "ME")
