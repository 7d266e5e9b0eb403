"""A classifier that somebody else trained and packaged, read by its metadata alone, on pictures whose class is known.

    python -m studies.foreign.packaged efficientnet_lite0.tflite PICTURES... [--table CSV] [--json] [--out results]

PICTURES are folders. The pictures that the table gives a class are judged as `freezenet evaluate MODEL TABLE` judges them, told nothing else. On all
pictures the scores are compared with those of MediaPipe Tasks, which reads metadata, files and pixels by code of its own: once of the picture's
file, where MediaPipe resizes too, and once of the pixels that freezenet resized, where only what follows can differ.
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
    with table.open(newline="", encoding="utf-8") as file:
        names = [row["file"] for row in csv.DictReader(file)]
    missing = [name for name in names if name not in pictures]
    if missing:
        raise DataError(
            f"All {len(names)} pictures of {table.name} are required. Got: {len(missing)} that lie in none of the folders, first {missing[0]}."
        )
    for name in names:
        shutil.copyfile(pictures[name], folder / name)
    return Path(shutil.copyfile(table, folder / "table.csv"))


def opened(model: Path, data: Path) -> ForeignClassifier:
    """Return a model read by its metadata; ModelError where it is one of ours."""
    from freezenet.benchmarks.any_model.opening import open_models
    from freezenet.convert.foreign.classifier import is_ours

    if is_ours(ModelFile.read(model)):
        raise ModelError(f"A model that freezenet did not write is required. Got: {model.name}, which has its card.")
    (classifier,) = open_models([model], data)
    return cast("ForeignClassifier", classifier)


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


def beside_mediapipe(classifier: ForeignClassifier, pictures: Sequence[Path], python: Path) -> dict[str, Any]:
    """Return how the scores of pictures agree with those of MediaPipe, given the file and given the pixels (JSON types).

    Args:
        classifier: the model.
        pictures: image files.
        python: of an environment with MediaPipe.
    """
    start = Start(python, {"way": "mediapipe", "model": str(classifier.path.resolve())})
    ours, from_file, from_pixels = [], [], []
    unread = 0
    with tempfile.TemporaryDirectory() as folder, WayProcess(start, usable_cores()[:1]) as mediapipe:
        resized = Path(folder) / "resized.png"
        for path in pictures:
            pixels = classifier.card.preprocess.pixels(path)
            cv2.imwrite(str(resized), pixels[..., ::-1] if pixels.ndim == 3 else pixels)
            whole, given = (mediapipe.ask(file.resolve(), 0) for file in (path, resized))
            if "cannot" in whole:
                unread += 1
                continue
            if "cannot" in given:
                raise ModelError(f"Answers of MediaPipe are required. Got: {given['cannot']}.")
            ours.append(classifier.scores(pixels[None])[0])
            from_file.append(whole["scores"])
            from_pixels.append(given["scores"])
    return {
        "version": VERSION,
        "unread": unread,
        "file": agreement(np.array(ours), np.array(from_file)),
        "pixels": agreement(np.array(ours), np.array(from_pixels)),
    }


def agreement(ours: NDArray, theirs: NDArray) -> dict[str, Any]:
    """Return how two sets of scores (n, classes) agree (JSON types).

    "surest_other" is the highest score that ours give to a class which theirs do not name, 0 where all are the same.
    """
    same = ours.argmax(1) == theirs.argmax(1)
    largest = np.abs(ours - theirs).max(1)
    return {
        "pictures": len(same),
        "same_class": int(same.sum()),
        "largest_difference": round(float(largest.max()), 6),
        "median_difference": round(float(np.median(largest)), 6),
        "surest_other": round(float(ours.max(1)[~same].max(initial=0)), 6),
    }


def study(model: Path, folders: Sequence[Path], table: Path, tools: Path) -> dict[str, Any]:
    """Return what is measured (JSON types); MissingToolError where MediaPipe cannot be installed. tools: where it is."""
    python = mediapipe_python(tools)
    pictures = pictures_in(folders)
    with tempfile.TemporaryDirectory() as folder:
        data = gathered(table, pictures, Path(folder))
        classifier = opened(model, data)
        return {
            "model": model.name,
            "model_sha256": classifier.file.sha256,
            "bytes": len(classifier.file.content),
            "reading": classifier.reading.facts,
            "judged": judged(classifier, data),
            "mediapipe": beside_mediapipe(classifier, list(pictures.values()), python),
            "environment": environment(),
        }


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
    found = result["judged"]
    lines = [f"{found['right']} of {found['pictures']} right"]
    lines += [f"{one['class']} is called {one['called']}" for one in found["wrong"]]
    for given in ("file", "pixels"):
        one = result["mediapipe"][given]
        lines.append(
            f"given the {given}, MediaPipe names the same class of {one['same_class']} of {one['pictures']}, scores within "
            f"{one['largest_difference']:.4f}"
        )
    hand_over(result, f"packaged-{model.stem}", "\n".join(lines), as_json, out)


if __name__ == "__main__":
    main()
