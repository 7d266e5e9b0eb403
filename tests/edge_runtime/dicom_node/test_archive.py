"""The archive as it is called: Orthanc, DCMTK's storescp, and what the standard says of statuses."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS

from freezenet.edge_runtime.dicom_node.archive import Archive, ArchiveTrouble, Verdict, verdict
from freezenet.edge_runtime.dicom_node.results import secondary_capture, structured_report
from freezenet.edge_runtime.errors import FreezenetError

CLASSES = {ComprehensiveSRStorage, SecondaryCaptureImageStorage}


@pytest.fixture
def results(chest, answer):
    picture = np.zeros((100, 100, 3), np.uint8)
    return [structured_report(chest(), answer), secondary_capture(chest(), answer, picture)]


def test_an_archive_keeps_each_result_once(orthanc, results):
    archive = Archive.from_text(f"ORTHANC@127.0.0.1:{orthanc.port}", "FREEZENET")
    for _ in range(2):
        with archive.call(CLASSES) as session:
            assert session.accepted == CLASSES
            assert [session.store(result) for result in results] == [0, 0]
    assert orthanc.modalities() == ["OT", "SR"]
    found = {orthanc.get(f"/instances/{one}/simplified-tags")["SOPInstanceUID"] for one in orthanc.get("/instances")}
    assert found == {result.SOPInstanceUID for result in results}


def test_an_archive_of_another_title_says_that_this_stays_so(orthanc):
    archive = Archive.from_text(f"WRONG@127.0.0.1:{orthanc.port}", "FREEZENET")
    with pytest.raises(
        ArchiveTrouble, match=r"Got: WRONG@127\.0\.0\.1:\d+: it refused the association permanently \(Called AE"
    ) as raised, archive.call(CLASSES):  # fmt: skip
        pass
    assert raised.value.for_long


def test_an_archive_that_is_away_is_one_sentence():
    with pytest.raises(
        ArchiveTrouble, match=r"^An archive that answers is required\. Got: AWAY@127\.0\.0\.1:9: no answer"
    ) as raised, Archive.from_text("AWAY@127.0.0.1:9", "FREEZENET").call(CLASSES):  # fmt: skip
        pass
    assert not raised.value.for_long


def test_what_each_status_means():
    """Every status that pynetdicom lists for C-STORE, by the category that it gives."""
    for status, (category, _) in STORAGE_SERVICE_CLASS_STATUS.items():
        found = verdict(status)
        if category in ("Success", "Warning") or status == 0x0111:
            assert found is Verdict.STORED, hex(status)
        elif 0xA700 <= status <= 0xA7FF or status in (0x0210, 0x0213):
            assert found is Verdict.LATER, hex(status)
        elif status == 0x0110 or status >= 0xFE00:  # cancelled or pending, which no C-STORE is
            assert found is Verdict.UNCLEAR, hex(status)
        else:
            assert found is Verdict.NEVER, hex(status)
    assert verdict(0x0124) is Verdict.NEVER  # not authorized
    assert verdict(0x4711) is Verdict.UNCLEAR


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
