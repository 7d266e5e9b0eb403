"""Where a model is worst: its figures on parts of the images, by class, source and any column of the data.

The worst of many parts is always bad, by chance alone. So how many were looked at is said, and the worst one has a second interval that
holds for all of them at once (Bonferroni). To people they are called groups of images: slices are what a computed tomograph makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.quality.bands import UNKNOWN, banded
from freezenet.benchmarks.quality.images import KnownImages
from freezenet.edge_runtime.errors import DataError, SettingError
from freezenet.train.data.dataset import Dataset
from freezenet.train.data.layouts.csv_table import read_column
from freezenet.train.metrics.figure import Figure, bootstrap_figure, interval, wilson
from freezenet.train.metrics.rare import WeightedChanges

#: Parts with fewer patients are shown and not ranked.
LEAST = 10


def slice_columns(dataset: Dataset, asked: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return column -> value (n,) of each image: class, source where the data names any, and the columns that are asked for.

    Args:
        dataset: n samples.
        asked: columns of DATA's CSV, see `freezenet.benchmarks.quality.bands.banded`.

    Raises:
        DataError: there is no such column.
        SettingError: a column tells images or patients apart, so that each would be a slice of its own.
    """
    found = {"class": [sample.label for sample in dataset.samples]}
    if any(sample.source for sample in dataset.samples):
        found["source"] = [sample.source or UNKNOWN for sample in dataset.samples]
    for name in asked:
        if name in ("file", "patient_id"):
            raise SettingError(f"Columns such as sex, age or device are required by --slices. Got: {name}.")
        if name in found:
            continue
        if dataset.data is None or not Path(dataset.data).is_file():
            raise DataError(f"A CSV with the column {name} is required by --slices. Got: a folder.")
        cells = read_column(Path(dataset.data), name)
        found[name] = banded(name, [cells.get(sample.file, "") for sample in dataset.samples])
    return found


def sliced(
    images: KnownImages,
    right: NDArray[np.bool_],
    answered: NDArray[np.bool_],
    reference: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Return the accuracy of each slice, how many of its images are answered, and against a reference the paired difference (JSON types).

    Args:
        images: n of them.
        right: (n,) whether the answer is right, given or not.
        answered: (n,) whether it is sure enough to be given.
        reference: (n,) whether the reference's answer is right.

    Returns:
        "slices": a list of "column", "value", "images", "patients", "accuracy", the counts "answered" and "answered_right", against a reference
        "difference", and "same_as", the "column" and "value" of an earlier one with exactly these images. "looked_at": how many have LEAST
        patients or more, each set of images once. "worst": of these that with the lowest accuracy; "worst_loss": that with the largest loss against the reference;
        each with "over_all", its interval at the level that holds for all of them at once; None where there is none.
    """
    draws, names = images.draws, np.asarray(images.patients)
    rows: list[dict[str, Any]] = []
    first: dict[bytes, dict[str, str]] = {}
    drawn: dict[str, list[NDArray[np.float64]]] = {"accuracy": [], "difference": []}
    for column, cells in images.columns.items():
        values = np.asarray(cells)
        for value in sorted(set(cells)):
            there = values == value
            owners = len(set(names[there]))
            counts = draws @ there
            spread = (draws @ (there & right))[counts > 0] / counts[counts > 0]
            row = {
                "column": column,
                "value": value,
                "images": int(there.sum()),
                "patients": owners,
                "answered": int((there & answered).sum()),
                "answered_right": int((there & answered & right).sum()),
                "accuracy": bootstrap_figure(float(right[there].mean()), spread, owners).to_dict(),
            }
            if reference is not None:
                difference = float(right[there].mean() - reference[there].mean())
                points = _changes(right[there], reference[there], names[there])
                row["difference"] = Figure(difference, *interval(points)).to_dict()
                drawn["difference"].append(points)
            before = first.setdefault(there.tobytes(), {"column": column, "value": value})
            if before["column"] != column:
                row["same_as"] = before
            rows.append(row)
            drawn["accuracy"].append(spread)
    ranked = [number for number, row in enumerate(rows) if row["patients"] >= LEAST and "same_as" not in row]
    found: dict[str, Any] = {"slices": rows, "looked_at": len(ranked), "least_patients": LEAST}
    for key, figure in (("worst", "accuracy"), ("worst_loss", "difference")):
        # Of equal ones that of which less is known.
        worst = min(
            (number for number in ranked if figure in rows[number]),
            key=lambda number: (rows[number][figure]["value"], rows[number][figure]["low"]),
            default=None,
        )
        found[key] = (
            None
            if worst is None
            else {**rows[worst], "over_all": _over_all(rows[worst], figure, drawn[figure][worst], len(ranked))}
        )
    return found


def _over_all(row: Mapping[str, Any], figure: str, drawn: NDArray[np.float64], slices: int) -> dict[str, float]:
    """Return the interval of one of many slices that holds for all of them; Wilson's where all draws of an accuracy agree."""
    tail = 2.5 / slices
    low, high = np.percentile(drawn, [tail, 100 - tail])
    if low == high and figure == "accuracy":
        low, high = wilson(row[figure]["value"], row["patients"], level=1 - 2 * tail / 100)
    return {"low": round(float(low), 6), "high": round(float(high), 6)}


def worst_sentence(found: Mapping[str, Any], name: str, reference: str | None = None) -> str:
    """Return what `sliced` found in one sentence, "" where no slice has enough patients.

    Args:
        found: what it returned.
        name: of the model.
        reference: name of what it was compared with, for its largest loss; None for its lowest accuracy.
    """
    worst = found["worst_loss" if reference else "worst"]
    if worst is None:
        return ""
    one = Figure(**worst["difference" if reference else "accuracy"]).times(100)
    wide = Figure(one.value, *(100 * worst["over_all"][end] for end in ("low", "high")))
    many = found["looked_at"]
    where = f"{worst['column']} {worst['value']} ({worst['images']} images of {worst['patients']} patients)"
    among = f"of {many} groups of images looked at" if many > 1 else "the only group of images with enough patients"
    # One of many is worst by chance alone.
    allowing = f", or, as {many} were looked at, {{}}" if many > 1 else ""
    if not reference:
        return f"{name} does worst on {where}, {among}: {one:.1f %} are right if all must be answered{allowing.format(wide.ends('.1f'))}."
    if one.value >= 0:
        return (
            f"{name} against {reference} loses accuracy on none of the {many} groups of images looked at; least is known of {where}: "
            f"{one:+.1f points}."
        )
    return f"{name} against {reference} loses most on {where}, {among}: {one:+.1f points}{allowing.format(wide.ends('+.1f'))}."


def _changes(right: NDArray[np.bool_], reference: NDArray[np.bool_], patients: NDArray) -> NDArray[np.float64]:
    """Return points of the difference's distribution; it has a width also where no answer changed, see `rare`."""
    _, owner = np.unique(patients, return_inverse=True)
    of_patient = np.bincount(owner, right.astype(float) - reference) / len(right)
    return WeightedChanges.of(of_patient, np.array([1 / len(of_patient)])).middle()
