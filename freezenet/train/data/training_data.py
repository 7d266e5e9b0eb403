"""A data set whose images have been read: what the loss, the fit, the answers, the OOD gate and the results are given."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.train.data.dataset import Dataset
from freezenet.train.data.images import Images, failure_lines, read_what_can_be_read, refuse_failures

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingData:
    """Samples and their images, in one order.

    Args:
        dataset: n samples.
        images: of all of them.
        soft: (n, labels) float, what the training is to answer in place of the truth alone (`freezenet.train.final`); None for that.
    """

    dataset: Dataset
    images: Images
    soft: NDArray[np.floating] | None = None

    @classmethod
    def read(
        cls, dataset: Dataset, spec: PreprocessSpec, *, skip_unreadable: bool = False, trust_tags: bool = True
    ) -> TrainingData:
        """Read the images of a data set.

        Args:
            dataset: its samples.
            spec: what makes pixels of a file.
            skip_unreadable: leave out what cannot be read, and name it.
            trust_tags: see `freezenet.edge_runtime.images.dicom.read_dicom_gray`.

        Raises:
            DataError: an image cannot be read and is not to be skipped, or no image of a class can be read.
        """
        reading = read_what_can_be_read(dataset.paths, spec, trust_tags=trust_tags)
        if not skip_unreadable:
            refuse_failures(dataset, reading)
        for line in failure_lines(dataset, reading):
            logger.warning(f"skipped {line}")
        if not reading.failures:  # a selection would copy all pixels
            return cls(dataset, Images(reading.pixels, reading.hashes))
        good = [row for row in range(len(dataset.samples)) if row not in reading.failures]
        left = dataset.only(good)
        lost = sorted(set(dataset.labels) - set(left.labels))
        if lost:
            raise DataError(f"A readable image of every class is required. Got: none of {', '.join(lost)}.")
        return cls(left, Images(reading.pixels[good], tuple(reading.hashes[row] for row in good)))

    def with_splits(self, splits: Iterable[str]) -> TrainingData:
        """Return the same images with the split (n,) of each set to these."""
        return replace(self, dataset=self.dataset.with_splits(splits))

    def some(self, rows: NDArray[np.integer]) -> TrainingData:
        """Return the data with the images of these row numbers alone, in their order."""
        soft = None if self.soft is None else self.soft[rows]
        return TrainingData(self.dataset.only(rows), self.images.some(rows), soft)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of what is answered, in the order of their numbers."""
        return self.dataset.labels

    @cached_property
    def splits(self) -> NDArray[np.str_]:
        """The split (n,) of each image, "" where none has been drawn."""
        return np.array([sample.split for sample in self.dataset.samples])

    @cached_property
    def classes(self) -> NDArray[np.integer]:
        """The number (n,) of each image's class, or of its label set in a multi-label task."""
        numbers = {name: number for number, name in enumerate(self.dataset.classes)}
        return np.array([numbers[sample.label] for sample in self.dataset.samples])

    @cached_property
    def truth(self) -> NDArray[np.bool_]:
        """Which labels each image has, (n, labels) bool."""
        return self.dataset.truth

    @cached_property
    def groups(self) -> NDArray[np.integer]:
        """The numbers (n, 2) of each image's class and of its source."""
        names = {name: number for number, name in enumerate(sorted({one.source for one in self.dataset.samples}))}
        return np.column_stack([self.classes, [names[sample.source] for sample in self.dataset.samples]])

    @property
    def targets(self) -> NDArray[np.float32]:
        """The same as targets of the training, (n, labels): 0 and 1, or between where they are soft."""
        return (self.truth if self.soft is None else self.soft).astype(np.float32)

    @cached_property
    def patients(self) -> NDArray[np.str_]:
        """The patient (n,) of each image; an image of an unknown one has its own."""
        return np.array([sample.patient for sample in self.dataset.samples])

    def rows(self, split: str) -> NDArray[np.integer]:
        """Return the row numbers of a split."""
        return np.flatnonzero(self.splits == split)
