"""Bootstrap draws of whole patients: a table of how often each image counts in each draw, held as small counts of patients.

As floats of images it would take 1.6 GB for 2,000 draws of 100,000 images; as counts of patients, of a byte each, it takes an eighth of that or less. A few
draws at a time are made floats where sums are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
#: Floats that are held at once.
_BLOCK = 4_000_000


@dataclass(frozen=True)
class PatientDraws:
    """How often each image counts in each draw: to be multiplied and sliced by draws as the array (draws, n) of float64 that it stands for.

    Args:
        counts: (draws, patients), whole numbers, how often each patient is drawn.
        patient: (n,) the number of each image's patient, from 0.
    """

    counts: NDArray[np.unsignedinteger]
    patient: NDArray[np.integer]

    @property
    def shape(self) -> tuple[int, int]:
        """The number of draws and of images."""
        return len(self.counts), len(self.patient)

    def __len__(self) -> int:
        """Return the number of draws."""
        return len(self.counts)

    def __getitem__(self, at: slice | tuple[slice, NDArray[np.integer]]) -> NDArray[np.float64]:
        """Return some draws as an array, (rows, n) float64, or of some images, whose numbers follow."""
        rows, patient = (at[0], self.patient[at[1]]) if isinstance(at, tuple) else (at, self.patient)
        return self.counts[rows][:, patient].astype(np.float64)

    def blocks(self) -> Iterator[slice]:
        """Yield the draws in parts whose arrays are small."""
        rows = max(1, _BLOCK // max(1, len(self.patient)))
        return (slice(start, start + rows) for start in range(0, len(self), rows))

    def __matmul__(self, values: NDArray) -> NDArray[np.float64]:
        """Return the sums in each draw, (draws,) or (draws, columns), of what each image adds, (n,) or (n, columns)."""
        return np.concatenate([self[rows] @ values for rows in self.blocks()])

    def sum(self, axis: int) -> NDArray[np.float64]:
        """Return how many images each draw has, (draws,). axis: that of the images, 1 or -1."""
        if axis not in (1, -1):
            raise ValueError(f"Axis 1 or -1, that of the images, is required. Got: {axis}.")
        return self @ np.ones(len(self.patient))

    def after_the_images(self) -> PatientDraws:
        """Return the same behind one draw more, the first, in which every image counts once."""
        once = np.ones((1, self.counts.shape[1]), self.counts.dtype)
        return PatientDraws(np.concatenate([once, self.counts]), self.patient)


#: How often images count, (draws, n): drawn, or given as an array.
Weights = NDArray[np.float64] | PatientDraws


def patient_draws(
    patients: Sequence[str], draws: int = DRAWS, seed: int = 0, strata: NDArray[np.integer] | None = None
) -> PatientDraws:
    """Draw whole patients with replacement, as many as there are.

    Args:
        patients: (n,) the patient of each image; each image its own where patients are not known.
        draws: how many.
        seed: of the drawing.
        strata: as for `strata_of`; patients are drawn within theirs, as many as it has. None draws them from all.
    """
    _, patient = np.unique(np.asarray(patients), return_inverse=True)
    stratum = strata_of(patient, np.zeros(len(patient), int) if strata is None else strata)
    rng = np.random.default_rng(seed)
    parts = [_drawn(int((stratum == one).sum()), draws, rng) for one in np.unique(stratum)]
    # The parts stand in the order of the strata, the patients within each in their own.
    place = np.argsort(np.argsort(stratum, kind="stable"))
    return PatientDraws(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1), place[patient])


def strata_of(patient: NDArray[np.integer], strata: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return the stratum (patients,) of each patient: that of most of its images, the lowest of equals.

    Args:
        patient: (n,) the number of each image's patient, from 0.
        strata: (n,) of each image, whole numbers from 0.
    """
    votes = np.zeros((int(patient.max()) + 1, int(strata.max()) + 1))
    np.add.at(votes, (patient, strata), 1)
    return np.asarray(votes.argmax(1))


def _drawn(count: int, draws: int, rng: np.random.Generator) -> NDArray[np.unsignedinteger]:
    """Return how often each of so many patients is drawn: (draws, count)."""
    shares, rows = np.full(count, 1 / count), max(1, _BLOCK // count)
    drawn = (rng.multinomial(count, shares, size=min(rows, draws - start)) for start in range(0, draws, rows))
    # A patient is hardly ever drawn more than ten times, and 256 times only where a wider type is taken for it.
    return np.concatenate([one.astype(np.min_scalar_type(one.max())) for one in drawn])
