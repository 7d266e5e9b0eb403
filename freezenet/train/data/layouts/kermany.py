"""Kermany et al.'s chest X-rays of children, and the Kaggle sets that were made from them.

`train/`, `val/` and `test/` with the class folders NORMAL and PNEUMONIA, in the larger sets also COVID19 and TURBERCULOSIS (as it
is spelled there). The file names hold the patient: Kermany et al., Cell 172:1122-1131, 2018.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from freezenet.train.data.dataset import Dataset
from freezenet.train.data.layouts import class_folders

NAME = "Kermany et al.'s chest X-rays or a Kaggle set made from them (train/, val/, test/ with NORMAL and PNEUMONIA)"

#: Published spelling -> the class that is offered.
SPELLINGS = {"TURBERCULOSIS": "TUBERCULOSIS"}
#: person63_bacteria_306; IM-0115-0001 and NORMAL2-IM-0027-0001; BACTERIA-1008087-0001 of the later release.
_PATIENT = re.compile(
    r"(person\d+_(?:bacteria|virus))_\d+|((?:NORMAL2-)?IM-\d+)(?:-\d+)+|((?:BACTERIA|NORMAL|VIRUS)-\d+)-\d+"
)


def recognizes(path: Path) -> bool:
    """Whether the folder has splits with the class folders NORMAL and PNEUMONIA."""
    return path.is_dir() and {"NORMAL", "PNEUMONIA"} <= {
        folder.name for split, folder in class_folders.class_folders(path) if split
    }


def read(path: Path) -> Dataset:
    """Read the class folders; the patient of an image whose name holds none is unknown."""
    dataset = class_folders.read(path)
    samples = tuple(
        replace(
            sample,
            label=SPELLINGS.get(sample.label, sample.label),
            patient=patient_of(sample.file) or sample.patient,
        )
        for sample in dataset.samples
    )
    return replace(dataset, samples=samples, has_patients=any(one.patient != one.file for one in samples))


def patient_of(file: str) -> str:
    """Return the patient that a file name of Kermany et al. holds; "" where it holds none.

    Persons are numbered through training and test folder, once for bacterial and once for viral pneumonia: person63_bacteria
    (training) is not person63_virus (test).
    """
    found = _PATIENT.fullmatch(Path(file).stem)
    return next(filter(None, found.groups())) if found else ""
