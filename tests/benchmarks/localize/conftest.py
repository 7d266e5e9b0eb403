"""A clinic made up of numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from freezenet.benchmarks.localize.images import LocalImages


@pytest.fixture(scope="session")
def a_clinic():
    """Returns the images of a clinic with so many of the classes A and B, each of its own patient, and a network that is right about most."""

    def made(ill: int, well: int, **changes) -> LocalImages:
        truth = np.repeat([0, 1], [ill, well])
        count = len(truth)
        logits = np.random.default_rng(0).normal(size=(count, 2)) + 3 * np.eye(2)[truth]
        images = LocalImages(
            files=tuple(f"{number}.png" for number in range(count)),
            labels=("A", "B"),
            scores=softmax(logits, axis=1).astype(np.float32),
            truth=truth,
            patients=tuple(f"p{number}" for number in range(count)),
            patients_known=True,
            refused=np.zeros(count, bool),
            groups={"sex": ("female",) * count},
            digest="",
            run_known=False,
            sources=("",) * count,
            pixels=np.zeros((count, 1, 1), np.uint8),
        )
        return replace(images, **changes)

    return made
