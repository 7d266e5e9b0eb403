"""CoronaHack, the chest X-ray set on Kaggle (praveengovi/coronahack-chest-xraydataset).

`Chest_xray_Corona_Metadata.csv` names images in `Coronahack-Chest-XRay-Dataset/Coronahack-Chest-XRay-Dataset/{train,test}/`.
"""

from __future__ import annotations

from pathlib import Path

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.dataset import Dataset, Manifest, Sample
from freezenet.train.data.layouts.csv_rows import read_rows
from freezenet.train.data.layouts.kermany import patient_of
from freezenet.train.data.layouts.tree import walk

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
    others: dict[str, str] = {}
    samples = []
    for row in rows:
        split = _SPLITS.get(row["Dataset_type"])
        if split is None or not row["X_ray_image_name"]:
            raise DataError(
                f"An image name and a Dataset_type of {', '.join(_SPLITS)} in every row are required. Got: line {row.line} of {METADATA}."
            )
        file = (home / split / row["X_ray_image_name"]).relative_to(path).as_posix()
        label = CLASSES.get((row["Label"], row["Label_1_Virus_category"]))
        if label is None:
            kind = " ".join(filter(None, (row["Label"], row["Label_1_Virus_category"])))
            others[file] = f"of {kind}, which is no class here"
            continue
        label = "COVID" if label == "Virus" and row["Label_2_Virus_category"] == _COVID else label
        samples.append(Sample(file, label, patient_of(file) or file, "", split))
    absent = [sample.file for sample in samples if not (path / sample.file).is_file()]
    if absent:
        raise DataError(
            f"Every image that {METADATA} names is required. Got: {len(absent)} of {len(samples)} missing, first "
            f"{path / absent[0]}; download the data set again."
        )
    used = {sample.file for sample in samples}
    unused = {
        file: others.get(file) or reason or f"named in no row of {METADATA}"
        for file, reason in walk(path)
        if file not in used
    }
    manifest = Manifest(len(samples), unused=unused).with_tables([METADATA])
    return Dataset(path, tuple(samples), any(one.patient != one.file for one in samples), manifest=manifest)
