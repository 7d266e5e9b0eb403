"""From DATA, a folder or a CSV, to its `Dataset`.

The layouts that DATA may have are the modules of `freezenet.train.data.layouts`; `docs/data.md` shows them.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.dataset import Dataset
from freezenet.train.data.label_sets import SEPARATOR
from freezenet.train.data.layouts import LAYOUTS
from freezenet.train.data.layouts.class_names import with_sound_names
from freezenet.train.data.layouts.dicom_header import with_headers
from freezenet.train.data.layouts.patients import with_nih_patients
from freezenet.train.data.layouts.tree import walk
from freezenet.train.task import TASKS, MultiClass, MultiLabel

logger = logging.getLogger(__name__)


def load(
    data: str | Path,
    task: str | None = MultiClass.name,
    least_classes: int = 2,
    *,
    say: bool = True,
    columns: Collection[str] = (),
) -> Dataset:
    """Read which images DATA holds, without opening them.

    Args:
        data: a folder or a CSV in one of the layouts.
        task: name of what the classes mean, see `freezenet.train.task`; None takes label sets where there are any.
        least_classes: how many classes or labels it must have.
        say: log what was found in DATA and is not used, or used for something else than it says.
        columns: of its CSV that are used beside those of the layout.

    Raises:
        DataError: it is in none of the layouts, contradicts its own, or is not for this task.
    """
    path = Path(data)
    if not path.exists():
        raise DataError(f"A folder of class folders or a CSV is required. Got: {path}, which does not exist.")
    dataset = with_sound_names(_of_task(_read(path), task))
    if len(dataset.labels) < least_classes:
        raise DataError(
            f"At least two classes are required. Got: {len(dataset.labels)} ({', '.join(dataset.labels)}) in {path}."
        )
    if say:
        for note in (*dataset.said(columns), *filter(None, [dataset.manifest.sentence])):
            logger.info(note)
    return dataset


def _of_task(dataset: Dataset, task: str | None) -> Dataset:
    """Give each class its one text."""
    if task is None:
        task = MultiLabel.name if any(SEPARATOR in text for text in dataset.classes) else MultiClass.name
    chosen = TASKS[task]
    texts = {text: chosen.text_of(chosen.labels_of(text)) for text in dataset.classes}
    return replace(
        dataset, samples=tuple(replace(sample, label=texts[sample.label]) for sample in dataset.samples), task=chosen
    )


def _read(path: Path) -> Dataset:
    layout = next((one for one in LAYOUTS if one.recognizes(path)), None)
    if layout is None:
        accepted = "; ".join(f"({number}) {one.NAME}" for number, one in enumerate(LAYOUTS, 1))
        found = "whose images lie in none of them" if any(not why for _, why in walk(path)) else "without images"
        raise DataError(f"DATA in one of these layouts is required: {accepted}. Got: {path}, {found}.")
    return with_nih_patients(with_headers(replace(layout.read(path), layout=layout.NAME, data=path)))
