"""The corpus, made once."""

from __future__ import annotations

import pytest

from studies.stress.fuzz.corpus import corpus


@pytest.fixture(scope="session")
def corpus_files(models) -> dict[str, bytes]:
    """Name -> whole file of every format."""
    return corpus(models / "int8.tflite")
