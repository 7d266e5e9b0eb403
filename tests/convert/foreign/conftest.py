from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

_WRITE = """
import sys
from tflite_support.metadata_writers import image_classifier, writer_utils

source, target, mean, std, labels = sys.argv[1:]
numbers = [[float(one) for one in text.split("/")] for text in (mean, std)]
writer = image_classifier.MetadataWriter.create_for_inference(writer_utils.load_file(source), *numbers, [labels])
writer_utils.save_file(writer.populate(), target)
"""


@pytest.fixture(scope="session")
def with_metadata(tools) -> Callable[..., Path]:
    """A function (file, target, mean, std, labels) that lets TFLite Support's own writer add metadata to a file."""
    python = next(iter(sorted(tools.glob("tflite-support-*/bin/python"))), None)
    if python is None:
        pytest.skip("TFLite Support is not installed here; studies.clients installs it")

    def write(source: Path, target: Path, mean: str, std: str, *labels: str) -> Path:
        names = target.with_name("labels.txt")
        names.write_text("\n".join(labels))
        command = [str(python), "-c", _WRITE, str(source), str(target), mean, std, str(names)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        return target

    return write
