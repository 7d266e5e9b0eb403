"""A classifier that somebody else trained and packaged, read by its metadata alone, on pictures whose class is known.

    python -m studies.foreign.packaged efficientnet_lite0.tflite PICTURES... [--table CSV] [--json] [--out results]

PICTURES are folders. The pictures that the table gives a class are judged as `freezenet evaluate MODEL TABLE` judges them, told nothing else. On all
pictures the scores are compared with those of MediaPipe Tasks, which reads metadata, files and pixels by code of its own: once of the picture's
file, where MediaPipe resizes too, and once of the pixels that freezenet resized, where only what follows can differ. MediaPipe hands a uint8 input the
pixels, whatever normalization the metadata say, so such a model is also read as `--preprocess` can say that.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import cv2
import numpy as np

from freezenet.edge_runtime.errors import DataError, ModelError
from freezenet.edge_runtime.images.reader import IMAGE_SUFFIXES
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.edge_runtime.system.environment import environment
from studies.clients.mediapipe import VERSION, mediapipe_python
from studies.command import StudyCommand, hand_over, model_argument, result_options
from studies.peers.process import WayProcess, usable_cores
from studies.peers.ways import Start
from studies.tools import default_tools_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from freezenet.convert.foreign.classifier import ForeignClassifier

#: file,class,source: ImageNet's class of each picture, as foolbox names it or as somebody saw it beyond doubt before any model was asked.
TABLE = Path(__file__).with_name("pictures.csv")


def pictures_in(folders: Sequence[Path]) -> dict[str, Path]:
    """Return file name -> path of all pictures that lie in the folders; DataError where two have one name."""
    found: dict[str, Path] = {}
    for path in (path for folder in folders for path in sorted(folder.iterdir())):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            if path.name in found:
                raise DataError(
                    f"Pictures of different names are required. Got: {path.name} in {path.parent} and in {found[path.name].parent}."
                )
            found[path.name] = path
    return found


def gathered(table: Path, pictures: dict[str, Path], folder: Path) -> Path:
    """Lay a copy of the table and of the pictures that it names into a folder; return that of the table, which is DATA."""
    names = [file for file, _ in _rows(table)]
    missing = [name for name in names if name not in pictures]
    if missing:
        raise DataError(
            f"All {len(names)} pictures of {table.name} are required. Got: {len(missing)} that lie in none of the folders, first {missing[0]}."
        )
    for name in names:
        shutil.copyfile(pictures[name], folder / name)
    return Path(shutil.copyfile(table, folder / "table.csv"))


def opened(model: Path, data: Path, specs: Sequence[str] = ()) -> ForeignClassifier:
    """Return a model read by its metadata, or as `--preprocess` says; ModelError where it is one of ours."""
    from freezenet.benchmarks.any_model.opening import open_models
    from freezenet.convert.foreign.classifier import is_ours

    if is_ours(ModelFile.read(model)):
        raise ModelError(f"A model that freezenet did not write is required. Got: {model.name}, which has its card.")
    (classifier,) = open_models([model], data, specs=specs)
    return cast("ForeignClassifier", classifier)


def raw_spec(classifier: ForeignClassifier) -> str | None:
    """Return the `--preprocess` with which a uint8 input is the pixels, None where there is no such."""
    entry = classifier.reading.input
    if entry.dtype != "uint8" or not entry.scales:
        return None
    return f"mean={entry.zero_points[0]},std={1 / entry.scales[0]:g}"


def judged(classifier: ForeignClassifier, data: Path) -> dict[str, Any]:
    """Return how many pictures of DATA are answered right, in all and per source, and what the others are called (JSON types)."""
    from freezenet.benchmarks.any_model.evaluate import evaluate_file
    from freezenet.train.data.loading import load

    figures = evaluate_file(classifier, data)
    dataset = load(data, least_classes=1, say=False)
    called = [classifier.predict(path).label for path in dataset.paths]
    pairs = [(sample.label, label) for sample, label in zip(dataset.samples, called, strict=True)]
    return {
        "pictures": figures["images"],
        "right": sum(truth == label for truth, label in pairs),
        "accuracy": figures["accuracy"],
        "by_source": {
            name: {"pictures": one["images"], "accuracy": one["accuracy"]} for name, one in figures["by_source"].items()
        },
        "wrong": [{"class": truth, "called": label} for truth, label in pairs if truth != label],
    }


def mediapipe_scores(
    model: Path, pictures: Sequence[Path], pixels: Sequence[NDArray], python: Path
) -> dict[str, NDArray]:
    """Return the scores (n, classes) of MediaPipe, given the "file" of each picture and given its "pixels".

    Args:
        model: a .tflite file with metadata.
        pictures: n image files.
        pixels: of each (h, w) or (h, w, 3) uint8, of the input's size, red first.
        python: of an environment with MediaPipe.
    """
    start = Start(python, {"way": "mediapipe", "model": str(model.resolve())})
    found: dict[str, list[list[float]]] = {"file": [], "pixels": []}
    with tempfile.TemporaryDirectory() as folder, WayProcess(start, usable_cores()[:1]) as mediapipe:
        resized = Path(folder) / "resized.png"
        for path, values in zip(pictures, pixels, strict=True):
            cv2.imwrite(str(resized), values[..., ::-1] if values.ndim == 3 else values)
            for given, file in (("file", path.resolve()), ("pixels", resized)):
                answer = mediapipe.ask(file, 0)
                if "cannot" in answer:
                    raise DataError(
                        f"Pictures that MediaPipe reads are required. Got: {path.name}, {answer['cannot']}."
                    )
                found[given].append(answer["scores"])
    return {given: np.array(scores) for given, scores in found.items()}


def agreement(ours: NDArray, theirs: NDArray) -> dict[str, Any]:
    """Return how two sets of scores (n, classes) agree (JSON types); the median is of the largest difference of each picture."""
    largest = np.abs(ours - theirs).max(1)
    return {
        "same_class": int((ours.argmax(1) == theirs.argmax(1)).sum()),
        "largest_difference": round(float(largest.max()), 6),
        "median_difference": round(float(np.median(largest)), 6),
    }


def study(model: Path, folders: Sequence[Path], table: Path, tools: Path) -> dict[str, Any]:
    """Return what is measured (JSON types); MissingToolError where MediaPipe cannot be installed. tools: where it is."""
    python = mediapipe_python(tools)
    pictures = pictures_in(folders)
    with tempfile.TemporaryDirectory() as folder:
        data = gathered(table, pictures, Path(folder))
        classifier = opened(model, data)
        pixels = [classifier.card.preprocess.pixels(path) for path in pictures.values()]
        theirs = mediapipe_scores(model, list(pictures.values()), pixels, python)
        readings = {"": classifier}
        if spec := raw_spec(classifier):
            readings[spec] = opened(model, data, [spec])
        return {
            "model": model.name,
            "model_sha256": classifier.file.sha256,
            "bytes": len(classifier.file.content),
            "reading": classifier.reading.facts,
            "pictures": len(pictures),
            "readings": [
                {"preprocess": spec, **judged(one, data), "against_mediapipe": _beside(one, pixels, theirs)}
                for spec, one in readings.items()
            ],
            "mediapipe": {
                "version": VERSION,
                "right": _right(table, list(pictures), theirs["file"], classifier.card.labels),
            },
            "environment": environment(),
        }


def _beside(classifier: ForeignClassifier, pixels: Sequence[NDArray], theirs: dict[str, NDArray]) -> dict[str, Any]:
    ours = np.concatenate([classifier.scores(one[None]) for one in pixels])
    return {given: agreement(ours, scores) for given, scores in theirs.items()}


def _right(table: Path, names: Sequence[str], scores: NDArray, labels: Sequence[str]) -> int:
    """Return of how many pictures of the table the highest score is that of their class."""
    called = {name: labels[number] for name, number in zip(names, scores.argmax(1), strict=True)}
    return sum(called[file] == truth for file, truth in _rows(table))


def _rows(table: Path) -> list[tuple[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return [(row["file"], row["class"]) for row in csv.DictReader(file)]


@click.command(cls=StudyCommand)
@model_argument
@click.argument(
    "pictures", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="PICTURES..."
)  # fmt: skip
@click.option(
    "--table", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=TABLE, metavar="CSV",
    help="file,class[,source] of the pictures that are judged; default: the study's own.",
)  # fmt: skip
@result_options
def main(model: Path, pictures: tuple[Path, ...], table: Path, as_json: bool, out: Path | None) -> None:
    """Judge another maker's MODEL on the pictures of a table, and compare its scores of all PICTURES with MediaPipe's."""
    result = study(model, pictures, table, default_tools_folder())
    lines = []
    for one in result["readings"]:
        lines.append(f"read by {one['preprocess'] or 'its metadata'}: {one['right']} of {one['pictures']} right")
        lines += [f"  {each['class']} is called {each['called']}" for each in one["wrong"]]
        lines += [
            f"  given the {given}, MediaPipe names the same class of {same['same_class']} of {result['pictures']}, scores within "
            f"{same['largest_difference']:.4f}"
            for given, same in one["against_mediapipe"].items()
        ]
    lines.append(f"MediaPipe: {result['mediapipe']['right']} right")
    hand_over(result, f"packaged-{model.stem}", "\n".join(lines), as_json, out)


if __name__ == "__main__":
    main()
