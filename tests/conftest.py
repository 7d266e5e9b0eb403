"""Shared fixtures: drawn phantoms, one small trained run, its converted models, made-up DICOM files, and the real images where
they are."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from platformdirs import user_cache_path
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

#: Real X-rays and weights for the project's own checks; a user's clone does without.
SHARED = Path(os.environ.get("FREEZENET_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared")

#: Clients are installed once for all sessions, so not into the session's own cache, which takes this variable's place.
TOOLS = Path(os.environ.get("FREEZENET_CACHE") or user_cache_path("freezenet")) / "clients"


@pytest.fixture(scope="session", autouse=True)
def _talk():
    """Show what the library logs, as a command does."""
    from freezenet.edge_runtime.system.talk import show_talk

    show_talk()


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder in which the clients are installed."""
    return TOOLS


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real chest X-rays and ImageNet weights."""
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared with real chest X-rays is not here")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Keep the frozen-half cache out of the user's own."""
    os.environ["FREEZENET_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    del os.environ["FREEZENET_CACHE"]


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory) -> Path:
    """phantoms.csv of a small drawn data set: four classes, patients, 96 pixels."""
    from freezenet.train.data.phantoms import write_phantoms

    return write_phantoms(tmp_path_factory.mktemp("phantoms"), scale=0.4, size=96)


@pytest.fixture(scope="session")
def run(phantoms, tmp_path_factory):
    """A finished `freezenet.train.run.Run` of a small net on the phantoms."""
    from freezenet.train.options import TrainingOptions
    from freezenet.train.recipes.recipe import load_recipe
    from freezenet.train.run import Run
    from freezenet.train.training import train

    folder = tmp_path_factory.mktemp("trained") / "run"
    train(
        phantoms,
        folder,
        recipe=load_recipe("phantoms", ("epochs=10", "batch_size=16", "patience=10", "seed=1")),
        options=TrainingOptions(weights="none"),
    )
    run = Run.open(folder)
    # Most tests compare a device's answers with the network's scores, so the models say them as they are and never abstain.
    run.decision_file.rename(folder.parent / run.decision_file.name)
    return run


@pytest.fixture
def deciding_run(run, tmp_path):
    """A copy of `run` with what its training chose: temperature, abstention threshold and gate."""
    from freezenet.train.run import Run

    folder = Path(shutil.copytree(run.folder, tmp_path / "run"))
    own = Run.open(folder)
    shutil.copyfile(run.folder.parent / own.decision_file.name, own.decision_file)
    return own


@pytest.fixture(scope="session")
def models(run, tmp_path_factory) -> Path:
    """The MODELS folder of `run` with every variant that needs no further training, in both profiles."""
    from freezenet.convert.models import convert

    folder = tmp_path_factory.mktemp("converted") / "models"
    # On some thirty validation images of a barely trained network two changed answers would keep a variant back.
    convert(run, folder, ("float32", "float16", "dynamic", "int8", "int16x8"), ("edge", "app"), gate=False)
    return folder


@pytest.fixture
def own_models(models, tmp_path) -> Path:
    """A copy of the MODELS folder that a test may change."""
    return Path(shutil.copytree(models, tmp_path / "models"))


@pytest.fixture
def make_key(tmp_path):
    """Make a key of an elliptic curve with OpenSSL; return its private and its public PEM file."""

    def make(name: str = "key", curve: str = "prime256v1") -> tuple[Path, Path]:
        private, public = tmp_path / f"{name}.pem", tmp_path / f"{name}.pub"
        subprocess.run(["openssl", "ecparam", "-name", curve, "-genkey", "-noout", "-out", private], check=True)
        subprocess.run(["openssl", "ec", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
        return private, public

    return make


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command in this process; return (exit code, stdout, stderr)."""
    from freezenet import cli

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["freezenet", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def dicom() -> Callable[..., bytes]:
    """A function that makes a chest X-ray's DICOM file of pixels (h, w); tags of the value None are left out.

    frame: the pixels as encoded by the test, for a compressed transfer syntax; RLE is encoded by pydicom.
    """

    def make(pixels: np.ndarray, syntax: UID = ExplicitVRLittleEndian, frame: bytes | None = None, **tags) -> bytes:
        bits = 8 * pixels.itemsize
        data = Dataset()
        data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
        data.PatientName, data.Modality, data.BodyPartExamined, data.ViewPosition = "Doe^Jane", "CR", "CHEST", "PA"
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.Rows, data.Columns = pixels.shape
        data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
        data.PixelRepresentation = int(pixels.dtype.kind == "i")
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = syntax
        if frame is not None:
            data.PixelData = encapsulate([frame])
        elif syntax == RLELossless:
            data.compress(syntax, pixels, encoding_plugin="pydicom", generate_instance_uid=False)
        else:
            little = UID(syntax).is_little_endian
            data.PixelData = pixels.astype(pixels.dtype.newbyteorder("<" if little else ">")).tobytes()
        data["PixelData"].VR = "OB" if UID(syntax).is_encapsulated or bits == 8 else "OW"
        for keyword, value in tags.items():
            if value is None:
                delattr(data, keyword)
            else:
                setattr(data, keyword, value)
        stream = io.BytesIO()
        data.save_as(stream, enforce_file_format=True)
        return stream.getvalue()

    return make
