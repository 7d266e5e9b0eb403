"""The audit of a data set: what of the class can be told without the disease."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.system.environment import environment
from freezenet.train.audit import markers, stored, views
from freezenet.train.audit.features import Extract, extractor
from freezenet.train.audit.masks import find_masks, read_masks
from freezenet.train.audit.options import AuditOptions
from freezenet.train.audit.outside import predict_outside
from freezenet.train.audit.probe import Bench, cross_validated, draw_folds, prepared
from freezenet.train.audit.verdict import details, flags_of, headline, sentences
from freezenet.train.data.dataset import Dataset, content_hash
from freezenet.train.data.images import Reading, read_what_can_be_read
from freezenet.train.data.label_sets import strata
from freezenet.train.data.loading import load
from freezenet.train.metrics.draws import patient_draws
from freezenet.train.metrics.sources import source_table
from freezenet.train.progress import track

logger = logging.getLogger(__name__)

#: A stored size counts for "the network sees it" from this share of the images on.
_COMMON_SIZE = 0.05
#: Images with masks of each class, at least, for the views of the lungs.
_LEAST_MASKED = 10


def audit(data: str | Path, *, options: AuditOptions = AuditOptions()) -> dict[str, Any]:
    """Measure what a network could cheat with on DATA, and return it as JSON types.

    "views": view -> accuracy and macro_f1 with patient-bootstrap intervals, recall by class, "remaining" (share of the whole image's accuracy
    above chance that this view reaches, or null), "above_chance"; the views of the lungs, which are of the images with masks, also "whole"
    (accuracy) and "majority" there. "flags": what gives the class away and shows nothing of a disease. "marks": the test of
    `freezenet.train.audit.markers`. "outside": the prediction of `freezenet.train.audit.outside`, null where the data names fewer than two
    sources. "headline", "verdict" and "details" say it in sentences: at first sight, in a report, and the rest.

    Args:
        data: a folder or a CSV in any layout of docs/data.md.
        options: how.

    Raises:
        DataError: DATA cannot be used, holds one class only, or a class has a single patient.
    """
    return audit_dataset(load(data, task=None), options)


def audit_dataset(dataset: Dataset, options: AuditOptions = AuditOptions()) -> dict[str, Any]:
    """Audit a data set that has been loaded; see `audit`."""
    notes: list[str] = []
    if options.masks is not None:
        find_masks(options.masks, dataset.samples)  # a mistake there is told before the work
    dataset = _drawn(dataset, options, notes)
    # Marks are sought in larger pictures than the network may see.
    large, seen = (PreprocessSpec((side, side)) for side in (markers.SIDE, options.image_size))
    reading = read_what_can_be_read(dataset.paths, large, and_at=seen)
    dataset, reading = _readable(dataset, reading, notes)
    patients = np.array([sample.patient for sample in dataset.samples])
    classes = strata([sample.label for sample in dataset.samples], patients.tolist(), options.folds)
    if len(names := np.unique(classes)) < 2:
        raise DataError(
            f"Readable images of at least two classes are required for an audit. Got: {', '.join(names) or 'none'}."
        )
    classes, kept = _with_patients(classes, patients, notes)
    if not kept.all():
        dataset = dataset.only(np.flatnonzero(kept))
        reading = _selected(reading, kept)
        patients = patients[kept]
    folds = draw_folds(classes, patients, options.folds, options.seed)
    bench = Bench(classes, patients, folds, patient_draws(patients.tolist(), seed=options.seed))
    return _measured(dataset, reading, bench, options, notes)


def _measured(
    dataset: Dataset, reading: Reading, bench: Bench, options: AuditOptions, notes: list[str]
) -> dict[str, Any]:
    extract = extractor(options, 4 * len(dataset.samples))
    large, small = reading.pixels, reading.again
    assert small is not None  # asked for
    places = np.stack([markers.mark_places(one) for one in track(large, "Seeking marks", len(large))])
    cells = markers.mark_cells(places)
    tested = markers.test_by_class(cells, bench.classes, bench.patients, options.seed)
    whole = extract(small)
    painted = whole.copy()
    if len(marked := np.flatnonzero(cells[:, -1])):
        # In the pictures that the network sees: resized once more they would differ from the others in that, too.
        painted[marked] = extract(np.stack([markers.painted_over(small[row], places[row]) for row in marked]))
    sources = np.array([sample.source for sample in dataset.samples])
    features: dict[str, NDArray] = {
        "whole": whole,
        "centre_out": extract(views.without_middle(small)),
        "border_out": extract(views.without_border(small)),
        "thumbnail": views.thumbnails(small),
        "histogram": views.histograms(large),
        "marks_out": painted,
        "marks": cells.astype(np.float64),
        "stored_size": stored.size_features(reading.sizes),
        "file_format": stored.one_hot(reading.formats),
    }
    if len(set(sources.tolist())) > 1:
        features["source"] = stored.one_hot(sources.tolist())
    values = {name: prepared(one) for name, one in features.items()}
    answers = {
        name: cross_validated(one, bench.classes, bench.folds)
        for name, one in track(values.items(), "Probing", len(values))
    }
    found: dict[str, Any] = {
        "images": len(dataset.samples),
        "patients": len(set(bench.patients.tolist())),
        "classes": {name: int((bench.classes == name).sum()) for name in np.unique(bench.classes).tolist()},
        "majority": round(bench.majority, 6),
        "folds": int(bench.folds.max()) + 1,
        "views": {name: _figures(bench, one, answers["whole"]) for name, one in answers.items()},
        "marks": {**asdict(tested), "cell": list(tested.cell), "found": tested.found, "images": len(marked)},
    }  # fmt: skip
    if options.masks is not None:
        found["views"] |= _lungs(dataset, small, whole, bench, extract, options, notes)
    sizes = stored.stored_sizes(bench.classes.tolist(), reading.sizes.tolist())
    outside = None
    if too_few := source_table(dataset.table("source")).too_few:
        notes.append(f"{too_few}, so nothing is predicted about others.")
    else:
        outside = predict_outside(values["whole"], sources, bench, whole=answers["whole"]).to_dict()
    found |= {
        "telling_sizes": sizes.telling if sizes.predicts else [],
        "size_seen": _size_seen(reading.sizes, values["whole"], bench),
        "outside": outside,
        "notes": notes,
        "weights": Path(options.weights).name,
        "seed": options.seed,
        "image_size": options.image_size,
    }
    found["flags"] = flags_of(found)
    found["headline"] = headline(found)
    found["verdict"] = sentences(found)
    found["details"] = details(found)
    return found | {"data_sha256": content_hash(reading.hashes), "environment": environment()}


def _figures(bench: Bench, answers: NDArray[np.str_], whole: NDArray[np.str_]) -> dict[str, Any]:
    return {
        **bench.figures(answers),
        "remaining": bench.remaining(answers, whole),
        "above_chance": bench.above_chance(answers),
        "images": len(answers),
    }


def _lungs(
    dataset: Dataset,
    small: NDArray[np.uint8],
    whole: NDArray,
    bench: Bench,
    extract: Extract,
    options: AuditOptions,
    notes: list[str],
) -> dict[str, Any]:
    """Return the two views of the lungs; the whole image is probed again on the images that have masks."""
    assert options.masks is not None
    paths = find_masks(options.masks, dataset.samples)
    rows = np.array(sorted(paths))
    enough = [name for name in np.unique(bench.classes).tolist() if _is_masked(bench, rows, name)]
    rows = rows[np.isin(bench.classes[rows], enough)]
    if len(enough) < 2:
        notes.append(
            f"Masks were found for {len(paths)} images, too few of two classes to compare with and without lungs."
        )
        return {}
    if len(rows) < len(dataset.samples):
        notes.append(
            f"Lungs were compared on {len(rows)} of {len(dataset.samples)} images, of {', '.join(enough)}: the others have no mask."
        )
    classes, patients = bench.classes[rows], bench.patients[rows]
    own = Bench(
        classes,
        patients,
        draw_folds(classes, patients, options.folds, options.seed),
        patient_draws(patients.tolist(), seed=options.seed),
    )
    lungs = read_masks([paths[row] for row in rows.tolist()], options.image_size)
    features = {
        "whole": whole[rows],
        "lungs_only": extract(views.lungs_only(small[rows], lungs)),
        "lungs_out": extract(views.without_lungs(small[rows], lungs)),
    }
    answers = {name: cross_validated(prepared(one), classes, own.folds) for name, one in features.items()}
    compared_with = {"whole": own.figures(answers["whole"])["accuracy"], "majority": round(own.majority, 6)}
    return {
        name: {**_figures(own, answers[name], answers["whole"]), **compared_with}
        for name in ("lungs_only", "lungs_out")
    }


def _is_masked(bench: Bench, rows: NDArray[np.integer], name: str) -> bool:
    """Return whether enough of the images with masks, and more than one patient, are of a class."""
    of_class = rows[bench.classes[rows] == name]
    return len(of_class) >= _LEAST_MASKED and len(set(bench.patients[of_class].tolist())) > 1


def _size_seen(sizes: NDArray[np.integer], values: NDArray[np.float64], bench: Bench) -> dict[str, float] | None:
    """Return how often the probe tells the stored size from the pixels; None where fewer than two sizes are common."""
    names = np.array([f"{width} x {height}" for width, height in sizes.tolist()])
    found, counts = np.unique(names, return_counts=True)
    common = found[counts >= max(10, _COMMON_SIZE * len(names))]
    rows = np.isin(names, common)
    if len(common) < 2 or len(set(bench.folds[rows].tolist())) < 2:
        return None
    right = cross_validated(values[rows], names[rows], bench.folds[rows]) == names[rows]
    return {"value": round(float(right.mean()), 6), "majority": round(float(counts.max() / rows.sum()), 6)}


def _drawn(dataset: Dataset, options: AuditOptions, notes: list[str]) -> Dataset:
    """Return at most `most_images`, whole patients in random order."""
    if len(dataset.samples) <= options.most_images:
        return dataset
    patients = [sample.patient for sample in dataset.samples]
    order = np.random.default_rng(options.seed).permutation(sorted(set(patients)))
    rank = {name: place for place, name in enumerate(order.tolist())}
    rows = sorted(range(len(patients)), key=lambda row: (rank[patients[row]], row))[: options.most_images]
    notes.append(f"{options.most_images} of {len(patients)} images were looked at, drawn by patients.")
    return dataset.only(sorted(rows))


def _readable(dataset: Dataset, reading: Reading, notes: list[str]) -> tuple[Dataset, Reading]:
    if not reading.failures:
        return dataset, reading
    good = np.array([row not in reading.failures for row in range(len(dataset.samples))])
    notes.append(f"{len(reading.failures)} images cannot be read and were left out; `freezenet data` names them.")
    return dataset.only(np.flatnonzero(good)), _selected(reading, good)


def _selected(reading: Reading, kept: NDArray[np.bool_]) -> Reading:
    rows = np.flatnonzero(kept).tolist()
    hashes, formats = ([of[row] for row in rows] for of in (reading.hashes, reading.formats))
    again = None if reading.again is None else reading.again[kept]
    return Reading(reading.pixels[kept], tuple(hashes), reading.sizes[kept], tuple(formats), {}, again)


def _with_patients(
    classes: NDArray[np.str_], patients: NDArray[np.str_], notes: list[str]
) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    """Return the classes of two patients or more, and which images have them; at least two classes stay as they are."""
    few = [name for name in np.unique(classes).tolist() if len(set(patients[classes == name])) < 2]
    kept = ~np.isin(classes, few)
    if not few or len(np.unique(classes[kept])) < 2:
        return classes, np.ones(len(classes), bool)
    notes.append(f"Left out, because they have one patient: {', '.join(few)}.")
    return classes[kept], kept
