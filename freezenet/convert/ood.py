"""The OOD gate of an integer file: fitted on what the file itself reads, which is not quite what the trained network reads.

Eight bits move the features, and those of a noisy image more than others: with the gate of the float network an int8 file refused 18 % of
noisy chest X-rays, with its own 2 % (docs/training.md). Mean, covariance and threshold are fitted anew; a logistic gate beside them, which
needs the images of --not-cxr, stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.convert.ptq.calibration import read_checked
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.edge_runtime.ood import BothGates, OneClassGate, ood_from_dict, ood_to_dict, single_gates
from freezenet.train.data.images import Images
from freezenet.train.ood.gates import fit_one_class_gate, fit_one_class_gate_by_folds, patient_folds
from freezenet.train.ood.versions import VERSIONS, image_version
from freezenet.train.run import Run

#: Images of each split that the file reads, with their versions; some ten seconds on two cores.
_MOST = 500


@dataclass(frozen=True)
class FileGates:
    """Fits the OOD gate of one file after the other on the same images.

    Args:
        run: whose images and gate they are.
        data: where DATA lies now, if it was moved.
    """

    run: Run
    data: Path | None

    def gate(self, interpreter: Interpreter, features: int) -> dict[str, Any] | None:
        """Return the `gate` object of a card for a file, or None where the run has no gate.

        Args:
            interpreter: of the file.
            features: number of the output that the gate reads.
        """
        content = self.run.decision.get("gate")
        if not content:
            return None
        gate = ood_from_dict(content)
        if not any(isinstance(one, OneClassGate) for one in single_gates(gate)):
            return dict(content)
        spec = self.run.recipe.preprocess
        read = [_features(interpreter, spec, features, one) for one in self._shown]
        if self.run.final:
            (everything,) = read
            folds = patient_folds(self._patients)
            own, _ = fit_one_class_gate_by_folds(everything.reshape(1 + VERSIONS, len(folds), -1), folds)
        else:
            own = fit_one_class_gate(*read)
        if not isinstance(gate, BothGates):
            return ood_to_dict(own)
        return ood_to_dict(BothGates(tuple(own if isinstance(one, OneClassGate) else one for one in gate.gates)))

    @cached_property
    def _shown(self) -> list[list[NDArray[np.uint8]]]:
        """The pixels of training and, unless the run is final, of validation images, as they are and changed."""
        return [self._with_versions(split) for split in (("train",) if self.run.final else ("train", "validation"))]

    @property
    def _patients(self) -> list[str]:
        return [row["patient_id"] for _, row in self._rows("train")]

    def _rows(self, split: str) -> list[tuple[Path, dict[str, str]]]:
        return sorted(self.run.paths(split, self.data), key=lambda one: one[1]["sha256"])[:_MOST]

    def _with_versions(self, split: str) -> list[NDArray[np.uint8]]:
        rows = self._rows(split)
        images = Images(read_checked(rows, self.run.recipe.preprocess), tuple(row["sha256"] for _, row in rows))
        return [images.pixels, *(image_version(images, number).pixels[:] for number in range(VERSIONS))]


def _features(
    interpreter: Interpreter, spec: PreprocessSpec, output: int, shown: list[NDArray[np.uint8]]
) -> NDArray[np.float32]:
    dtype = interpreter.inputs[0]["dtype"]
    return np.stack(
        [interpreter.invoke(spec.network_input(image, dtype))[output][0] for part in shown for image in part]
    )
