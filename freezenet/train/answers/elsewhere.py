"""Answers about images of sources that a training had not seen, to choose and to judge by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ElsewhereAnswers:
    """What networks said of n images of a source that was left out of their training.

    Args:
        scores: (n, classes) float64, 0..1; 0 for a class that the training did not have.
        truth: (n, classes) bool.
        sources: (n,) what was left out.
        rows: (n,) the numbers of the images among those of the data.
        seeds: (n,) which of the trainings with different seeds answered, 0 for the first.
    """

    scores: NDArray[np.float64]
    truth: NDArray[np.bool_]
    sources: NDArray[np.str_]
    rows: NDArray[np.integer]
    seeds: NDArray[np.integer]

    def only(self, kept: NDArray[np.bool_]) -> ElsewhereAnswers:
        """Return the answers about some of the images. kept: (n,)."""
        return ElsewhereAnswers(
            self.scores[kept], self.truth[kept], self.sources[kept], self.rows[kept], self.seeds[kept]
        )
