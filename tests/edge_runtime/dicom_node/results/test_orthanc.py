"""Results beside their images in Orthanc, which reads character sets by itself."""

from __future__ import annotations

import io

import numpy as np
import pydicom

from freezenet.edge_runtime.dicom_node.results import secondary_capture, structured_report, to_bytes
from freezenet.edge_runtime.system.chatter import without_pydicom_warnings
from studies.stress.dicom_corpus import CHARSETS, image

NAMES = (
    "Cyrillic",
    "Greek",
    "katakana and kanji by escapes",
    "Korean by escapes",
    "GB18030",
    "UTF-8",
    "UTF-8 undeclared",
)


def test_names_are_the_images_own(orthanc, answer):
    cases = [case for case in CHARSETS if case.name.removeprefix("name: ") in NAMES]
    assert len(cases) == len(NAMES)
    for number, case in enumerate(cases):
        content = image(case, number)
        with without_pydicom_warnings():
            source = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)
        stored = [orthanc.post("/instances", content)]
        for result in (
            structured_report(source, answer),
            secondary_capture(source, answer, np.zeros((64, 64, 3), np.uint8)),
        ):
            stored.append(orthanc.post("/instances", to_bytes(result)))
        # One patient, one study: the archive puts them where their image is.
        assert len({one["ParentPatient"] for one in stored}) == 1
        assert len({one["ParentStudy"] for one in stored}) == 1
        shown = [orthanc.get(f"/instances/{one['ID']}/simplified-tags")["PatientName"] for one in stored]
        assert shown[1:] == [case.shown["PatientName"]] * 2
        # Orthanc itself reads no escape sequences of kanji; undeclared text it takes for Latin-1.
        if case.name.removeprefix("name: ") in ("Cyrillic", "Greek", "GB18030", "UTF-8"):
            assert shown[0] == shown[1]
    assert orthanc.modalities() == sorted(["CR", "OT", "SR"] * len(cases))


def test_a_repaired_identifier_is_shown(orthanc, chest, answer):
    stored = orthanc.post("/instances", to_bytes(structured_report(chest(PatientID="Ж-7", PatientSex="U"), answer)))
    tags = orthanc.get(f"/instances/{stored['ID']}/simplified-tags")
    assert (tags["PatientID"], tags["PatientSex"]) == ("Ж-7", "")
