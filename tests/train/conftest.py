"""Made-up folders of data sets, and data of a training without files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from freezenet.train.data.dataset import Dataset, Sample
from freezenet.train.data.images import Images
from freezenet.train.data.phantoms import PATTERNS, draw_phantom
from freezenet.train.data.training_data import TrainingData


@pytest.fixture
def touch(tmp_path) -> Callable[..., Path]:
    """A function that makes files without an image in them below a folder, which it returns."""

    def make(*files: str) -> Path:
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_bytes(b"x")
        return tmp_path

    return make


@pytest.fixture
def draw(tmp_path) -> Callable[..., Path]:
    """A function that draws one phantom for each file, each another one, and returns the folder."""
    import numpy as np

    rng = np.random.default_rng(0)

    def make(*files: str, size: int = 96) -> Path:
        for number, file in enumerate(files):
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            image = draw_phantom(list(PATTERNS)[number % len(PATTERNS)], size, rng)
            assert cv2.imwrite(str(tmp_path / file), image)
        return tmp_path

    return make


@pytest.fixture(scope="session")
def made_data() -> Callable[..., TrainingData]:
    """A function that makes the data of a training from pixels (n, h, w) uint8, classes (n,), splits (n,) and labels."""

    def make(pixels, classes, splits, labels) -> TrainingData:
        rows = enumerate(zip(classes, splits, strict=True))
        samples = tuple(Sample(str(row), labels[one], str(row), "", str(split)) for row, (one, split) in rows)
        return TrainingData(Dataset(Path(), samples, False), Images(pixels, tuple(map(str, range(len(pixels))))))

    return make


@pytest.fixture
def precision(request) -> str:
    """The precision that a test is run with; skipped where this processor, as TensorFlow may use it, has none of that type."""
    from freezenet.train.network.devices import convolution_error

    if convolution_error(request.param) is not None:
        pytest.skip(f"no convolution in {request.param.removeprefix('mixed_')} here")
    return request.param
