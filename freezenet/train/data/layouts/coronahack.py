"""CoronaHack, the chest X-ray set on Kaggle (praveengovi/coronahack-chest-xraydataset).

`Chest_xray_Corona_Metadata.csv` names images in `Coronahack-Chest-XRay-Dataset/Coronahack-Chest-XRay-Dataset/{train,test}/`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.dataset import Dataset, Sample
from freezenet.train.data.layouts.csv_table import read_rows
from freezenet.train.data.layouts.kermany import patient_of

NAME = "CoronaHack as on Kaggle (Chest_xray_Corona_Metadata.csv beside its images)"

METADATA = "Chest_xray_Corona_Metadata.csv"
COLUMNS = ("X_ray_image_name", "Label", "Dataset_type", "Label_1_Virus_category", "Label_2_Virus_category")
#: (Label, Label_1_Virus_category) -> class. "Pnemonia" is spelled so there.
CLASSES = {("Normal", ""): "Normal", ("Pnemonia", "bacteria"): "Bacteria", ("Pnemonia", "Virus"): "Virus"}
#: Label_2_Virus_category that makes a viral image one of the class COVID.
_COVID = "COVID-19"
_SPLITS = {"TRAIN": "train", "TEST": "test"}
_HOME = "Coronahack-Chest-XRay-Dataset"


def recognizes(path: Path) -> bool:
    """Whether the folder holds the metadata."""
    return (path / METADATA).is_file()


def read(path: Path) -> Dataset:
    """Read the images of the classes Normal, Bacteria, Virus and COVID; other rows are left out and counted.

    Of the viral images, those with COVID-19 are COVID, those with another virus named stay Virus.
    """
    table = path / METADATA
    columns, rows = read_rows(table)
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise DataError(f"The columns {','.join(COLUMNS)} in {METADATA} are required. Got: no {', '.join(missing)}.")
    home = path / _HOME / _HOME if (path / _HOME / _HOME).is_dir() else path / _HOME
    others: Counter[str] = Counter()
    samples = []
    for number, row in enumerate(rows, 2):
        split = _SPLITS.get(row["Dataset_type"])
        if split is None or not row["X_ray_image_name"]:
            raise DataError(
                f"An image name and a Dataset_type of {', '.join(_SPLITS)} in every row are required. Got: line {number} of {METADATA}."
            )
        label = CLASSES.get((row["Label"], row["Label_1_Virus_category"]))
        if label is None:
            others[" ".join(filter(None, (row["Label"], row["Label_1_Virus_category"])))] += 1
            continue
        label = "COVID" if label == "Virus" and row["Label_2_Virus_category"] == _COVID else label
        file = (home / split / row["X_ray_image_name"]).relative_to(path)
        samples.append(Sample(str(file), label, patient_of(file.name) or str(file), "", split))
    absent = [sample.file for sample in samples if not (path / sample.file).is_file()]
    if absent:
        raise DataError(
            f"Every image that {METADATA} names is required. Got: {len(absent)} of {len(samples)} missing, first "
            f"{path / absent[0]}; download the data set again."
        )
    notes = tuple(f"{count} images of {name} are left out." for name, count in sorted(others.items()))
    return Dataset(path, tuple(samples), any(one.patient != one.file for one in samples), notes=notes)
