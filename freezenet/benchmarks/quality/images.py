"""Images whose truth is known, as everything that is measured in this room takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freezenet.train.metrics.draws import PatientDraws


@dataclass(frozen=True)
class KnownImages:
    """Images whose truth is known.

    Args:
        truth: (n, labels) bool, n at least 1.
        labels: names.
        patients: (n,) names.
        draws: `freezenet.train.metrics.draws.patient_draws` of these, which all figures share.
        columns: column -> value (n,) to slice by, see `freezenet.benchmarks.quality.slices.slice_columns`.
    """

    truth: NDArray[np.bool_]
    labels: Sequence[str]
    patients: Sequence[str]
    draws: PatientDraws
    columns: Mapping[str, Sequence[str]]
