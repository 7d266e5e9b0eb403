"""A drawn chest X-ray as DICOM, and the peers of a hospital: DCMTK's tools and the archive Orthanc."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid


@pytest.fixture
def chest() -> Callable[..., Dataset]:
    """A function that makes a CR image of random gray values; `number` sets its UIDs."""

    def make(number: int = 0, **changed) -> Dataset:
        pixels = np.random.default_rng(number).integers(0, 256, (120, 100), dtype=np.uint8)
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = ComputedRadiographyImageStorage
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[f"image {number}"])
        dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
        dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
        dataset.PatientName, dataset.PatientID = "Drawn^Phantom", "P1"
        dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "CR", "CHEST", "PA"
        dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "MONOCHROME2", 1
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation = 7, 0
        dataset.PixelData = pixels.tobytes()
        for keyword, value in changed.items():
            setattr(dataset, keyword, value)
        return dataset

    return make


@pytest.fixture
def chest_file(chest, tmp_path) -> Callable[..., Path]:
    """A function that writes such an image and returns its path."""

    def write(number: int = 0, **changed) -> Path:
        path = tmp_path / f"chest-{number}.dcm"
        chest(number, **changed).save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def answer() -> dict:
    """A line of `freezenet predict --json` as it stands beside a result."""
    return {
        "label": "Normal",
        "probabilities": {"COVID": 0.125, "Lung_Opacity": 0.0625, "Normal": 0.75, "Viral_Pneumonia": 0.0625},
        "abstained": False,
        "reason": None,
        "model": "int8.tflite",
        "model_sha256": "ab" * 32,
        "card_sha256": "cd" * 32,
        "runtime": "ai-edge-litert 2.3.0",
        "input_sha256": "12" * 32,
    }


@pytest.fixture
def dcmtk() -> Callable[..., subprocess.CompletedProcess]:
    """A function that runs one of DCMTK's tools; pynetdicom brings tools of the same names, hence the path."""

    def run(tool: str, *arguments) -> subprocess.CompletedProcess:
        path = Path("/usr/bin") / tool
        if not path.is_file():
            pytest.skip(f"{path} is not here; Debian's package dcmtk has it")
        return subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture
def dciodvfy() -> Callable[[Path], str]:
    """A function that returns what the standard's validator says of a file."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not here; Debian's package dicom3tools has it")

    def said(path: Path) -> str:
        done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, errors="replace", timeout=60)
        return done.stdout + done.stderr

    return said


@pytest.fixture
def until() -> Callable[[Callable[[], object]], object]:
    """A function that waits until something is true and returns it; it fails where that never comes."""

    def wait(condition: Callable[[], object], seconds: float = 60) -> object:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.05)
        return pytest.fail("it never happened")

    return wait


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@dataclass
class Orthanc:
    """A running archive: its DICOM port, its HTTP port, and what it knows of a node that it may send to."""

    port: int
    http: int
    node_port: int

    def get(self, path: str):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=30) as reply:
            return json.loads(reply.read())

    def post(self, path: str, body: bytes):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data=body, method="POST")
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read())

    def modalities(self) -> list[str]:
        """The modality of each series that the archive holds, sorted."""
        return sorted(one["MainDicomTags"]["Modality"] for one in self.get("/series?expand"))


@pytest.fixture
def orthanc(tmp_path) -> Iterator[Orthanc]:
    """The hospital's archive, started for this test; a node called FREEZENET is known to it at `node_port`."""
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if program is None:
        pytest.skip("Orthanc is not here; Debian's package orthanc has it")
    archive = Orthanc(free_port(), free_port(), free_port())
    settings = {
        "StorageDirectory": str(tmp_path / "archive"), "IndexDirectory": str(tmp_path / "archive"), "Plugins": [],
        "DicomAet": "ORTHANC", "DicomPort": archive.port, "DicomCheckCalledAet": True, "HttpPort": archive.http,
        "AuthenticationEnabled": False, "DicomModalities": {"node": ["FREEZENET", "127.0.0.1", archive.node_port]},
    }  # fmt: skip
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    with (tmp_path / "orthanc.log").open("w") as log:
        process = subprocess.Popen([program, tmp_path / "orthanc.json"], stdout=log, stderr=log)
    try:
        for _ in range(200):
            try:
                archive.get("/system")
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        else:
            pytest.fail((tmp_path / "orthanc.log").read_text())
        yield archive
    finally:
        process.terminate()
        process.wait(30)
