"""What the OOD gate of a model file does with foreign chest X-rays, with other pictures, and with both after a change.

    python -m studies.ood_altered MODEL --cxr FOLDER --not-cxr FOLDER --out results

Each image is shown as it is and blurred, noisy, framed and saved again, in its stored size and in that of the network. The whole path
of the device answers: file, preprocessing, integer network, OOD gate. DATA that the model was trained on has no place here.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cv2
import numpy as np

from freezenet.edge_runtime.errors import ModelError
from studies.command import StudyCommand, hand_over, model_argument, not_cxr_option, result_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from freezenet.edge_runtime.classifier import Classifier

_Change = Callable[["NDArray[np.uint8]", np.random.Generator], "NDArray[np.uint8]"]


def _blurred(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.2), np.uint8)


def _noisy(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    return np.clip(np.rint(image + rng.normal(0, 8, image.shape)), 0, 255).astype(np.uint8)


def _framed(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    high, wide = image.shape[0] // 10, image.shape[1] // 10
    return np.asarray(cv2.copyMakeBorder(image, high, high, wide, wide, cv2.BORDER_CONSTANT, value=0), np.uint8)


def _saved(quality: int) -> _Change:
    def save(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE), np.uint8)

    return save


def _small(change: _Change) -> _Change:
    """Return the change of the image made as small as the network takes it, as an archive of thumbnails would hold it."""
    return lambda image, rng: change(
        np.asarray(cv2.resize(image, (224, 224), interpolation=cv2.INTER_AREA), np.uint8), rng
    )


#: What is done to an image -> how.
CHANGES: dict[str, _Change] = {
    "as it is": lambda image, rng: image,
    "blurred (1.2 pixels)": _blurred,
    "noisy (sd 8)": _noisy,
    "framed (10 % black)": _framed,
    "JPEG, quality 35": _saved(35),
    "224 pixels, JPEG, quality 75": _small(_saved(75)),
    "224 pixels, blurred (1.2 pixels)": _small(_blurred),
    "224 pixels, noisy (sd 8)": _small(_noisy),
    "224 pixels, JPEG, quality 35": _small(_saved(35)),
}


def measure(model: Path, cxr: Path, not_cxr: Path) -> dict[str, Any]:
    """Return the share of the images below two folders that the OOD gate lets pass, for each change (JSON types).

    Args:
        model: a file of the profile edge.
        cxr: chest X-rays that took no part in its training.
        not_cxr: pictures that are no chest X-rays.
    """
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.edge_runtime.system.environment import environment

    classifier = Classifier(model)
    if classifier.rule.gate is None:
        raise ModelError(f"A model with an OOD gate in its card (profile edge) is required. Got: {model.name}.")
    folders = {"cxr": cxr, "not_cxr": not_cxr}
    passed = {name: _passed(classifier, folder) for name, folder in folders.items()}
    return {
        "model": model.name,
        "images": {name: len(found) for name, found in passed.items()},
        "gate": classifier.card.content["gate"]["kind"],
        "passed": {
            name: dict(zip(CHANGES, np.mean(found, axis=0).round(6).tolist(), strict=True))
            for name, found in passed.items()
        },
        "environment": environment(),
    }


def _passed(classifier: Classifier, folder: Path) -> list[list[bool]]:
    """Return for each image below a folder, and each change, whether the OOD gate lets it pass."""
    from freezenet.edge_runtime.decision import NOT_CHEST
    from freezenet.train.ood.negatives import all_below
    from freezenet.train.progress import track

    paths, found = all_below(folder, "image").paths, []
    for path in track(paths, f"Changing {folder.name}", len(paths)):
        image = classifier.card.preprocess.decode(path)
        rng = np.random.default_rng(zlib.crc32(path.name.encode()))
        decisions = (classifier.predict(change(image, rng)) for change in CHANGES.values())
        found.append([one.reason != NOT_CHEST for one in decisions])
    return found


@click.command(cls=StudyCommand)
@model_argument
@click.option(
    "--cxr",
    required=True,
    type=click.Path(exists=True, path_type=Path, file_okay=False),
    help="Chest X-rays that took no part in the training.",
)
@not_cxr_option(required=True)
@result_options
def main(model, cxr, not_cxr, as_json, out) -> None:
    """Show changed images to the OOD gate of a model file."""
    result = measure(model, cxr, not_cxr)
    lines = ["change\tchest X-rays passed\tother images refused"]
    for change in CHANGES:
        shown, others = (result["passed"][name][change] for name in ("cxr", "not_cxr"))
        lines.append(f"{change}\t{shown:.3f}\t{1 - others:.3f}")
    hand_over(result, f"altered-{model.stem}", "\n".join(lines), as_json, out)


if __name__ == "__main__":
    main()
